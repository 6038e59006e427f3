"""Scenarios by name: what is expected is a sentence of facts, and what is observed must be the same one."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.scenarios.world import World

Run = Callable[[World], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`run` plays it and says what was observed."""

    name: str
    expected: str
    run: Run


SCENARIOS: list[Scenario] = []


def scenario(name: str, *, expected: str) -> Callable[[Run], Run]:
    """Enter the decorated function as the scenario of this name."""

    def enter(run: Run) -> Run:
        assert all(known.name != name for known in SCENARIOS), name
        SCENARIOS.append(Scenario(name=name, expected=expected, run=run))
        return run

    return enter
