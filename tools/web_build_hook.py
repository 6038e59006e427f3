"""Puts the built web app into wheels and source archives. A build from a source archive finds it there and
needs no Node; an editable install takes whatever `make web` has left."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebAppHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        is_checkout = (root / "tools/web.py").is_file() and (root / ".git").exists()
        if version != "editable" and is_checkout:
            subprocess.run([sys.executable, str(root / "tools/web.py")], check=True)
