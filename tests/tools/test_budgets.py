import pytest

from tools.budgets import Exemption, Size, judge, measure, read_exemptions


def size(lines: int, where: str = "src/a.py") -> Size:
    return Size(where=where, lines=lines, limit=600)


def test_a_file_within_its_limit_is_no_problem() -> None:
    assert judge([size(600)], {}) == []


def test_a_file_beyond_its_limit_is_named_with_its_size() -> None:
    assert judge([size(601)], {}) == ["src/a.py: 601 lines, the limit is 600; split it by idea"]


def test_an_exempted_file_may_stay_but_not_grow() -> None:
    exemptions = {"src/a.py": Exemption(700, "one table")}
    assert judge([size(700)], exemptions) == []
    assert "shrink" in judge([size(701)], exemptions)[0]


@pytest.mark.parametrize("sizes", [[], [size(600)]], ids=["deleted", "small again"])
def test_an_exemption_that_nobody_needs_fails(sizes: list[Size]) -> None:
    assert judge(sizes, {"src/a.py": Exemption(700, "one table")}) == [
        "src/a.py: exemption no longer needed; delete it"
    ]


def test_an_exemption_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="give a reason"):
        read_exemptions('[[exemption]]\nwhere = "src/a.py"\nlines = 700\n')


def test_methods_and_nested_functions_are_measured_under_their_full_name() -> None:
    text = "class A:\n    def f(self):\n        def g():\n            return 1\n        return g\n"
    measured = {found.where: found.lines for found in measure("src/a.py", text)}
    assert measured == {"src/a.py": 5, "src/a.py::A.f": 4, "src/a.py::A.f.g": 2}


def test_test_files_may_be_longer_than_source_files() -> None:
    limits = [next(measure(path, "")).limit for path in ("src/a.py", "tests/test_a.py")]
    assert limits == [600, 800]
