"""Whoever asks others goes through the guarded client: the whole product, read; and its callers, led astray."""

from __future__ import annotations

import ast
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authz.audit.event import Event, EventName
from authz.audit.targets import NotTold, ToAddress, jsonl
from authz.clients.assertion import BadAssertion
from authz.clients.key_sets import KeySets, key_set
from authz.clients.metadata import ClientMetadata
from authz.doctor.outside import Outside
from authz.errors import AuthzError
from authz.login.federated.metadata import Published as OfProviders
from authz.notices.courier import Courier, Letter
from authz.outbound import Outbound
from authz.outbound.target import resolve
from authz.registration.published import Published
from authz.registration.sector import Sectors
from tests.vendor import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3.connection import HTTPConnection

    from authz.outbound.target import Target

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "authz"
OPENS = frozenset(
    {  # what can reach another machine, or runs something that can
        "aiohttp",
        "asyncio",
        "ctypes",
        "ftplib",
        "http",
        "http.client",
        "httplib2",
        "httpx",
        "imaplib",
        "multiprocessing",
        "nntplib",
        "poplib",
        "pycurl",
        "requests",
        "select",
        "selectors",
        "smtplib",
        "socket",
        "socketserver",
        "ssl",
        "subprocess",
        "telnetlib",
        "urllib.request",
        "urllib3",
        "webbrowser",
        "websockets",
        "xmlrpc",
    }
)
ALLOWED = {
    "doctor/tls.py": {"socket", "ssl"},  # an operator asks which TLS this server's own public address speaks
    "outbound/client.py": {"http.client", "ssl", "urllib3.connection", "urllib3.exceptions"},
    "outbound/target.py": {"socket"},
    "deadlines.py": {"socket"},  # connections that come in; as the next two
    "outgoing.py": {"socket"},
    "worker.py": {"selectors", "socket"},
}
CALLERS = {  # file -> whether the administrator registered the address, for each call in its order
    "audit/targets.py": ["True"],
    "clients/key_sets.py": ["False"],
    "doctor/clients.py": ["False"],
    "doctor/outside.py": ["True", "True"],
    "enforcement/upstream.py": ["True"],
    "fhir_servers/search.py": ["True", "True"],
    "login/federated/metadata.py": ["own"],  # at the issuer's host, which the administrator named
    "login/federated/relying_party.py": ["metadata.is_own(url)", "metadata.is_own(url)"],
    "notices/courier.py": ["letter.is_trusted"],  # the hospital's webhook; an app's address is not
    "registration/published.py": ["False", "False"],
    "registration/sector.py": ["False"],
}


def files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PRODUCT.rglob("*.py")):
        yield path.relative_to(PRODUCT).as_posix(), ast.parse(path.read_text())


