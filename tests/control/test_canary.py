"""Whatever secret goes in, no answer gives it back (PAINS S6, S11, S12; DESIGN 9.1)."""

import re

from tests.control.web.test_routing import ROUTES

CANARY = "canary-7f3a9c0e51d24b68-secret"


async def plant(control):
    """A canary in every secret field, and one id of everything."""
    account = await control.add_account(
        "a",
        credentials={"api_key": f"sk-{CANARY}", "refresh_token": f"rt-{CANARY}", "nested": {"token": CANARY}},
    )
    proxy = {"name": "p", "protocol": "http", "host": "h", "port": 1, "username": "u", "password": CANARY}
    await control.admin("POST", "/admin/proxies", proxy)
    await control.add_group()
    await control.anna("POST", "/keys", {"name": "k", "custom_key": CANARY})
    await control.admin("PUT", f"/admin/users/{control.ben.user_id}", {"password": CANARY})
    await control.admin("POST", "/admin/prices", {"model": "m", "input": 1, "output": 1})
    return account


async def test_no_answer_of_any_route_holds_a_planted_secret_or_a_hash(control):
    await plant(control)
    for method, path, _ in ROUTES:
        # The live events never end; what they say is read in `tests/e2e/test_canary.py`.
        if (
            method == "DELETE"
            or "regenerate" in path
            or "revoke-all-sessions" in path
            or path == "/v1/events"
        ):
            continue
        for caller in (control.admin, control.anna):
            answer = await control.client.call(
                method, re.sub(r"\{[^}]+\}", "1", path), {}, headers=caller.headers
            )
            assert answer.status < 500, (method, path)
            assert CANARY.encode() not in answer.body, (method, path)
            assert b"$argon2" not in answer.body, (method, path)


async def test_a_refusal_does_not_repeat_the_secret(control):
    for body in (
        {"name": "n", "platform": "anthropic", "type": "apikey", "credentials": {"api_key": f"{CANARY}\n"}},
        {"name": "n", "platform": "anthropic", "type": "apikey", "credentials": f"{CANARY}"},
        {"name": "n", "platform": "x", "type": "apikey", "credentials": {"api_key": CANARY}},
    ):
        answer = await control.admin("POST", "/admin/accounts", body)
        assert CANARY.encode() not in answer.body
    for login in ({"email": CANARY, "password": [CANARY]}, {"email": "a@b.c", "password": CANARY * 20}):
        answer = await control.nobody("POST", "/auth/login", login)
        assert answer.status == 400
        assert CANARY.encode() not in answer.body


async def test_a_crash_tells_nothing(control):
    async def crash(url):
        raise RuntimeError(f"boom {CANARY}")

    object.__setattr__(control.deps, "check_base_url", crash)
    body = {
        "name": "n", "platform": "anthropic", "type": "apikey",
        "credentials": {"api_key": CANARY, "base_url": "https://x.example"},
    }  # fmt: skip
    answer = await control.admin("POST", "/admin/accounts", body, raises=False)
    assert answer.status == 500
    assert answer.json == {"code": 500, "message": "internal error", "reason": "INTERNAL_ERROR"}
