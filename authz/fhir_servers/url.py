"""Addresses of FHIR servers, as apps send them in ``aud`` and as references stand in ``fhirUser``."""

from __future__ import annotations

import re

from authz.settings import LOOPBACK_HOSTS

MAX_BYTES = 2048
DEFAULT_PORTS = {"http": "80", "https": "443"}
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>(?:/[!-~]*)?)",
    re.IGNORECASE,
)
FHIR_USER_TYPES = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"})
REFERENCE = re.compile(
    rf"(?:(?P<base>[!-~]+[^/])/)?(?P<reference>(?:{'|'.join(FHIR_USER_TYPES)})/[A-Za-z0-9.-]{{1,64}})"
)


def normal_form(url: str) -> str | None:
    """What two spellings of one address have in common; None if it can't be a FHIR base URL.

    AUTHZ-11: scheme and host in lower case, no default port, one trailing slash ignored, otherwise exact.
    """
    match = URL.fullmatch(url)
    if len(url) > MAX_BYTES or match is None or set("?#\\") & set(match["rest"]):
        return None
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    origin = f"{scheme}://{host}" if port in (None, DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"
    return origin + match["rest"].removesuffix("/")


def base_url_problems(url: str) -> list[str]:
    """Why a FHIR server can't be registered under this address."""
    normal = normal_form(url)
    if normal is None:
        return [f"{url}: must be an absolute URL without user, query and fragment"]
    return [] if is_safe(normal) else [f"{url}: http is for loopback only; use https"]


def origin_problems(origin: str) -> list[str]:
    """Why this is not an origin as a browser writes it (RFC 6454 §6.1), or not a safe one."""
    normal = normal_form(origin)
    if normal != origin or origin.count("/") != len("//"):
        return [f"{origin}: must be an origin such as https://ehr.example: lower case, no path, no default port"]
    return [] if is_safe(origin) else [f"{origin}: http is for loopback only; use https"]


def is_safe(url: str) -> bool:
    """Whether what is sent there stays unread: https, or http that does not leave the machine."""
    match = URL.match(url)
    return match is not None and (match["scheme"].lower() == "https" or match["host"].strip("[]") in LOOPBACK_HOSTS)
