"""Every reference in the documentation must lead somewhere.

Checked in each Markdown file: relative links, their anchors, and paths in backticks (`src/...`, `tests/...`),
so that a page cannot name a file that was moved. Links to other hosts are not fetched.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:src|tests|tools|docs|deploy|bench|requirements|\.ci)/[\w./-]*)`")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {anchor(heading) for heading in HEADING.findall(FENCE.sub("", text))}


def broken(page: Path, root: Path) -> Iterator[str]:
    """One line for each reference of `page` that leads nowhere."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    shown = page.relative_to(root).as_posix()
    for target in LINK.findall(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"{shown}: link to {target}: no such file"
        elif fragment and file.suffix == ".md" and fragment not in anchors(file.read_text(encoding="utf-8")):
            yield f"{shown}: link to {target}: no such heading"
    for named in CODE_PATH.findall(text):
        if not (root / named).exists():
            yield f"{shown}: names `{named}`: no such file"


def pages(root: Path) -> list[Path]:
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "deploy").rglob("*.md")])


def main() -> int:
    found = pages(ROOT)
    problems = [problem for page in found for problem in broken(page, ROOT)]
    print(
        "\n".join(problems)
        if problems
        else f"check_links: {len(found)} pages, every reference leads somewhere"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
