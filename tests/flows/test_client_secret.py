"""Apps with a secret (SMART section 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from authz.clients.metadata import ClientMetadata
from tests.actors import FORM, SmartApp, basic
from tests.world import CONFIDENTIAL, FHIR, ISSUER, VETTED

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch patient/*.rs"
HARD = "a:b%2Bc d+é"


def add(world: World, client_id: str, secret: str, **changes: object) -> SmartApp:
    with world.services.db.write() as session:
        world.services.clients.add(
            session, ClientMetadata.load({**CONFIDENTIAL, **changes}), VETTED, client_id=client_id, secret=secret
        )
    return SmartApp(world.transport, client_id, "https://conf.example/cb", FHIR, secret)


def code(world: World, app: SmartApp) -> dict[str, str]:
    """The form of an exchange, with nothing about who the app is."""
    handle = str(world.ehr.launch(app.client_id, "Practitioner/dr", patient="A")["launch"])
    issued = app.code(handle, SCOPE)
    return {
        "grant_type": "authorization_code",
        "code": issued,
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }


def post(world: World, form: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
    body = urlencode(form).encode()
    return world.transport.send("POST", f"{ISSUER}/token", {"Content-Type": FORM, **(headers or {})}, body)


def test_an_app_says_its_secret_by_http_basic(shared: World) -> None:
    """SYM-01, TOK-03: and needs no ``client_id`` in the body then."""
    form = code(shared, shared.confidential)
    assert post(shared, form, basic("confidential", shared.confidential.secret or "")).status == 200


def test_an_app_registered_for_it_sends_its_secret_in_the_body(shared: World) -> None:
    """SYM-02, TOK-05: and not by Basic, for the method is the one that is registered."""
    app = add(shared, "post", "s-1", token_endpoint_auth_method="client_secret_post")
    form = code(shared, app)
    refused = post(shared, form, basic("post", "s-1"))
    assert (refused.status, refused.json()["error"]) == (401, "invalid_client")
    assert post(shared, form | {"client_id": "post", "client_secret": "s-1"}).status == 200


@pytest.mark.parametrize("encoded", [False, True])
def test_any_secret_is_read_as_apps_send_it(shared: World, *, encoded: bool) -> None:
    """SYM-04, ST-07, Q-05: as it is, or encoded as RFC 6749 wants it; the first colon separates."""
    app = add(shared, f"hard-{encoded}", HARD)
    credential = basic(app.client_id, quote(HARD, safe="") if encoded else HARD)
    assert post(shared, code(shared, app), credential).status == 200


def test_a_secret_is_not_for_backend_services(shared: World) -> None:
    """SYM-03, BKS-01, ERR-12: ``client_credentials`` is for apps with a key."""
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    reply = post(shared, form, basic("confidential", shared.confidential.secret or ""))
    assert (reply.status, reply.json()["error"]) == (400, "unauthorized_client")


def test_a_secret_that_is_wrong_or_missing_is_one_failure(shared: World) -> None:
    """SYM-05, ERR-08, ST-08: 401, ``invalid_client``, with the challenge; and the code is still good."""
    form = code(shared, shared.confidential)
    for headers, more in (
        (basic("confidential", "wrong"), {}),
        (basic("confidential", ""), {}),
        ({}, {"client_id": "confidential"}),
    ):
        reply = post(shared, form | more, headers)
        assert (reply.status, reply.json()["error"]) == (401, "invalid_client")
        assert reply.header("www-authenticate") == 'Basic realm="authz"'
    assert post(shared, form, basic("confidential", shared.confidential.secret or "")).status == 200
