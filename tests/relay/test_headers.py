"""What passes from client to provider and back, and whose address we believe (spec 2.4, 9.3)."""

import ipaddress

import pytest

from headgate.relay.headers import accepted_codings, client_ip, collapse, for_client, for_upstream

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


def test_a_repeated_list_header_is_joined_in_order() -> None:
    raw = [(b"anthropic-beta", b"a"), (b"accept", b"x"), (b"anthropic-beta", b"b")]
    assert collapse(raw) == {"anthropic-beta": "a, b", "accept": "x"}


def test_of_any_other_repeated_header_the_last_one_counts() -> None:
    assert collapse([(b"x-api-key", b"one"), (b"x-api-key", b"two")]) == {"x-api-key": "two"}


def test_header_values_beyond_ascii_keep_their_bytes() -> None:
    assert collapse([(b"x-thing", b"\xff\xe9")])["x-thing"].encode("latin-1") == b"\xff\xe9"


def test_only_allowed_headers_reach_the_provider() -> None:
    sent = {"anthropic-version": "2023-06-01", "cookie": "a=b", "x-api-key": "sk-ours"}
    assert for_upstream(sent, frozenset({"anthropic-version"})) == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    "name",
    ["content-type", "retry-after", "request-id", "openai-processing-ms"],
)  # fmt: skip
def test_the_client_sees_the_provider_header(name: str) -> None:
    assert for_client({name: "1"}) == [(name.encode(), b"1")]


@pytest.mark.parametrize(
    "name",
    ["set-cookie", "server", "content-length", "transfer-encoding", "connection", "content-encoding",
     "anthropic-organization-id", "openai-organization", "x-request-id", "alt-svc",
     "access-control-allow-origin", "x-ratelimit-remaining-tokens", "anthropic-ratelimit-unified-5h-reset"],
)  # fmt: skip
def test_the_client_does_not_see_the_provider_header(name: str) -> None:
    assert for_client({name: "1"}) == []


def test_a_verdict_stays_the_same_after_thousands_of_other_names() -> None:
    for number in range(3000):
        assert for_client({f"x-secret-{number}": "1"}) == []
    assert for_client({"x-secret-0": "1", "etag": "2"}) == [(b"etag", b"2")]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("br;q=1.0, GZIP;q=0.5", "gzip, br"),
        ("", "identity"),
        ("snappy", "identity"),
        ("identity", "identity"),
    ],
)
def test_the_provider_is_asked_only_for_codings_that_client_and_gateway_know(
    offered: str, asked: str
) -> None:
    assert accepted_codings({"accept-encoding": offered}) == asked


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.9, 10.2.3.4", "198.51.100.9"),
        ("10.0.0.1", "10.9.9.9", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ,", "10.0.0.1"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_behind_a_trusted_proxy_the_first_untrusted_hop_from_the_right_is_the_client(
    peer: str, forwarded: str, expected: str
) -> None:
    assert client_ip(peer, {"x-forwarded-for": forwarded}, TRUSTED) == expected


@pytest.mark.parametrize("peer", ["198.51.100.66", "", "not an address"])
def test_a_spoofed_forwarded_for_from_an_untrusted_peer_is_ignored(peer: str) -> None:
    assert client_ip(peer, {"x-forwarded-for": "127.0.0.1"}, TRUSTED) == peer


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_ip("10.0.0.1", {"x-forwarded-for": "127.0.0.1"}, ()) == "10.0.0.1"


@pytest.mark.parametrize("forged", ["evil", "1.2.3.4.5", "<script>", "1.2.3.4\r\nx: y"])
def test_a_hop_that_is_no_address_is_never_reported_as_one(forged: str) -> None:
    assert client_ip("10.0.0.1", {"x-forwarded-for": forged}, TRUSTED) == "10.0.0.1"
