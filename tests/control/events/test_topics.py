"""What a listener is told: each state once, differences of accounts, nothing that its role may not see."""

from headgate.control.events.topics import Snapshot, Told, state_of
from headgate.kit import json


def snapshot(**facts):
    accounts = facts.pop("accounts", {"1": {"id": 1, "in_use": 0}})
    shared = {
        "directory": {"version": facts.get("version", 7)},
        "counters": {"active_requests": facts.get("active", 0)},
        "queue": {"waiting": 0},
        "accounts": accounts,
    }
    own = {5: state_of({"balance": 1.0}), 6: state_of({"balance": 2.0})}
    return Snapshot(shared={name: state_of(data) for name, data in shared.items()}, own=own)


def read(events):
    """(name, id, data) of each."""
    found = []
    for event in events:
        lines = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
        assert event.endswith(b"\n\n")
        found.append((lines["event"], lines.get("id", ""), json.loads(lines["data"])))
    return found


def tell(told, seen, role="admin", user=5):
    return read(told.events(seen.visible_to(user, role)))


def test_each_topic_is_told_once_and_then_only_what_changed():
    told = Told()
    assert [name for name, *_ in tell(told, snapshot())] == [
        "me",
        "directory",
        "counters",
        "queue",
        "accounts",
    ]
    assert tell(told, snapshot()) == []
    assert [(name, data) for name, _, data in tell(told, snapshot(version=8))] == [
        ("directory", {"version": 8})
    ]


def test_accounts_are_told_as_a_whole_first_and_then_by_difference():
    told = Told()
    whole = tell(told, snapshot(accounts={"1": {"id": 1, "in_use": 0}, "2": {"id": 2, "in_use": 0}}))[-1][2]
    assert whole["is_whole"]
    assert [account["id"] for account in whole["changed"]] == [1, 2]
    ((_, _, part),) = tell(told, snapshot(accounts={"1": {"id": 1, "in_use": 3}}))
    assert part == {"is_whole": False, "changed": [{"id": 1, "in_use": 3}], "gone": [2]}


def test_users_hear_of_themselves_alone():
    assert [(name, data) for name, _, data in tell(Told(), snapshot(), role="user", user=6)] == [
        ("me", {"balance": 2.0}),
        ("directory", {"version": 7}),
    ]
    assert "accounts" in [name for name, *_ in tell(Told(), snapshot(), role="auditor", user=6)]


def test_who_comes_back_is_told_what_differs_and_accounts_as_a_whole():
    last_id = tell(Told(), snapshot())[-1][1]
    elsewhere = Told(last_id)
    assert elsewhere.is_resumed
    assert tell(elsewhere, snapshot()) == []
    changed = Told(last_id)
    (event,) = tell(changed, snapshot(accounts={"1": {"id": 1, "in_use": 9}}))
    assert event[2]["is_whole"]


def test_a_role_that_shrinks_hears_no_more_and_one_that_grows_hears_all_again():
    told = Told()
    tell(told, snapshot())
    assert tell(told, snapshot(active=4), role="user") == []
    assert "accounts" in [name for name, *_ in tell(told, snapshot(active=4), role="admin")]


def test_an_id_that_is_none_of_ours_is_forgotten():
    for nonsense in ("", "x", "evil:1", ":", "me", "me:" * 400, "\n"):
        told = Told(nonsense)
        assert [name for name, *_ in tell(told, snapshot())][0] == "me"
