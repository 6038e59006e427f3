"""Size budgets: a file or function that outgrows its limit fails the check (HOUSE_STYLE 1 and 2).

Justified exceptions stand in `tools/budgets.toml`, each with its own limit and a reason. The list is a
ratchet: an entry that is no longer needed fails too, so that it can only shrink.
"""

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_LINES = 60
FILE_LINES = {"src": 600, "tools": 600, "bench": 600, "tests": 800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The measured size of a file, or of a function in it. `where` is `path` or `path::Class.function`."""

    where: str
    lines: int
    limit: int


@dataclass(frozen=True, slots=True)
class Exemption:
    lines: int
    reason: str


def measure(path: str, text: str) -> Iterator[Size]:
    """Sizes of one source file and of all functions in it, nested ones too. `path` is relative to the
    root."""
    yield Size(where=path, lines=len(text.splitlines()), limit=FILE_LINES[path.split("/", 1)[0]])
    for name, node in _functions(ast.parse(text), prefix=""):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        yield Size(where=f"{path}::{name}", lines=lines, limit=FUNCTION_LINES)


def _functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            yield from _functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            yield from _functions(node, prefix)


def judge(sizes: Iterable[Size], exemptions: Mapping[str, Exemption]) -> list[str]:
    """One line per violation: too big without an exemption, beyond it, or an exemption that nobody needs."""
    problems = []
    needed = set()
    for size in sizes:
        if size.lines <= size.limit:
            continue
        needed.add(size.where)
        exemption = exemptions.get(size.where)
        if exemption is None:
            problems.append(f"{size.where}: {size.lines} lines, the limit is {size.limit}; split it by idea")
        elif size.lines > exemption.lines:
            problems.append(f"{size.where}: {size.lines} lines, exempted up to {exemption.lines}; shrink it")
    problems += [
        f"{where}: exemption no longer needed; delete it" for where in exemptions if where not in needed
    ]
    return problems


def read_exemptions(text: str) -> dict[str, Exemption]:
    """Parse `budgets.toml`. Raises `ValueError` for an entry without a reason."""
    exemptions = {}
    for entry in tomllib.loads(text).get("exemption", []):
        if not entry.get("reason"):
            raise ValueError(f"exemption {entry['where']}: give a reason")
        exemptions[entry["where"]] = Exemption(entry["lines"], entry["reason"])
    return exemptions


def main() -> int:
    exemptions = read_exemptions((ROOT / "tools/budgets.toml").read_text(encoding="utf-8"))
    sizes: list[Size] = []
    for top in FILE_LINES:
        for path in sorted((ROOT / top).rglob("*.py")):
            sizes += measure(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    problems = judge(sizes, exemptions)
    print(
        "\n".join(problems) if problems else f"budgets: {len(sizes)} files and functions within their limits"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
