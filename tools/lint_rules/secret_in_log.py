"""No secret in a log call or an exception.

`Secret` prints as `***`, so the danger is the one place that unwraps it: `log.info("sent",
key=secret.reveal())` or `raise ValueError(f"bad key {secret.reveal()}")`. Logging the wrapper itself is
refused as well: a line that says `key=***` helps nobody and invites the next person to "fix" it.
"""

import ast
from collections.abc import Iterator

from tools.lint_rules.source import Finding, Source

LOGGERS = {"log", "logger", "_log", "logging"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "bind", "msg"}


def check(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("src/"):
        return
    secrets = _secret_names(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _is_log_call(node):
            for part in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield from _leaks(source, part, secrets, "a log call")
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield from _leaks(source, node.exc, frozenset(), "an exception")


def _is_log_call(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in LEVELS:
        return False
    target = call.func.value
    name = (
        target.id
        if isinstance(target, ast.Name)
        else target.attr
        if isinstance(target, ast.Attribute)
        else ""
    )
    return name in LOGGERS


def _secret_names(tree: ast.Module) -> frozenset[str]:
    """Names that this module annotates as `Secret`: parameters, variables and fields."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and _mentions_secret(node.annotation):
            names.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and _mentions_secret(node.annotation):
            names.add(
                node.target.attr if isinstance(node.target, ast.Attribute) else ast.unparse(node.target)
            )
    return frozenset(names)


def _mentions_secret(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(
        isinstance(node, ast.Name) and node.id == "Secret" for node in ast.walk(annotation)
    )


def _leaks(source: Source, part: ast.expr, secrets: frozenset[str], where: str) -> Iterator[Finding]:
    for node in ast.walk(part):
        name = (
            node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
        )
        if name == "reveal" or name in secrets:
            yield Finding(
                path=source.path, line=part.lineno, message=f"a Secret in {where}; log an id instead"
            )
            return
