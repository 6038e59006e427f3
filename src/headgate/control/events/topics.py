"""What open pages are told, as topics that have a state each: an event carries the state (or what changed of
it), never a happening that could be missed. Pure.

Invariants: a listener holds no queue, only what it was told last, so a slow one costs no memory and misses
nothing but what was overwritten meanwhile. Digests are of the content: whoever comes back, on any worker, is
told what differs from what it has.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.control.web.permissions import Permission, may
from headgate.kit import json

ACCOUNTS = "accounts"
PERMISSIONS: Mapping[str, Permission] = {
    "me": Permission.USER,
    "directory": Permission.USER,
    "counters": Permission.READ,
    "queue": Permission.READ,
    ACCOUNTS: Permission.READ,
    "jobs": Permission.READ,
}
"""Topics in the order in which they are told, and what it takes to hear them."""
MAX_ID_CHARS = 200
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """Of one topic. `data` of ACCOUNTS is by account id."""

    data: Data
    digest: str


def state_of(data: Data) -> State:
    return State(data, hashlib.blake2s(json.dumps(data), digest_size=6).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that anybody may be told, as of one look."""

    shared: Mapping[str, State]
    own: Mapping[int, State]
    """By user."""

    def visible_to(self, user_id: int, role: str) -> Mapping[str, State]:
        known = {**self.shared, **({"me": self.own[user_id]} if user_id in self.own else {})}
        return {
            name: known[name] for name, needed in PERMISSIONS.items() if name in known and may(role, needed)
        }


NOTHING = Snapshot(shared={}, own={})


class Told:
    """What one listener knows."""

    def __init__(self, last_id: str = "") -> None:
        """`last_id`: of the last event that it got, from this process or another."""
        self._states: dict[str, State] = {}
        self._digests = _digests_from(last_id)
        self.is_resumed = bool(self._digests)

    def events(self, visible: Mapping[str, State]) -> Iterable[bytes]:
        """What it must be told; it is then told."""
        for name in [name for name in self._digests if name not in visible]:
            self._states.pop(name, None)
            del self._digests[name]
        for name, state in visible.items():
            before = self._states.get(name)
            is_news = self._digests.get(name) != state.digest
            self._states[name], self._digests[name] = state, state.digest
            if is_news:
                yield event(name, _content(name, before, state), event_id=self._id())

    def _id(self) -> str:
        return ",".join(f"{name}:{digest}" for name, digest in self._digests.items())


def event(name: str, data: Data, *, event_id: str = "") -> bytes:
    """One server-sent event; `name` is ours, `data` becomes one line of JSON."""
    head = f"event: {name}\n" + (f"id: {event_id}\n" if event_id else "")
    return head.encode() + b"data: " + json.dumps(data) + b"\n\n"


def _content(name: str, before: State | None, now: State) -> Data:
    if name != ACCOUNTS:
        return now.data
    known: Data = before.data if before is not None else {}
    changed: Sequence[Any] = [facts for key, facts in now.data.items() if known.get(key) != facts]
    gone = [int(key) for key in known if key not in now.data]
    return {"is_whole": before is None, "changed": changed, "gone": gone}


def _digests_from(last_id: str) -> dict[str, str]:
    """Unknown topics and anything that is no id of ours are forgotten."""
    pairs = (part.partition(":") for part in last_id[:MAX_ID_CHARS].split(","))
    return {name: digest for name, _, digest in pairs if name in PERMISSIONS and digest}
