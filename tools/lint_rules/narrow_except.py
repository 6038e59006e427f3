"""`except Exception` only as the last resort: the data plane's outermost boundary and the job runner.

Anywhere else it turns a bug into a wrong answer. A handler that ends by raising (a clean-up) hides nothing
and is allowed; no other is, however well it logs.
"""

import ast
from collections.abc import Iterator

from tools.lint_rules.source import Finding, Source

ALLOWED = {"src/headgate/relay/gateway.py"}
BROAD = {"Exception", "BaseException"}


def check(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("src/") or source.path in ALLOWED:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node):
            yield Finding(
                path=source.path,
                line=node.lineno,
                message="broad except; name the exceptions, or leave it to the outermost middleware",
            )


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(part, ast.Name) and part.id in BROAD for part in parts)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)
