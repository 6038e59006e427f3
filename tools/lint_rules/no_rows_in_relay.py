"""No ORM row in the data plane.

A row touched after its session ended loads lazily: SQL on the request path, or an exception in mid-stream.
`relay/` reads the directory's snapshot and writes through the journal.
"""

import ast
from collections.abc import Iterator

from tools.lint_rules.source import Finding, Source

MODELS = "headgate.storage.models"


def check(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("src/headgate/relay/"):
        return
    for node in ast.walk(source.tree):
        if any(name == MODELS or name.startswith(MODELS + ".") for name in _imported(node)):
            yield Finding(
                path=source.path,
                line=getattr(node, "lineno", 0),
                message="storage.models in relay/; read the directory, write through the journal",
            )


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        case _:
            return []
