"""``GET /jwks`` as an app sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.keyring.rotation import Rotation

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World


def jwks(world: World, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.transport.send("GET", f"{world.issuer}/jwks", named)


def test_every_published_key_is_there_and_nothing_private(world: World) -> None:
    """DJ-01, RFC 7517 §5; OID-02."""
    answer = jwks(world)
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert answer.json() == world.services.keyring.public_jwks()
    assert [set(key) for key in answer.json()["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2


def test_it_may_be_kept_for_less_time_than_a_next_key_is_published(world: World) -> None:
    """DJ-09: max-age is not longer than the overlap of a rotation; an ETag; no cookie."""
    answer = jwks(world)
    seconds = world.services.settings.jwks_max_age_seconds
    assert answer.header("cache-control") == f"public, max-age={seconds}"
    assert answer.header("set-cookie") is None
    tag = answer.header("etag") or ""
    assert tag.startswith('"')
    assert tag.endswith('"')


def test_any_page_may_read_it(world: World) -> None:
    """DJ-07: for every origin, without credentials."""
    for origin in ("https://app.example", "null"):
        answer = jwks(world, Origin=origin)
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("access-control-allow-credentials") is None


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_unchanged_keys_are_not_sent_again(world: World, form: str) -> None:
    """RFC 9110 §13.1.2."""
    first = jwks(world)
    tag = first.header("etag") or ""
    answer = jwks(world, If_None_Match=form.format(tag))
    assert (answer.status, answer.body, answer.header("etag")) == (304, b"", tag)
    assert answer.header("cache-control") == first.header("cache-control")


def test_after_a_rotation_they_are_sent(world: World) -> None:
    """DJ-10: the new key is there before its first use, the old one stays; OID-11, REQ-61."""
    first = jwks(world)
    with world.services.db.write() as session:
        Rotation(world.services.keyring, 0).rotate(session, at_once=True)
    world.services.keyring.forget()
    answer = jwks(world, If_None_Match=first.header("etag") or "")
    assert answer.status == 200
    assert answer.header("etag") != first.header("etag")
    before, after = ([key["kid"] for key in reply.json()["keys"]] for reply in (first, answer))
    assert set(before) < set(after)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_is_only_read(world: World, method: str) -> None:
    """DJ-06."""
    assert world.transport.send(method, f"{world.issuer}/jwks").status == 405
