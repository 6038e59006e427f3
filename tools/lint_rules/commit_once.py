"""Only the unit of work commits.

A service that commits half of a change leaves the other half to luck: a balance is moved, its ledger line is
not. The request, the job or the journal commits, once, at its end.
"""

import ast
from collections.abc import Iterator

from tools.lint_rules.source import Finding, Source

ALLOWED = ("src/headgate/storage/", "src/headgate/control/deps.py")


def check(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("src/") or source.path.startswith(ALLOWED):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
            yield Finding(
                path=source.path,
                line=node.lineno,
                message="commit() outside the unit of work; the request, job or journal commits, once",
            )
