"""Apply every house rule to the tree; exit 1 when one finds something."""

import sys
from pathlib import Path

from tools.lint_rules import append_only, commit_once, narrow_except, no_rows_in_relay, secret_in_log
from tools.lint_rules.source import Finding, Rule, Source

ROOT = Path(__file__).resolve().parent.parent.parent
RULES: tuple[Rule, ...] = (
    append_only.check,
    commit_once.check,
    narrow_except.check,
    no_rows_in_relay.check,
    secret_in_log.check,
)


def main() -> int:
    findings: list[Finding] = []
    files = sorted((ROOT / "src").rglob("*.py"))
    for path in files:
        source = Source.parse(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        findings += [finding for rule in RULES for finding in rule(source)]
    print(
        "\n".join(map(str, findings))
        if findings
        else f"lint_rules: {len(RULES)} rules, {len(files)} files, nothing found"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
