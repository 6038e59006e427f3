"""The management API over a real migrated database, on both backends; all behind it is in process."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from argon2 import PasswordHasher
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.control.app import create_control_app
from headgate.control.auth.passwords import Argon2Cost, Passwords
from headgate.control.auth.tokens import AccessTokens, Claims
from headgate.control.deps import ControlDeps
from headgate.control.live import SlotLoads
from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import flat_price
from headgate.core.routing.degradation import Degradation
from headgate.kit.clock import FakeClock
from headgate.kit.crypto import Vault
from headgate.settings import AuthSettings, Settings
from headgate.state.memory import open_memory_state
from headgate.storage.models import UserRow
from headgate.storage.unit_of_work import UnitOfWork
from headgate.upstream.web import WebClient
from tests.support.asgi import Answer, AsgiClient
from tests.support.databases import *  # noqa: F403

PASSWORD = "correct horse battery"
STABLE_REASON = re.compile("[A-Z][A-Z0-9_]*")
CHEAP_COST = Argon2Cost(passes=1, memory_kib=8, lanes=1)
_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""A real argon2id hash that costs nothing to verify: its parameters travel with it."""
assert Argon2Hasher.identify(_CHEAP)


class ScriptedTester:
    """An `AccountTester` that says what it was told to say."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, object]] = [
            {"type": "test_start", "model": "m"},
            {"type": "content", "text": "hello"},
            {"type": "test_complete", "success": True},
        ]
        self.asked: list[tuple[int, str, str]] = []

    async def run(self, account_id: int, *, model: str, prompt: str) -> AsyncIterator[Mapping[str, object]]:
        self.asked.append((account_id, model, prompt))
        for event in self.events:
            yield event


async def refuse_metadata_service(url: str) -> str | None:
    return "the address is not public" if "169.254" in url else None


@dataclass
class Caller:
    """Somebody with headers, who wants to know why whenever something is refused."""

    client: AsgiClient
    headers: dict[str, str]
    user_id: int = 0

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        headers = self.headers | options.pop("headers", {})
        answer = await self.client.call(method, "/v1" + path, body, headers=headers, **options)
        if answer.status >= 400:
            assert STABLE_REASON.fullmatch(answer.json["reason"]), (method, path, answer.body)
        return answer


@dataclass
class Control:
    """The API and its surroundings."""

    deps: ControlDeps
    app: Any
    client: AsgiClient
    clock: FakeClock
    tester: ScriptedTester
    bounds: list[str]
    admin: Caller = field(init=False)
    anna: Caller = field(init=False)
    ben: Caller = field(init=False)
    nobody: Caller = field(init=False)

    async def add_user(self, email: str, *, role: str = "user", balance_nano: int = 0) -> Caller:
        now = datetime.fromtimestamp(self.clock.now_ms() / 1000, tz=UTC)
        async with self.deps.uow() as uow:
            row = UserRow(
                email=email, password_hash=_CHEAP, role=role, status="active", balance_nano=balance_nano,
                created_at=now, updated_at=now,
            )  # fmt: skip
            uow.session.add(row)
        return self.caller(row)

    def caller(self, row: UserRow) -> Caller:
        claims = Claims(user_id=row.id, email=row.email, role=row.role, token_version=row.token_version)
        token = AccessTokens(self.deps.vault).issue(
            claims, now_s=self.clock.now_ms() // 1000, lifetime_s=3600
        )
        return Caller(self.client, {"authorization": f"Bearer {token}"}, row.id)

    async def add_group(self, name: str = "pool", **fields: Any) -> int:
        return (await self.admin("POST", "/admin/groups", {"name": name, **fields})).data["id"]

    async def add_account(self, name: str = "main", **fields: Any) -> int:
        body = {
            "name": name,
            "platform": "anthropic",
            "type": "apikey",
            "credentials": {"api_key": "sk-ant-0123456789"},
        }
        return (await self.admin("POST", "/admin/accounts", body | fields)).data["id"]


async def all_is_well() -> Sequence[Degradation]:
    return ()


@pytest.fixture
def make_deps(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], clock: FakeClock
) -> Callable[..., ControlDeps]:
    def make(tester: ScriptedTester, bounds: list[str], **settings: Any) -> ControlDeps:
        chosen = Settings(
            auth=AuthSettings(login_limit_per_minute=5, login_failures_per_account=3), **settings
        )
        state = open_memory_state(clock, chosen.limits)

        async def note_bounds(changed: list[str]) -> None:
            bounds.extend(changed)

        book = PriceBook(
            catalogue=bundled_catalogue(), default=flat_price(input_usd_per_mtok=10, output_usd_per_mtok=50)
        )
        return ControlDeps(
            settings=chosen,
            uow=lambda: UnitOfWork(sessions),
            vault=Vault(bytes(32)),
            clock=clock,
            state=state,
            on_bounds_changed=note_bounds,
            check_base_url=refuse_metadata_service,
            live=SlotLoads(state.slots),
            account_tester=tester,
            prices=lambda: book,
            degradations=all_is_well,
            web=WebClient(chosen),
            passwords=Passwords(CHEAP_COST),
        )

    return make


@pytest.fixture
def make_control(
    make_deps: Callable[..., ControlDeps], clock: FakeClock
) -> Callable[..., Awaitable[Control]]:
    """`await make_control(run_mode="simple")`: the API under other settings."""

    async def make(**settings: Any) -> Control:
        tester = ScriptedTester()
        bounds: list[str] = []
        deps = make_deps(tester, bounds, **settings)
        app = create_control_app(deps)
        client = AsgiClient(app, root_path="/api")
        made = Control(deps=deps, app=app, client=client, clock=clock, tester=tester, bounds=bounds)
        made.admin = await made.add_user("admin@example.com", role="admin")
        made.anna = await made.add_user("anna@example.com")
        made.ben = await made.add_user("ben@example.com")
        made.nobody = Caller(client, {})
        return made

    return make


@pytest.fixture
async def control(make_control: Callable[..., Awaitable[Control]]) -> Control:
    """An admin, two users (anna, ben), and nobody."""
    return await make_control()
