"""Writes the management API's schema, from the code as it is: the web app's types are made of it, so that a
page which uses a field that is gone does not pass its type check.

Usage: python -m tools.openapi FILE
"""

import json
import sys
from pathlib import Path

from headgate.control.app import management_schema


def schema() -> str:
    return json.dumps(management_schema(), sort_keys=True)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema(), encoding="utf-8")
