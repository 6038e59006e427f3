"""`python -m tests.scenarios`: play all scenarios and print a table of them; the status says whether all
passed."""

import sys
import textwrap
from pathlib import Path

import pytest

_WIDTHS = (34, 46, 46)


class Table:
    """Collects what each test recorded."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        found = {name: str(value) for name, value in report.user_properties}
        name = found.get("scenario", report.nodeid)
        observed = found.get("observed") or str(report.longrepr).strip().splitlines()[-1]
        self.rows.append((name, found.get("expected", ""), observed, "ok" if report.passed else "WRONG"))

    def render(self) -> str:
        lines = []
        for *cells, verdict in [("scenario", "expected", "observed", "verdict"), *self.rows]:
            wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
            for at in range(max(map(len, wrapped))):
                parts = [
                    (part[at] if at < len(part) else "").ljust(width)
                    for part, width in zip(wrapped, _WIDTHS, strict=True)
                ]
                lines.append("  ".join([*parts, verdict if at == 0 else ""]).rstrip())
        right = sum(row[-1] == "ok" for row in self.rows)
        return "\n".join([*lines, "", f"{right} of {len(self.rows)} as expected"])


def main() -> int:
    table = Table()
    status = pytest.main(["-q", "--no-header", "--tb=short", str(Path(__file__).parent)], plugins=[table])
    sys.stdout.write("\n" + table.render() + "\n")
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main())
