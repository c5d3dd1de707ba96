"""A dependency that is away while somebody is in the browser (SMART section 25, security.md I8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from authz.storage.short_lived import StoreUnavailable
from tests.transport import SUPPORT_PAGE

if TYPE_CHECKING:
    import pytest

    from tests.world import World


def away(*_: object, **__: object) -> NoReturn:
    raise StoreUnavailable("gone")


def test_the_app_is_told_that_the_server_is_not_available(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 25: ``temporarily_unavailable`` by redirect, for the redirect URI is certain; nothing is issued.

    ERR-19.
    """
    url = world.public.authorize_url(scope="openid patient/Observation.rs")
    for verb in ("get", "put", "take", "claim"):
        monkeypatch.setattr(type(world.services.backend), verb, away)
    reply = world.browser().open(url)
    assert reply.status == 303
    parameters = reply.location_parameters
    assert parameters.pop("error_description").startswith("a part of the server does not answer, try again")
    assert SUPPORT_PAGE.search(parameters.pop("error_uri"))
    assert parameters == {"error": "temporarily_unavailable", "state": world.public.state, "iss": world.issuer}


def test_an_unknown_app_gets_a_page_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is redirected before the client and its redirect URI are certain."""
    for verb in ("get", "put", "take", "claim"):
        monkeypatch.setattr(type(world.services.backend), verb, away)
    reply = world.browser().open(world.public.authorize_url(scope="openid", client_id="nobody"))
    assert (reply.status, reply.header("location")) == (400, None)
