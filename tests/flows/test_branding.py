"""Each FHIR server's pages say whose they are: name, colours, logo (decision 23)."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from authz.errors import InvalidValue, NotFound
from authz.fhir_servers.branding import PNG_START
from tests.world import ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def square(side: int = 32) -> bytes:
    rows = b"".join(b"\x00" + b"\x00\x66\x44" * side for _ in range(side))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return PNG_START + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def brand(world: World, name: str = "main", **said: Any) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, name, {"branding": said})


def login_page(world: World, **changes: str) -> Reply:
    return world.browser().open(world.public.authorize_url(scope="patient/*.rs", **changes))


def test_a_page_names_the_organisation_of_its_fhir_server(world: World) -> None:
    """REQ-69, decision 23: one installation, several hospitals; each with its own name on sign-in and consent."""
    brand(world, organization="St. Mary <East>")
    page = login_page(world)
    assert "St. Mary &lt;East&gt;</title>" in page.text
    assert "Test Hospital" not in page.text
    assert "Test Hospital" in login_page(world, aud=OTHER_FHIR).text
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="patient/*.rs"))
    page = browser.sign_in(page, "alice", "alice-password")
    assert "asks for this, not St. Mary &lt;East&gt;" in page.text
    assert "Test Hospital" not in page.text


def test_its_colour_is_an_inline_style_that_the_policy_allows(world: World) -> None:
    """security.md HC-03: by nonce, nothing of the page's style is otherwise inline."""
    assert "<style" not in login_page(world).text
    brand(world, accent="#8a1538")
    page = login_page(world)
    nonce = re.search(r'<style nonce="([^"]+)">', page.text)
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in (page.header("content-security-policy") or "")
    assert "--accent: #8a1538; --on-accent: #ffffff; --accent-soft: #f3e8eb;" in page.text
    assert "@media (prefers-color-scheme: dark)" in page.text


def test_its_logo_is_served_by_us_at_an_address_that_changes_with_it(world: World) -> None:
    assert world.transport.send("GET", f"{ISSUER}/fhir-servers/main/logo.png").status == 404
    with world.services.db.write() as session:
        world.services.fhir_servers.set_logo(session, "main", square())
    brand(world, organization="St. Mary")
    found = re.search(r'<img src="([^"]+)" alt="">', login_page(world).text)
    assert found is not None
    reply = world.transport.send("GET", found[1])
    assert (reply.status, reply.header("content-type"), reply.body) == (200, "image/png", square())
    assert reply.header("x-content-type-options") == "nosniff"
    assert "max-age=31536000" in (reply.header("cache-control") or "")
    with world.services.db.write() as session:
        world.services.fhir_servers.set_logo(session, "main", square(64))
    assert found[1] not in login_page(world).text
    with world.services.db.write() as session:
        world.services.fhir_servers.set_logo(session, "main", None)
    assert "<img" not in login_page(world).text
    assert world.transport.send("GET", f"{ISSUER}/fhir-servers/main/logo.png").status == 404
    with world.services.db.write() as session, pytest.raises(NotFound):
        world.services.fhir_servers.set_logo(session, "nobody", square())


def test_what_is_not_said_stays(world: World) -> None:
    brand(world, organization="St. Mary")
    brand(world, accent="#8a1538")
    server = world.services.fhir_servers.get("main")
    assert server is not None
    assert server.branding.as_dict() == {"organization": "St. Mary", "accent": "#8a1538", "logo": ""}
    brand(world, accent="")
    server = world.services.fhir_servers.get("main")
    assert server is not None
    assert server.branding.palette == {}
    with pytest.raises(InvalidValue, match="can't be read on white"):
        brand(world, accent="#ffd700")
