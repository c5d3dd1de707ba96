"""Where a request may go: the address taken apart once, and the machines behind its name, which must be allowed.

An address that a client gave (``jwks_uri``, ``backchannel_logout_uri``) is untrusted: https, and public machines only.
One that the administrator registered (a FHIR server's) is trusted: private machines too, and http that does not leave
this machine. ``outbound_networks`` names networks that are as good as public (security.md CA-39, ASY-24).
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from authz.outbound.failure import FetchFailed
from authz.outbound.names import LOOKUPS_AT_ONCE, Lookups

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.settings import Network

Address = IPv4Address | IPv6Address
MAX_URL = 2048
MAX_ADDRESSES = 8
LOWEST_OPEN_PORT = 1024
DEFAULT_PORTS = {"http": 80, "https": 443}
NAT64 = IPv6Network("64:ff9b::/96")
URL = re.compile(
    r"(?P<scheme>https?)://(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<literal>[0-9A-Fa-f:.]{2,45})\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[!->@-~]*)?(?:\?[!-~]*)?)"
)
UNSAFE = frozenset('#\\"<>^`{|}')


@dataclass(frozen=True, slots=True)
class Target:
    """An absolute URL without user and fragment, taken apart."""

    scheme: str
    host: str  # a name, or an address without brackets
    port: int
    path: str  # with its query, never empty

    @classmethod
    def parse(cls, url: str) -> Target:
        """Raises FetchFailed for anything that two parsers could read in two ways."""
        match = URL.fullmatch(url)
        if match is None or len(url) > MAX_URL or UNSAFE & set(url):
            raise FetchFailed("not an absolute http or https URL without user and fragment", refused=True)
        port = int(match["port"] or DEFAULT_PORTS[match["scheme"]])
        if not 0 < port < 2**16:
            raise FetchFailed("no such port", refused=True)
        path = match["path"] if match["path"].startswith("/") else f"/{match['path']}"
        return cls(match["scheme"], (match["name"] or match["literal"]).lower(), port, path)

    @property
    def authority(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def resolve(host: str) -> list[str]:
    """Every address of a name, as the machine's resolver gives them. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Decides which addresses a target stands for, and whether they may be called."""

    def __init__(
        self,
        networks: tuple[Network, ...],
        resolver: Callable[[str], list[str]] = resolve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.networks = networks
        of_administrators = Lookups(resolver, monotonic, of_one=LOOKUPS_AT_ONCE, rest=0)
        self.lookups = {True: of_administrators, False: Lookups(resolver, monotonic)}  # by whether it is trusted

    def addresses(self, target: Target, *, trusted: bool, seconds: float) -> list[str]:
        """The checked addresses, to connect to as they stand: the name is never looked up again.

        Raises FetchFailed if one of them may not be called; one bad address spoils the name.
        """
        try:
            texts = self.lookups[trusted].look_up(target.host, seconds)
            found = [ip_address(text.partition("%")[0]) for text in texts]
        except (OSError, ValueError) as error:
            is_ours = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise FetchFailed(f"the name can't be resolved: {error}", is_ours=is_ours) from error
        if not found:
            raise FetchFailed("the name has no address")
        loopback = all(effective(address).is_loopback for address in found)
        named = all(self.is_named(address) for address in found)
        if target.scheme == "http" and not (loopback if not trusted else loopback or named):
            raise FetchFailed("http is for loopback only; use https", refused=True)
        if not trusted and target.port not in DEFAULT_PORTS.values() and target.port < LOWEST_OPEN_PORT:
            raise FetchFailed(f"port {target.port} belongs to another protocol", refused=True)
        for address in found:
            if not (self.is_named(address) or is_public(address) or (trusted and is_private(address))):
                raise FetchFailed(f"the name stands for {address}, which is not a public address", refused=True)
        return [str(address) for address in found[:MAX_ADDRESSES]]

    def is_named(self, address: Address) -> bool:
        seen_as = effective(address)
        return any(seen_as in network or address in network for network in self.networks)


def effective(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, where it is a way of writing or of tunnelling one."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    seen_as = effective(address)
    special = seen_as.is_multicast or seen_as.is_reserved or seen_as.is_unspecified or seen_as.is_link_local
    if isinstance(seen_as, IPv6Address) and (seen_as.is_site_local or seen_as.teredo):
        return False
    return seen_as.is_global and not special


def is_private(address: Address) -> bool:
    """Private or loopback; never link-local, where clouds answer for a machine's own credentials."""
    seen_as = effective(address)
    special = seen_as.is_multicast or seen_as.is_reserved or seen_as.is_unspecified or seen_as.is_link_local
    return seen_as.is_loopback or (seen_as.is_private and not special)
