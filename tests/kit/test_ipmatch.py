import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kit.ipmatch import IpSet


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("10.0.0.0/8", "10.200.3.4"),
        (" 10.1.2.3/8 ", "10.0.0.1"),  # host bits set, spaces around: what people paste
        ("2001:db8::/32", "2001:db8:1::5"),
        ("192.0.2.0/24", "::ffff:192.0.2.9"),
        ("::ffff:192.0.2.0/120", "192.0.2.9"),
        ("0.0.0.0/0", "8.8.8.8"),
    ],
)
def test_addresses_inside_match(entry: str, address: str) -> None:
    assert address in IpSet.parse([entry])


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("0.0.0.0/0", "2001:db8::1"),
        ("::/0", "192.0.2.1"),
        ("10.0.0.0/8", "not an address"),
        ("10.0.0.0/8", ""),
    ],
)
def test_everything_else_does_not(entry: str, address: str) -> None:
    assert address not in IpSet.parse([entry])


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "example.com", "", "10.0.0.*"])
def test_a_bad_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="no IP address or network") as caught:
        IpSet.parse(["10.0.0.1", entry])
    assert repr(entry) in str(caught.value)


def test_an_empty_set_holds_nobody() -> None:
    assert len(IpSet.parse([])) == 0
    assert "10.0.0.1" not in IpSet.parse([])


def test_a_set_does_not_print_its_addresses() -> None:
    assert repr(IpSet.parse(["10.0.0.1"])) == "IpSet(1 networks)"


@given(network=st.ip_addresses(v=4), bits=st.integers(0, 32), address=st.ip_addresses(v=4))
def test_it_agrees_with_the_standard_library(
    network: ipaddress.IPv4Address, bits: int, address: ipaddress.IPv4Address
) -> None:
    entry = f"{network}/{bits}"
    assert (str(address) in IpSet.parse([entry])) == (address in ipaddress.ip_network(entry, strict=False))
