"""The logo of an app: uploaded by an administrator or not shown (security.md RG-11)."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clients.logo import MAX_BYTES, media_type
from authz.errors import InvalidValue, NotFound
from tests.flows.test_branding import square
from tests.outside import FakeOutbound, Outside
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.transport import Reply
    from tests.world import World

ELSEWHERE = "https://tracker.example/logo.png"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", 64, 128) + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
)
LOSSY = b"RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 64, 64)
LOSSLESS = b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + struct.pack("<I", 63 | 63 << 14)
EXTENDED = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x3f\x00\x00\x3f\x00\x00"
GOOD = {"png": square(), "jpeg": JPEG, "lossy": LOSSY, "lossless": LOSSLESS, "extended": EXTENDED}


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path), FakeOutbound(outside))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.clients.update(session, "public", {"logo_uri": ELSEWHERE}, {})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def upload(world: World, content: bytes | None, client_id: str = "public") -> str:
    with world.services.db.write() as session:
        return world.services.client_logos.upload(session, client_id, content)


def consent_page(world: World) -> Reply:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="launch/patient openid patient/*.rs"))
    return browser.sign_in(page, "alice", "alice-password")


def get(world: World, path: str) -> Reply:
    return world.transport.send("GET", ISSUER + path)


def test_what_an_app_says_of_its_logo_is_neither_fetched_nor_shown(world: World, outside: Outside) -> None:
    """RG-11: a picture elsewhere would tell its host who signs in where; the canary sees nothing."""
    page = consent_page(world)
    assert "Allow" in page.text
    assert "tracker.example" not in page.text
    assert "<img" not in page.text
    assert "img-src 'self' data:;" in (page.header("content-security-policy") or "")
    assert outside.asked == []


@pytest.mark.parametrize("kind", GOOD)
def test_an_uploaded_logo_is_served_by_us_as_what_it_is(world: World, kind: str) -> None:
    version = upload(world, GOOD[kind])
    assert f'<img class="logo" src="/clients/public/logo/{version}" alt="">' in consent_page(world).text
    reply = get(world, f"/clients/public/logo/{version}")
    media = {"png": "image/png", "jpeg": "image/jpeg"}.get(kind, "image/webp")
    assert (reply.status, reply.header("content-type"), reply.body) == (200, media, GOOD[kind])
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("content-security-policy") == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert reply.header("cache-control") == "public, max-age=31536000, immutable"
    assert reply.header("set-cookie") is None


def test_another_picture_has_another_address_and_a_removed_one_none(world: World) -> None:
    first, second = upload(world, square()), upload(world, square(64))
    assert first != second
    assert get(world, f"/clients/public/logo/{first}").refusal() == {
        "error": "not_found",
        "error_description": "no such logo",
    }
    assert get(world, f"/clients/public/logo/{second}").status == 200
    assert upload(world, None) == ""
    assert get(world, f"/clients/public/logo/{second}").status == 404
    assert get(world, "/clients/public/logo/").status == 404
    assert "<img" not in consent_page(world).text


def test_an_app_that_is_not_approved_shows_none(world: World) -> None:
    """It must not look like more than it is."""
    upload(world, square())
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"approved": False})
        user = world.services.users.by_name("alice")
        assert user is not None
        world.services.users.row(session, user.sub).is_sandbox = True
        world.services.fhir_servers.update(session, "main", {"is_sandbox": True})
    page = consent_page(world)
    assert "Not approved by Test Hospital" in page.text
    assert "<img" not in page.text


def test_a_disabled_or_removed_app_has_no_logo(world: World) -> None:
    version = upload(world, square())
    with world.services.db.write() as session:
        world.services.clients.set_enabled(session, "public", enabled=False)
    assert get(world, f"/clients/public/logo/{version}").status == 404
    with world.services.db.write() as session:
        world.services.clients.remove(session, "public")
    with pytest.raises(NotFound):
        upload(world, square())


@pytest.mark.parametrize("path", ["%00/logo/abc", "public/logo/%00", "%F0%9F%98%80/logo/x"])
def test_what_can_not_be_an_app_has_no_logo(world: World, path: str) -> None:
    """security.md G-9: no text of a stranger's reaches a database that can't take it."""
    assert get(world, f"/clients/{path}").status == 404


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + b"\0" * 100,
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIDAT" + b"\0" * 50,
        square(31),
        square(513),
        square() + b"\0" * MAX_BYTES,
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x00" * 50,
        JPEG.replace(struct.pack(">HH", 64, 128), struct.pack(">HH", 64, 4096)),
        b"RIFF\0\0\0\0WAVEfmt ",
        LOSSLESS[:20],
    ],
)
def test_what_is_no_small_picture_is_refused(world: World, content: bytes) -> None:
    """By its own first bytes and sides, not by its name."""
    with pytest.raises(InvalidValue):
        upload(world, content)
    assert "<img" not in consent_page(world).text


@given(st.sampled_from(list(GOOD.values())), st.integers(0, 60), st.binary(max_size=40))
def test_no_bytes_make_an_error_of_ours(good: bytes, cut: int, more: bytes) -> None:
    content = good[:cut] + more
    try:
        assert re.fullmatch("image/(png|jpeg|webp)", media_type(content))
    except InvalidValue:
        assert len(content) < MAX_BYTES
