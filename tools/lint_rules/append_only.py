"""Nothing changes or deletes a ledger entry.

Somebody puts a wrong charge right with an UPDATE: the balance is right again, and nobody can say any more
what was charged, when, and why it changed. Corrections are new lines (`storage.ledger_corrections`).
"""

import ast
import re
from collections.abc import Iterator

from tools.lint_rules.source import Finding, Source

TABLE, ROW = "ledger_entries", "LedgerEntryRow"
_SQL = re.compile(rf"\b(UPDATE|DELETE\s+FROM|TRUNCATE(\s+TABLE)?)\s+(ONLY\s+)?\"?{TABLE}\b", re.IGNORECASE)


def check(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("src/"):
        return
    names = {ROW} | _aliases(source.tree)
    for node in ast.walk(source.tree):
        if _is_statement(node) or _is_built(node, names):
            yield Finding(
                path=source.path,
                line=getattr(node, "lineno", 0),
                message="changes ledger entries; they are only ever added, corrections are new lines",
            )


def _aliases(tree: ast.AST) -> set[str]:
    """Names that stand for the row: `entry = LedgerEntryRow`, also `entry, record = LedgerEntryRow, ...`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found.update(_matched(target, node.value))
    return found


def _matched(target: ast.expr, value: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from _matched(one, its)
    elif isinstance(target, ast.Name) and isinstance(value, ast.Name) and value.id == ROW:
        yield target.id


def _is_statement(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_SQL.search(node.value))


def _is_built(node: ast.AST, names: set[str]) -> bool:
    """`update(LedgerEntryRow)`, `delete(entry)`, however the functions were imported."""
    if not isinstance(node, ast.Call) or not node.args:
        return False
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = node.args[0]
    return function in ("update", "delete") and isinstance(first, ast.Name) and first.id in names
