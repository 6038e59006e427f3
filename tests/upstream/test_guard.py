"""Which addresses may be reached, and how names become pinned addresses."""

import asyncio
from ipaddress import ip_address

import pytest
from pyreqwest.http import Url

from headgate.core.faults import FaultKind, RelayError
from headgate.kit.clock import FakeClock
from headgate.settings import UrlAllowlistSettings
from headgate.upstream.guard import AddressGuard, UrlProblem, check_base_url, is_public_address

STRICT = UrlAllowlistSettings()
LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_public(text: str) -> None:
    assert is_public_address(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.100.100.200", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "192.0.0.8",
        "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
        "2001:db8::1", "100::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::127.0.0.1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_internal_addresses_are_refused_however_they_are_wrapped(text: str) -> None:
    assert not is_public_address(ip_address(text))


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("HTTPS://API.Example.com:443/v1/", "https://api.example.com/v1"),
        ("https://api.example.com:8443/a/b", "https://api.example.com:8443/a/b"),
        ("https://8.8.8.8/v1", "https://8.8.8.8/v1"),
    ],
)
def test_base_urls_are_normalised(given: str, normal: str) -> None:
    assert check_base_url(given, STRICT) == normal


@pytest.mark.parametrize(
    "url",
    [
        "", "api.example.com", "ftp://api.example.com", "http://api.example.com", "https://",
        "file:///etc/passwd",
        "https://user:secret@api.example.com",
        "https://user@api.example.com", "https://api.example.com?x=1",
        "https://api.example.com/?", "https://api.example.com#f", " https://api.example.com",
        "https://a b.com",
        "https://good.example\\@127.0.0.1", "https://localhost", "https://x.localhost", "https://127.0.0.1",
        "https://2130706433", "https://0x7f.1", "https://0177.0.0.1", "https://127.1", "https://[::1]",
        "https://[::ffff:169.254.169.254]", "https://169.254.169.254/latest", "https://api.example.com:0",
        "https://api.example.com:99999", "https://localhost.", "https://\uff11\uff12\uff17.0.0.1",
    ],
)  # fmt: skip
def test_bad_base_urls_are_refused_with_a_reason(url: str) -> None:
    problem = check_base_url(url, STRICT)
    assert isinstance(problem, UrlProblem)
    assert problem.reason
    assert "secret" not in problem.reason


def test_the_operator_can_allow_http_and_private_hosts() -> None:
    assert check_base_url("http://127.0.0.1:9090/", LAX) == "http://127.0.0.1:9090"


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [("api.example.com", True), ("x.good.test", True), ("good.test", False), ("evilgood.test", False)],
)
def test_the_host_list_knows_exact_names_and_wildcards(host: str, *, is_allowed: bool) -> None:
    policy = UrlAllowlistSettings(upstream_hosts=("api.example.com", "*.good.test"))
    assert isinstance(check_base_url(f"https://{host}", policy), str) is is_allowed


class Names:
    """A resolver whose answers the test writes."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.calls += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


URL = Url("https://api.example.com/v1/messages")


async def refusal(guard: AddressGuard, url: Url = URL) -> FaultKind:
    with pytest.raises(RelayError) as caught:
        await guard.admit(url)
    return caught.value.fault.kind


async def test_a_name_is_pinned_to_the_addresses_that_were_judged(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(["8.8.8.8", "2606:4700::1111"]))
    assert await guard.admit(URL) == ("8.8.8.8", "2606:4700::1111")


async def test_one_private_address_among_public_ones_refuses_the_host(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(["8.8.8.8", "10.0.0.1"]))
    assert await refusal(guard) is FaultKind.UPSTREAM_ADDRESS_REFUSED


async def test_private_answers_pass_when_the_operator_allows_them(clock: FakeClock) -> None:
    guard = AddressGuard(LAX, clock=clock, resolver=Names(["10.0.0.1"]))
    assert await guard.admit(URL) == ("10.0.0.1",)


async def test_a_second_answer_within_the_ttl_changes_nothing(clock: FakeClock) -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    guard = AddressGuard(STRICT, clock=clock, resolver=names)
    await guard.admit(URL)
    clock.advance(59)
    assert await guard.admit(URL) == ("8.8.8.8",)
    clock.advance(2)
    assert await refusal(guard) is FaultKind.UPSTREAM_ADDRESS_REFUSED


async def test_requests_that_meet_a_cold_cache_ask_once(clock: FakeClock) -> None:
    names = Names(["8.8.8.8"])
    guard = AddressGuard(STRICT, clock=clock, resolver=names)
    await asyncio.gather(*(guard.admit(URL) for _ in range(20)))
    assert names.calls == 1


async def test_a_failing_resolver_is_bridged_by_the_last_good_answer(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(["8.8.8.8"], OSError("down")))
    await guard.admit(URL)
    clock.advance(300)
    assert await guard.admit(URL) == ("8.8.8.8",)
    clock.advance(600)
    assert await refusal(guard) is FaultKind.UPSTREAM_UNREACHABLE


async def test_an_unknown_name_is_unreachable_not_refused(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(OSError("no such name")))
    assert await refusal(guard) is FaultKind.UPSTREAM_UNREACHABLE


async def test_a_slow_resolver_times_out(clock: FakeClock) -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    guard = AddressGuard(UrlAllowlistSettings(dns_timeout_s=0.01), clock=clock, resolver=never)
    assert await refusal(guard) is FaultKind.UPSTREAM_UNREACHABLE


async def test_rotating_answers_keep_the_pinned_address_first(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(["8.8.8.8", "8.8.4.4"], ["8.8.4.4", "8.8.8.8"]))
    await guard.admit(URL)
    clock.advance(61)
    assert await guard.admit(URL) == ("8.8.8.8", "8.8.4.4")


async def test_an_address_that_did_not_answer_is_tried_last(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(["8.8.8.8", "8.8.4.4"]))
    await guard.admit(URL)
    guard.demote(URL, "8.8.8.8")
    assert await guard.admit(URL) == ("8.8.4.4", "8.8.8.8")


async def test_the_doctor_hears_why_a_base_url_cannot_be_used(clock: FakeClock) -> None:
    guard = AddressGuard(STRICT, clock=clock, resolver=Names(["10.0.0.1"]))
    assert "not public" in (await guard.problem_with("https://api.example.com") or "")
    assert "scheme" in (await guard.problem_with("http://api.example.com") or "")
