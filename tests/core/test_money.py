from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.money import div_half_even, from_usd, multiplier_from, to_usd


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**15))
def test_division_rounds_half_to_even_like_decimal(numerator: int, denominator: int) -> None:
    doubled = 2 * numerator
    floor = numerator // denominator
    exact = div_half_even(numerator, denominator)
    assert exact in (floor, floor + 1)
    assert abs(doubled - 2 * exact * denominator) <= denominator
    if abs(doubled - 2 * exact * denominator) == denominator:
        assert exact % 2 == 0


@pytest.mark.parametrize(
    ("numerator", "expected"), [(5, 2), (15, 8), (25, 12), (-5, -2), (-15, -8), (24, 12), (0, 0)]
)
def test_ties_go_to_the_even_neighbour(numerator: int, expected: int) -> None:
    assert (
        div_half_even(numerator, 2)
        == int((Decimal(numerator) / 2).to_integral_value(ROUND_HALF_EVEN))
        == expected
    )


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        (1, 10**9),
        (0, 0),
        ("0.000000001", 1),
        (0.1, 10**8),
        (1.005, 1_005_000_000),
        (Decimal("-2.5"), -2_500_000_000),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
    ],
)
def test_usd_becomes_nano_usd_exactly(usd: Decimal | float | str, nano: int) -> None:
    assert from_usd(usd) == nano


@given(st.integers(-(10**15), 10**15))
def test_amounts_up_to_a_million_usd_survive_the_edge(nano: int) -> None:
    assert from_usd(to_usd(nano)) == nano


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 10_000), (1.5, 15_000), ("0.0001", 1), (0, 0), (0.3, 3_000)]
)
def test_multipliers_are_ten_thousandths(value: float | str, expected: int) -> None:
    assert multiplier_from(value) == expected
