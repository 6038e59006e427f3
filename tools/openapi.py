"""Writes the management API's schema, from the code as it is: the web app's types are made of it, so that a
page which uses a field that is gone does not pass its type check.

Usage: python -m tools.openapi FILE
"""

import json
import sys
from pathlib import Path

from fastapi.openapi.utils import get_openapi

from headgate.control.app import management_routes


def schema() -> str:
    document = get_openapi(title="Headgate management API", version="1", routes=list(management_routes()))
    return json.dumps(document, sort_keys=True)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema(), encoding="utf-8")
