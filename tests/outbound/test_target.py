"""Which addresses may be called at all."""

from __future__ import annotations

import threading
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.outbound import FetchFailed
from authz.outbound.target import Guard, Target, effective, is_public

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def names(*addresses: str) -> Callable[[str], list[str]]:
    return lambda _: list(addresses)


def allowed(url: str, *addresses: str, trusted: bool = False, loopback: bool = False) -> list[str]:
    guard = Guard(LOOPBACK if loopback else (), names(*addresses))
    return guard.addresses(Target.parse(url), trusted=trusted, seconds=1)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://app.example/jwks", Target("https", "app.example", 443, "/jwks")),
        ("https://APP.example", Target("https", "app.example", 443, "/")),
        ("https://app.example?a=b", Target("https", "app.example", 443, "/?a=b")),
        ("https://app.example:8443/a%2Fb?x=1&y=2", Target("https", "app.example", 8443, "/a%2Fb?x=1&y=2")),
        ("http://[::1]:9000/", Target("http", "::1", 9000, "/")),
    ],
)
def test_an_address_is_taken_apart_once(url: str, target: Target) -> None:
    assert Target.parse(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example/jwks",
        "//app.example/jwks",
        "ftp://app.example/",
        "file:///etc/passwd",
        "gopher://app.example/_x",
        "HTTPS://app.example/",
        "https://user@app.example/",
        "https://user:secret@app.example/",
        "https://app.example@169.254.169.254/",
        "https://app.example\\@169.254.169.254/",
        "https://app.example#@169.254.169.254/",
        "https://app.example/#keys",
        "https://app.example/a b",
        "https://app.example/\r\nHost: evil",
        "https://app.example/jwks\n",
        "https://äpp.example/",
        "https://app.example:0/",
        "https://app.example:65536/",
        "https://app.example:/",
        "https://app.example:https/",
        "https:///jwks",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://app.example/" + "a" * 2048,
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_no_address(url: str) -> None:
    """CA-39: neither user, nor fragment, nor a character that has no business in a URL."""
    with pytest.raises(FetchFailed) as failed:
        Target.parse(url)
    assert failed.value.refused


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Robustness of the parser: nothing but FetchFailed; what it takes has one host, one port, one path."""
    try:
        target = Target.parse(text)
    except FetchFailed:
        return
    assert text.startswith(f"{target.scheme}://")
    assert target.path.startswith("/")
    assert Target.parse(f"{target.scheme}://{target.authority}{target.path}") == target


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104  an address that must be refused
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:7f00:1::",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_a_clients_name_may_stand_for_no_private_address(address: str) -> None:
    """CA-39, ASY-24: loopback, private, link-local, metadata, mapped, tunnelled; one spoils the name."""
    for found in ([address], ["93.184.216.34", address]):
        with pytest.raises(FetchFailed) as failed:
            allowed("https://app.example/jwks", *found)
        assert failed.value.refused


def test_a_clients_name_may_stand_for_public_addresses() -> None:
    """ASY-24: the addresses as they were found, for the connection to go there."""
    found = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
    assert allowed("https://app.example/jwks", *found) == found


def test_http_is_refused_for_a_client_even_where_the_address_is_public() -> None:
    """ASY-24, REG-07: TLS only."""
    with pytest.raises(FetchFailed, match="use https"):
        allowed("http://app.example/jwks", "93.184.216.34")


def test_named_networks_are_as_good_as_public_and_http_only_on_loopback() -> None:
    """ASY-24 "unless configured": ``outbound_networks``."""
    assert allowed("http://localhost:9000/jwks", "127.0.0.1", loopback=True) == ["127.0.0.1"]
    assert allowed("https://localhost:9443/jwks", "::1", loopback=True) == ["::1"]
    assert allowed("https://localhost:9443/jwks", "::ffff:127.0.0.1", loopback=True) == ["::ffff:7f00:1"]
    with pytest.raises(FetchFailed):
        allowed("https://app.example/jwks", "10.0.0.1", loopback=True)
    guard = Guard((IPv4Network("10.0.0.0/8"),), names("10.0.0.1"))
    assert guard.addresses(Target.parse("https://app.intern/jwks"), trusted=False, seconds=1) == ["10.0.0.1"]
    with pytest.raises(FetchFailed, match="use https"):
        guard.addresses(Target.parse("http://app.intern/jwks"), trusted=False, seconds=1)
    assert guard.addresses(Target.parse("http://fhir.intern/r4"), trusted=True, seconds=1) == ["10.0.0.1"]


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "fd00::1", "93.184.216.34"])
def test_the_administrators_server_may_be_private(address: str) -> None:
    assert allowed("https://fhir.intern/r4", address, trusted=True) == [address]


def test_the_administrators_server_is_asked_in_clear_only_on_this_machine() -> None:
    assert allowed("http://localhost:9002/fhir", "127.0.0.1", "::1", trusted=True) == ["127.0.0.1", "::1"]
    for found in (["10.0.0.1"], ["127.0.0.1", "10.0.0.1"]):
        with pytest.raises(FetchFailed, match="use https"):
            allowed("http://fhir.intern/r4", *found, trusted=True)


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "::ffff:169.254.169.254"])  # noqa: S104
def test_no_trust_opens_the_metadata_service(address: str) -> None:
    """CA-39: a registered name that was moved to the cloud's metadata address."""
    with pytest.raises(FetchFailed) as failed:
        allowed("https://fhir.intern/r4", address, trusted=True)
    assert failed.value.refused


@pytest.mark.parametrize("port", [22, 25, 80, 110, 993])
def test_a_client_names_no_port_of_another_protocol(port: int) -> None:
    if port == 80:
        assert allowed("https://app.example:80/jwks", "93.184.216.34") == ["93.184.216.34"]
        return
    with pytest.raises(FetchFailed) as failed:
        allowed(f"https://app.example:{port}/jwks", "93.184.216.34")
    assert failed.value.refused


def test_numbers_that_a_resolver_reads_as_addresses_are_judged_as_such() -> None:
    """CA-39: 2130706433, 0x7f.1 and 127.1 are 127.0.0.1 to the C library."""
    guard = Guard(())
    for host in ("2130706433", "0x7f.1", "127.1", "localhost"):
        with pytest.raises(FetchFailed):
            guard.addresses(Target.parse(f"https://{host}/"), trusted=False, seconds=5)


def test_a_name_server_that_hangs_costs_its_time_and_no_more_threads_than_eight() -> None:
    """CA-41: looking up is part of the whole; the ninth caller finds no place and is told so."""
    goes_on = threading.Event()

    def hang(_: str) -> list[str]:
        goes_on.wait(10)
        return ["93.184.216.34"]

    guard = Guard((), hang)
    target = Target.parse("https://app.example/jwks")
    before = threading.active_count()
    for _ in range(12):
        with pytest.raises(FetchFailed, match="does not answer"):
            guard.addresses(target, trusted=False, seconds=0.01)
    assert threading.active_count() - before <= 8
    with pytest.raises(FetchFailed, match="in time"):  # the hospital's own names have places of their own
        guard.addresses(target, trusted=True, seconds=0.01)
    goes_on.set()


def test_a_name_that_does_not_exist_is_a_failure_not_an_error() -> None:
    def unknown(_: str) -> list[str]:
        raise OSError("Name or service not known")

    for resolver in (unknown, names(), names("not an address")):
        with pytest.raises(FetchFailed) as failed:
            Guard((), resolver).addresses(Target.parse("https://app.example/"), trusted=False, seconds=1)
        assert not failed.value.refused


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_dress(address: IPv4Address) -> None:
    """CA-39: mapped, 6to4 and NAT64 forms of an address are as public as the address."""
    number = int(address)
    dressed = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address((0x64FF9B << 96) | number),
    ]
    assert {effective(one) for one in dressed} == {address}
    assert {is_public(one) for one in dressed} == {is_public(address)}
