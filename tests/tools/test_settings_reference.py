from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from headgate import settings
from headgate.settings import Settings
from tools.settings_reference import PAGE, meanings, render


class Part(BaseModel):
    wait_s: float = Field(2.5, gt=0)
    mode: Literal["a", "b"] = "a"


class Whole(BaseModel):
    part: Part = Part()
    name: str | None = None


def test_a_key_is_shown_with_its_variable_its_bounds_and_its_default() -> None:
    assert "| `part.wait_s` | `HEADGATE_PART__WAIT_S` | number > 0 | `2.5` | Why. |" in render(
        Whole, {("Part", "wait_s"): "Why."}
    )


def test_choices_and_absent_values_are_spelled_out() -> None:
    page = render(Whole, {})
    assert "one of `a`, `b`" in page
    assert "| `name` | `HEADGATE_NAME` | text | none |" in page


def test_the_meaning_is_the_string_below_the_field() -> None:
    assert meanings('class A:\n    x: int = 1\n    """Why\n    one."""\n    y: int = 2\n') == {
        ("A", "x"): "Why\n    one."
    }


def test_the_committed_page_is_what_settings_say() -> None:
    source = Path(settings.__file__).read_text(encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == render(Settings, meanings(source)), "run `make reference`"