def imports(tree: ast.Module) -> set[str]:
    """At run time; what stands there for the type checker opens nothing."""
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = [node for node in ast.walk(tree) if id(node) not in typing]
    plain = {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
    members = {(node.module, alias.name) for node in found if isinstance(node, ast.ImportFrom) for alias in node.names}
    return plain | {
        f"{module}.{name}" if f"{module}.{name}" in OPENS else str(module)
        for module, name in members
        if (module, name) != ("http", "HTTPStatus")
    }


def test_nothing_else_opens_a_connection() -> None:
    """security.md 3.5, decision 26: whoever wants to must stand in the table above, with the reason beside it."""
    found = {
        name: {one for one in imports(tree) if one in OPENS or one.split(".")[0] in OPENS} for name, tree in files()
    }
    assert {name: modules for name, modules in found.items() if modules} == ALLOWED


def test_every_caller_says_whose_address_it_is() -> None:
    """CA-39: a new call is looked at by somebody before it stands in the table."""
    found: dict[str, list[str]] = {}
    for name, tree in files():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in {"get", "post", "exchange"} and ast.unparse(node.func.value).endswith("outbound"):
                trusted = next((ast.unparse(word.value) for word in node.keywords if word.arg == "trusted"), "False")
                found.setdefault(name, []).append(trusted)
    assert found == CALLERS


class Watched(Outbound):
    """Connects to nobody, and says whom it would have."""

    def __init__(self, resolver: Callable[[str], list[str]]) -> None:
        super().__init__(resolver=resolver)
        self.called: list[str] = []

    def connected(self, target: Target, address: str, seconds: float) -> HTTPConnection:
        self.called.append(address)
        raise OSError(f"{target.host}: no, within {seconds} s")


class NoTrail:
    def refused(self, event: Event) -> None:
        assert event.event is EventName.FETCH_REFUSED


def letter(url: str, *, trusted: bool) -> Letter:
    return Letter(Event(EventName.LOGOUT_NOTICE), url, is_trusted=trusted)


def now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


NOBODY: Any = NoTrail()
REFUSALS = (AuthzError, BadAssertion, NotTold)  # each caller has its own word for it
OF_CLIENTS: dict[str, Callable[[Outbound, str], object]] = {
    "jwks_uri": lambda out, url: KeySets(out, NOBODY, now).fetch("app", url, out),
    "jwks_uri, checked": lambda out, url: list(Published(out).keys({"jwks_uri": url})),
    "client_uri": lambda out, url: list(Published(out).pages({"client_uri": url})),
    "sector_identifier_uri": lambda out, url: Sectors(out, NOBODY).check(
        ClientMetadata.load({**METADATA, "sector_identifier_uri": url}), NOBODY
    ),
    "backchannel_logout_uri": lambda out, url: Courier(NOBODY, now, out, NOBODY).send(letter(url, trusted=False)),
    "an address that a provider tells": lambda out, url: OfProviders(out, now).fetch(url, key_set, own=False),
}
OF_ADMINISTRATORS: dict[str, Callable[[Outbound, str], object]] = {
    "a provider": lambda out, url: OfProviders(out, now).fetch(url, key_set, own=True),
    "the webhook": lambda out, url: Courier(NOBODY, now, out, NOBODY).send(letter(url, trusted=True)),
    "the second system of the trail": lambda out, url: ToAddress(url, jsonl(), out).send([]),
    "the doctor": lambda out, url: Outside(out).get(url),
}
EVERYBODY = {**OF_CLIENTS, **OF_ADMINISTRATORS}
NEVER = (
    *("0.0.0.0", "::", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),  # noqa: S104  looked up, not bound
    *("fe80::1", "fe80::1%eth0", "100.100.100.200", "224.0.0.1", "255.255.255.255", "ff02::1", "not an address"),
)
PRIVATE = ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "fc00::1", "64:ff9b::a00:1")
SPELLED = ("2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "[::]", "0")


def led(call: Callable[[Outbound, str], object], addresses: list[str], url: str = "https://app.example/x") -> list[str]:
    """Whom it would have called where the name stands for these, and for others from the second look on."""
    looks: list[str] = []

    def resolver(host: str) -> list[str]:
        looks.append(host)
        return addresses if len(looks) == 1 else ["192.0.2.66"]

    watched = Watched(resolver)
    with suppress(*REFUSALS):
        call(watched, url)
    assert len(looks) <= 1
    return watched.called


@pytest.mark.parametrize("call", EVERYBODY.values(), ids=EVERYBODY.keys())
def test_the_checked_address_is_called_and_no_other(call: Callable[[Outbound, str], object]) -> None:
    """CA-39: so that what is refused below is refused for its address; one look, however often the name changes."""
    assert led(call, ["93.184.216.34"]) == ["93.184.216.34"]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("call", EVERYBODY.values(), ids=EVERYBODY.keys())
def test_nobody_calls_where_nobody_may(call: Callable[[Outbound, str], object], address: str) -> None:
    """CA-39: this machine's own credentials, everybody at once, no machine at all; also beside a good address."""
    assert led(call, [address]) == []
    assert led(call, ["93.184.216.34", address]) == []


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("call", OF_CLIENTS.values(), ids=OF_CLIENTS.keys())
def test_no_stranger_leads_into_the_house(call: Callable[[Outbound, str], object], address: str) -> None:
    """CA-39, RG-11: what a client or a provider's document says is for public machines."""
    assert led(call, [address]) == []


@pytest.mark.parametrize(
    "url", ["https://app.example:22/x", "https://app.example:25/", "http://app.example/", "ftp://a.example/"]
)
@pytest.mark.parametrize("call", OF_CLIENTS.values(), ids=OF_CLIENTS.keys())
def test_no_stranger_leads_to_another_protocol(call: Callable[[Outbound, str], object], url: str) -> None:
    """CA-39, ASY-24."""
    assert led(call, ["93.184.216.34"], url) == []


@pytest.mark.parametrize("host", SPELLED)
@pytest.mark.parametrize("call", OF_CLIENTS.values(), ids=OF_CLIENTS.keys())
def test_an_address_in_disguise_is_what_it_stands_for(call: Callable[[Outbound, str], object], host: str) -> None:
    """CA-39: as the machine's own resolver reads it: decimal, octal, hexadecimal, short, mapped."""
    watched = Watched(resolve)
    with suppress(*REFUSALS):
        call(watched, f"https://{host}/x")
    assert watched.called == []
