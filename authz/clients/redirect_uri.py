"""Which redirect URIs may be registered, and whether a request's is one of them.

The two halves need each other: what is compared character by character must have been looked at closely before.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from authz.settings import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from authz.clients.registry import Client

MAX_BYTES = 2048
MAX_PORT = 65535
ALLOWED = re.compile(r"[A-Za-z0-9._~:/?@!$&'()+,;=%\[\]-]+")  # RFC 3986, without "*" (wildcard) and "#" (fragment)
PARTS = re.compile(r"(?P<scheme>[^:/?]+):(?://(?P<authority>[^/?]*))?(?P<path>[^?]*)(?:\?(?P<query>.*))?")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
REVERSED_DOMAIN = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
HOST = re.compile(r"(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?")
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%[01]|%7[Ff]")  # none at all, or of a control character
NO_HOST = "needs a host in lower case, and a port of at most 65535 if any"
DISGUISE = re.compile(r"%(?:2[EeFf]|5[Cc])")  # a dot, slash or backslash that a server may undo too late
LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)")

RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri", "session_state"})
LAUNCH_PARAMETERS = frozenset({"iss", "launch"})
LOGOUT_PARAMETERS = frozenset({"state"})


class RegisteredRedirectURI(str):
    """A redirect URI that the client has registered; only ``match`` makes one, and only to one may anybody be sent."""

    __slots__ = ()


def match(client: Client, text: str) -> RegisteredRedirectURI | None:
    """The redirect URI of a request, if it is exactly one of those registered (RFC 9700 §2.1: simple comparison).

    A native app that asked for it may use any port of a loopback address (RFC 8252 §7.3).
    """
    if text in client.redirect_uris:
        return RegisteredRedirectURI(text)
    if client.application_type == "native" and client.any_loopback_port:
        wanted = without_port(text)
        if wanted is not None and any(without_port(uri) == wanted for uri in client.redirect_uris):
            return RegisteredRedirectURI(text)
    return None


def without_port(uri: str) -> tuple[str, str] | None:
    """What must be equal in two loopback redirect URIs; None for any other URI."""
    found = LOOPBACK.fullmatch(uri)
    if found is None or int(found[2] or 1) > MAX_PORT:
        return None
    return found[1], found[3]


def problems(uri: str, application_type: str, reserved: Collection[str] = RESPONSE_PARAMETERS) -> list[str]:
    """Every reason why this URI can't be registered; ``reserved`` query parameters are ours to add.

    https; http on loopback; a private-use scheme such as ``com.example.app:/cb`` for native apps (RFC 8252 §7).
    """
    if len(uri) > MAX_BYTES:
        return [f"longer than {MAX_BYTES} bytes"]
    parts = PARTS.fullmatch(uri)
    if parts is None or not ALLOWED.fullmatch(uri) or not SCHEME.fullmatch(parts["scheme"]):
        return ["must be an absolute URI of printable characters, without fragment and wildcard"]
    scheme, authority = parts["scheme"], parts["authority"]
    if scheme in {"http", "https"}:
        found = web_problems(scheme, authority)
    else:
        found = app_problems(scheme, authority, application_type)
    if authority is not None and "@" in authority:
        found.append("must not hold a user name")
    if any(segment in {".", ".."} for segment in parts["path"].split("/")):
        found.append("must not have dot segments")
    if BAD_ESCAPE.search(uri) or DISGUISE.search(parts["path"]):
        found.append("must not escape control characters, nor dots, slashes and backslashes of its path")
    names = {unquote(pair.partition("=")[0]) for pair in (parts["query"] or "").split("&")}
    if names & set(reserved):
        found.append(f"its query must not hold {', '.join(sorted(names & set(reserved)))}")
    return found


def web_problems(scheme: str, authority: str | None) -> list[str]:
    host = parsed_host(authority or "")
    if host is None:
        return [NO_HOST]
    if scheme == "http" and host.strip("[]") not in LOOPBACK_HOSTS:
        return ["http is for loopback only; use https"]
    return []


def app_problems(scheme: str, authority: str | None, application_type: str) -> list[str]:
    """RFC 8252 §7.1: a private-use scheme is a domain name in reverse, so it has a dot."""
    if not REVERSED_DOMAIN.fullmatch(scheme):
        return [f"the scheme {scheme} is not https, nor a domain in reverse such as com.example.app"]
    if application_type != "native":
        return ["a private-use scheme is for native apps only"]
    return [NO_HOST] if authority and parsed_host(authority) is None else []


def parsed_host(authority: str) -> str | None:
    """The host, an IPv6 address with its brackets; None if there is none that every reader takes for the same."""
    found = HOST.fullmatch(authority.rpartition("@")[2])
    if found is None or int(found["port"] or 1) > MAX_PORT or ".." in found["host"]:
        return None
    try:
        return found["host"] if found["host"][0] != "[" or IPv6Address(found["host"][1:-1]) else None
    except AddressValueError:
        return None


def origin(uri: str) -> str | None:
    """The origin of a web address as a browser writes it; None for a private-use scheme."""
    parts = PARTS.fullmatch(uri)
    if parts is None or parts["scheme"] not in {"http", "https"} or not parts["authority"]:
        return None
    default = ":443" if parts["scheme"] == "https" else ":80"
    return f"{parts['scheme']}://{parts['authority'].removesuffix(default)}"


def host_of(uri: str) -> str:
    """What a person reads of a registered address: its host and port, or the scheme that is an app's own."""
    parts = urlsplit(uri)
    return parts.netloc or parts.scheme
