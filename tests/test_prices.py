"""The price file from a real server to the book: what is believed, what is not, and what stays in use
(PAINS 9; issue 3, "Bad input")."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.pricing.cost import Quote
from headgate.errors import StartupError
from headgate.jobs.price_refresh import PriceRefresh
from headgate.kit import json
from headgate.kit.clock import FakeClock
from headgate.prices import price_book_builder, price_clients, price_refresh, require_file
from headgate.settings import PricingSettings, SecuritySettings, Settings, UrlAllowlistSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import SharedState
from headgate.storage.engine import session_factory
from headgate.storage.price_files import Attempt, read_active, read_attempt
from headgate.storage.read_model import DirectoryData, ReadModel
from headgate.upstream.clients import ClientPool
from tests.storage.books import VAULT, value
from tests.support.databases import *  # noqa: F403
from tests.support.scripted_upstream import CUT, HANG, Reply, ScriptedUpstream

LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)
PRICES = {
    f"house-{number}": {"input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06} for number in range(40)
}
FILE = json.dumps(PRICES)
OLD = 2_000_000_000
"""Nano-USD per million input tokens of every house model."""

Refresher = Callable[..., PriceRefresh]


def changed(**entries: Any) -> bytes:
    named = {name.replace("_", "-"): entry for name, entry in entries.items()}
    return json.dumps({**PRICES, **named})


def costing(usd_per_token: float) -> dict[str, float]:
    return {"input_cost_per_token": usd_per_token, "output_cost_per_token": usd_per_token}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def state(clock: FakeClock) -> SharedState:
    return open_memory_state(clock, Settings().limits)


@pytest.fixture
async def make(
    server: ScriptedUpstream, engine: AsyncEngine, state: SharedState, clock: FakeClock
) -> AsyncIterator[Refresher]:
    """`make(hash_url=...)`: what renews the price file from the scripted server under these settings."""
    pools: list[ClientPool] = []

    def build(policy: UrlAllowlistSettings = LAX, **pricing: Any) -> PriceRefresh:
        given = {} if "file" in pricing else {"url": server.url + "/prices.json"}
        settings = Settings(
            pricing=PricingSettings(**given | pricing), security=SecuritySettings(url_allowlist=policy)
        )
        pools.append(price_clients(settings, clock))
        made = price_refresh(settings, engine, state.locks, clock, pools[-1])
        assert made is not None
        return made

    yield build
    for pool in pools:
        await pool.close()


async def input_price(engine: AsyncEngine, clock: FakeClock, model: str) -> int | None:
    """As the next snapshot would quote it; None: nobody knows the model."""
    data = await ReadModel(engine, VAULT, clock).load_directory()
    quote = price_book_builder(PricingSettings(url="https://x.example/p"))(data).quote(
        model, at_ms=clock.now_ms()
    )
    assert isinstance(quote, Quote)
    return None if quote.is_default else quote.price.standard.rates.input


async def installed(refresh: PriceRefresh, server: ScriptedUpstream) -> None:
    server.answer(Reply(chunks=[FILE]))
    assert (await refresh.refresh()).result == "installed"


async def test_a_file_is_fetched_and_every_snapshot_has_its_prices(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, clock: FakeClock
) -> None:
    version = await value(engine, "SELECT version FROM directory_version")
    await installed(make(), server)
    assert await input_price(engine, clock, "house-3") == OLD
    assert await value(engine, "SELECT version FROM directory_version") == version + 1
    assert server.requests[0].header("accept-encoding") == "identity"


async def test_the_last_good_file_survives_a_restart_without_a_network(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, clock: FakeClock
) -> None:
    await installed(make(), server)
    server.answer(Reply(chunks=[CUT]))
    assert (await make().refresh()).result == "failed"  # another process, later
    assert await input_price(engine, clock, "house-3") == OLD


BAD_ANSWERS = [
    ("status", Reply(status=503), "answered 503"),
    ("redirect", Reply(status=302, headers=(("location", "http://127.0.0.1:1/"),)), "answered 302"),
    ("html", Reply(chunks=[b"<html><body>Not found</body></html>"]), "not JSON"),
    ("truncated", Reply(chunks=[FILE[:-9]]), "not JSON"),
    ("cut", Reply(chunks=[FILE[:300], CUT]), ""),
    ("empty", Reply(chunks=[b""], length=0), "not JSON"),
    ("nothing", Reply(chunks=[b"{}"]), "holds no price"),
    ("list", Reply(chunks=[b"[1]"]), "top level must be an object"),
    ("wrong type", Reply(chunks=[changed(house_3={"input_cost_per_token": "free"})]), "house-3"),
    ("negative", Reply(chunks=[changed(house_3=costing(-1))]), "house-3: input_cost_per_token"),
    ("nan", Reply(chunks=[FILE.replace(b"2e-6", b"NaN", 1).replace(b"2e-06", b"NaN", 1)]), "not JSON"),
    ("huge", Reply(chunks=[changed(house_3=costing(1e300))]), "house-3: input_cost_per_token"),
    ("infinite", Reply(chunks=[FILE.replace(b"2e-6", b"1e999").replace(b"2e-06", b"1e999")]), "not JSON"),
    ("zeroed", Reply(chunks=[json.dumps({name: costing(0) for name in PRICES})]), "40 of 40 known prices"),
    ("lost", Reply(chunks=[json.dumps(dict(list(PRICES.items())[:10]))]), "30 of 40 models"),
    ("compressed", Reply(headers=(("content-encoding", "gzip"),)), "compressed"),
    ("announced 200 MB", Reply(length=200_000_000, chunks=[b"{"]), "larger than 65536 bytes"),
]


@pytest.mark.parametrize(
    ("reply", "complaint"), [a[1:] for a in BAD_ANSWERS], ids=[a[0] for a in BAD_ANSWERS]
)
async def test_a_bad_file_is_not_used_and_the_one_before_stays(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, clock: FakeClock, reply: Reply,
    complaint: str,
) -> None:  # fmt: skip
    refresh = make(max_file_bytes=65_536)
    await installed(refresh, server)
    server.answer(reply)
    attempt = await refresh.refresh()
    assert attempt.result in ("refused", "failed")
    assert attempt.error is not None
    assert complaint in attempt.error
    assert await input_price(engine, clock, "house-3") == OLD
    assert refresh.counts == {"installed": 1, attempt.result: 1}


async def test_200_mb_without_a_length_are_cut_off_while_they_come(
    make: Refresher, server: ScriptedUpstream
) -> None:
    server.answer(Reply(chunks=[b" " * 65_536] * 3_200))
    attempt = await make(max_file_bytes=1_000_000).refresh()
    assert (attempt.result, attempt.error) == ("failed", "it is larger than 1000000 bytes")


async def test_a_server_that_hangs_is_given_up(make: Refresher, server: ScriptedUpstream) -> None:
    server.answer(Reply(chunks=[b"{", HANG]))
    attempt = await make(download_timeout_s=0.05).refresh()
    assert (attempt.result, attempt.error) == ("failed", "it took longer than 0.05 s")


async def test_a_few_odd_prices_are_kept_as_they_were_and_named(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, clock: FakeClock
) -> None:
    refresh = make()
    await installed(refresh, server)
    odd = changed(house_1=costing(0), house_2=costing(2e-03), house_3=costing(3e-06), gift=costing(0))
    server.answer(Reply(chunks=[odd]))
    assert (await refresh.refresh()).result == "installed"
    prices = [await input_price(engine, clock, name) for name in ("house-1", "house-2", "house-3", "gift")]
    assert prices == [OLD, OLD, 3_000_000_000, None]
    async with session_factory(engine)() as session:
        active = await read_active(session)
    assert active is not None
    assert active.doubted == ("house-1", "house-2")


async def test_a_file_with_the_wrong_hash_is_refused(make: Refresher, server: ScriptedUpstream) -> None:
    refresh = make(hash_url=server.url + "/prices.sha256")
    server.answer(Reply(chunks=[b"0" * 64]), Reply(chunks=[FILE]))
    attempt = await refresh.refresh()
    assert attempt.result == "refused"
    assert "its SHA-256 is" in (attempt.error or "")


async def test_a_hash_that_did_not_change_saves_the_download(
    make: Refresher, server: ScriptedUpstream
) -> None:
    refresh = make(hash_url=server.url + "/prices.sha256")
    hashed = Reply(chunks=[f"{hashlib.sha256(FILE).hexdigest()}  prices.json\n".encode()])
    server.answer(hashed, Reply(chunks=[FILE]), hashed)
    assert (await refresh.refresh()).result == "installed"
    assert (await refresh.refresh()).result == "unchanged"
    assert [request.target for request in server.requests] == [
        "/prices.sha256", "/prices.json", "/prices.sha256",
    ]  # fmt: skip


async def test_a_hash_file_without_a_hash_is_a_failure(make: Refresher, server: ScriptedUpstream) -> None:
    server.answer(Reply(chunks=[b"<html>"]))
    attempt = await make(hash_url=server.url + "/h").refresh()
    assert (attempt.result, attempt.error) == ("failed", "the hash file holds no SHA-256")


async def test_a_file_that_is_the_same_is_not_installed_again(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine
) -> None:
    refresh = make()
    await installed(refresh, server)
    version = await value(engine, "SELECT version FROM directory_version")
    assert (await refresh.refresh()).result == "unchanged"
    assert await value(engine, "SELECT version FROM directory_version") == version


async def test_of_several_processes_one_looks_once_per_interval(
    make: Refresher, server: ScriptedUpstream, clock: FakeClock
) -> None:
    server.answer(Reply(chunks=[FILE]))
    processes = [make(refresh_interval_s=600) for _ in range(4)]
    done = await asyncio.gather(*(process.refresh_if_due() for process in processes))
    assert sum(done) == 1
    assert len(server.requests) == 1
    clock.advance(599)
    assert await processes[1].refresh_if_due() == 0
    assert len(server.requests) == 1
    clock.advance(1)
    await processes[2].refresh_if_due()
    assert len(server.requests) == 2


async def test_a_clock_that_jumped_back_does_not_stop_the_looks(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, state: SharedState
) -> None:
    server.answer(Reply(chunks=[FILE]))
    ahead = FakeClock(now_ms=2_000_000_000_000)
    settings = Settings(pricing=PricingSettings(url=server.url), security=SecuritySettings(url_allowlist=LAX))
    pool = price_clients(settings, ahead)
    later = price_refresh(settings, engine, state.locks, ahead, pool)
    assert later is not None
    await later.refresh()
    await pool.close()
    refresh = make(url=server.url)
    await refresh.refresh_if_due()
    assert len(server.requests) == 2


async def test_the_attempt_is_noted_for_the_status(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, clock: FakeClock
) -> None:
    server.answer(Reply(status=500))
    await make().refresh()
    async with session_factory(engine)() as session:
        noted = await read_attempt(session)
    assert noted == Attempt(
        at_ms=clock.now_ms(), source=server.url + "/prices.json", result="failed",
        error="the server answered 500",
    )  # fmt: skip


async def test_hosts_that_are_not_allowed_stop_the_start(make: Refresher) -> None:
    only = UrlAllowlistSettings(
        allow_private_hosts=True, allow_insecure_http=True, pricing_hosts=("prices.example",)
    )
    with pytest.raises(StartupError, match=r"pricing\.url: .*127\.0\.0\.1"):
        make(policy=only)
    with pytest.raises(StartupError, match=r"pricing\.url: .*scheme must be https"):
        make(policy=UrlAllowlistSettings())
    with pytest.raises(StartupError, match=r"pricing\.url: .*not a public address"):
        make(policy=UrlAllowlistSettings(allow_insecure_http=True))
    with pytest.raises(StartupError, match=r"pricing\.hash_url: this is no URL"):
        make(hash_url="not a url")


async def test_an_operators_own_file_is_read_at_the_start_and_again_when_it_changed(
    make: Refresher, engine: AsyncEngine, clock: FakeClock, tmp_path: Path
) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(FILE)
    refresh = make(file=path)
    await require_file(refresh, path)
    assert await input_price(engine, clock, "house-3") == OLD
    path.write_bytes(json.dumps({"other": costing(1e-03)}))
    assert (await refresh.refresh()).result == "installed"
    assert await input_price(engine, clock, "other") == 1_000_000_000_000
    path.write_bytes(b"{")
    assert (await refresh.refresh()).result == "refused"
    assert await input_price(engine, clock, "other") == 1_000_000_000_000


async def test_processes_that_start_together_read_the_file_without_getting_in_each_others_way(
    make: Refresher, engine: AsyncEngine, clock: FakeClock, tmp_path: Path
) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(FILE)
    await asyncio.gather(*(require_file(make(file=path), path) for _ in range(6)))
    assert await input_price(engine, clock, "house-3") == OLD
    assert await value(engine, "SELECT COUNT(*) FROM price_books") == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "No such file"), (b"{", "not JSON"), (b"{}", "no price"), (b" " * 70_000, "larger than 65536")],
)
async def test_a_file_that_cannot_be_used_stops_the_start_with_one_line(
    make: Refresher, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartupError, match=complaint) as caught:
        await require_file(make(file=path, max_file_bytes=65_536), path)
    assert "\n" not in str(caught.value)


async def test_a_file_in_use_is_ignored_by_who_is_not_configured_for_one(
    make: Refresher, server: ScriptedUpstream, engine: AsyncEngine, clock: FakeClock
) -> None:
    await installed(make(), server)
    data = await ReadModel(engine, VAULT, clock).load_directory()
    quote = price_book_builder(PricingSettings())(data).quote("house-3", at_ms=clock.now_ms())
    assert isinstance(quote, Quote)
    assert quote.is_default


def test_the_book_stays_the_same_object_while_no_price_changes() -> None:
    build = price_book_builder(PricingSettings())
    assert build(DirectoryData.empty()) is build(DirectoryData(version=5))
