from pathlib import Path

import pytest

from tools.check_links import anchor, broken


def problems(root: Path, text: str) -> list[str]:
    page = root / "README.md"
    page.write_text(text, encoding="utf-8")
    return list(broken(page, root))


@pytest.mark.parametrize(
    "text",
    [
        "[other](other.md) [part](other.md#two-words) [own](#here)\n# Here\n",
        "[web](https://example.com/x) [mail](mailto:a@example.com)",
        "```\n[in a code block](nowhere.md)\n```\n",
        "`src/there.py` and `HEADGATE_DATA_DIR` and `data/headgate.db`",
    ],
)
def test_references_that_lead_somewhere_are_no_problem(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.md").write_text("## Two `words`\n", encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/there.py").touch()
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize("text", ["[x](nowhere.md)", "[x](#nowhere)", "see `tests/gone.py`"])
def test_references_that_lead_nowhere_are_found(tmp_path: Path, text: str) -> None:
    assert len(problems(tmp_path, text)) == 1


def test_an_anchor_is_made_as_on_github() -> None:
    assert anchor("With a `real` key: what now?") == "with-a-real-key-what-now"
