"""Every way to prove who one is, tried badly, at each endpoint that asks for it (security.md CA)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.actors import FORM, basic
from tests.backend import register
from tests.world import CONFIDENTIAL, ISSUER, SECRET, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport import Reply
    from tests.world import World

BODIES = {
    "/token": {"grant_type": "refresh_token", "refresh_token": "x"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
}
FAILED = {"error": "invalid_client", "error_description": "client authentication failed"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The app "confidential" may introspect as well, so that one credential is good at all three endpoints."""
    made = build(settings_in(tmp_path_factory.mktemp("authentication")))
    with made.app.app_context():
        services = made.services
        with services.db.write() as session:
            scope = f"{CONFIDENTIAL['scope']} __introspect"
            services.clients.update(session, "confidential", {"scope": scope}, {})
            by_post = {**CONFIDENTIAL, "token_endpoint_auth_method": "client_secret_post", "scope": scope}
            services.clients.add(
                session, ClientMetadata.load(by_post), HospitalDecisions(), client_id="posting", secret=SECRET
            )
        register(made, "bulk", ("main",), scope="system/*.rs __introspect")
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def send(world: World, path: str, form: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
    body = urlencode({**BODIES[path], **form}).encode()
    return world.transport.send("POST", ISSUER + path, {"Content-Type": FORM, **(headers or {})}, body)


def raw(value: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(value).decode()}


def is_let_in(reply: Reply) -> bool:
    """Whether the request got past the authentication; the token in it is nobody's."""
    return reply.status == 200 or reply.json()["error"] in {"invalid_grant", "unauthorized_client"}


@pytest.mark.parametrize("path", BODIES)
def test_the_registered_way_is_let_in(world: World, path: str) -> None:
    """SYM-01, SYM-02, SYM-04: so that the refusals below are about what is wrong with them; ``basic`` in any case."""
    assert is_let_in(send(world, path, {}, basic("confidential", SECRET)))
    assert is_let_in(send(world, path, {"client_id": "posting", "client_secret": SECRET}))
    lower = basic("confidential", SECRET)["Authorization"].replace("Basic", "basic")
    assert is_let_in(send(world, path, {}, {"Authorization": lower}))


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("form", "headers"),
    [
        pytest.param({}, basic("confidential", "wrong"), id="wrong"),
        pytest.param({}, basic("confidential", ""), id="empty"),
        pytest.param({}, basic("nobody", SECRET), id="unknown"),
        pytest.param({}, basic("posting", SECRET), id="registered for the body"),
        pytest.param({"client_id": "confidential", "client_secret": SECRET}, {}, id="registered for the header"),
        pytest.param({}, basic("ehr-main", "ehr-main-secret"), id="an EHR's"),
        pytest.param({}, basic("public", ""), id="public"),
        pytest.param({}, basic("bulk", SECRET), id="one with a key"),
        pytest.param({"client_id": "public"}, basic("confidential", SECRET), id="two names"),
        pytest.param({}, raw("confidential:é".encode()), id="not ASCII"),
        pytest.param({}, raw("confidential:é".encode("latin-1")), id="not UTF-8"),
        pytest.param({}, raw(b"\xff\xfe:\xff"), id="bytes"),
        pytest.param({}, raw(b"confidential"), id="no colon"),
        pytest.param({}, raw(b":" + SECRET.encode()), id="no name"),
        pytest.param({}, raw(b"confidential:\0"), id="NUL"),
        pytest.param({}, {"Authorization": "Basic"}, id="scheme alone"),
        pytest.param({}, {"Authorization": "Basic !!!"}, id="not base64"),
        pytest.param({}, {"Authorization": "Digest x"}, id="another scheme"),
        pytest.param({"client_id": "posting", "client_secret": "é"}, {}, id="not ASCII in the body"),
        pytest.param({"client_id": "posting", "client_secret": "wrong"}, {}, id="wrong in the body"),
        pytest.param({"client_secret": SECRET}, {}, id="secret alone"),
        pytest.param({"client_assertion": "x"}, {}, id="assertion without type"),
        pytest.param({"client_assertion_type": "x", "client_assertion": "a.b.c"}, {}, id="assertion of another type"),
    ],
)
def test_whatever_is_wrong_reads_the_same(
    world: World, path: str, form: dict[str, str], headers: dict[str, str]
) -> None:
    """CA-01, CA-03, CA-06, CA-07, CA-38, SYM-05, ERR-08: 401 ``invalid_client``, and nothing about which part."""
    reply = send(world, path, form, headers)
    assert (reply.status, reply.refusal()) == (401, FAILED)
    assert (reply.header("www-authenticate") or "").startswith("Basic ")
    assert reply.header("cache-control") == "no-store"


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("client_id", ["confidential", "posting", "bulk"])
def test_a_name_alone_is_no_proof_of_a_client_that_has_one(world: World, path: str, client_id: str) -> None:
    """CA-05, TK-23: at each endpoint, not at the token endpoint alone."""
    reply = send(world, path, {"client_id": client_id})
    assert reply.status == 401
    assert reply.json()["error"] in {"invalid_client", "invalid_token"}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "form",
    [
        {"client_id": "confidential", "client_secret": SECRET},
        {"client_secret": "wrong"},
        {"client_assertion": "a.b.c", "client_assertion_type": "x"},
    ],
)
def test_two_ways_at_once_are_one_too_many(world: World, path: str, form: dict[str, str]) -> None:
    """CA-02, RFC 6749 §2.3: even if one of them, or each, is good."""
    reply = send(world, path, form, basic("confidential", SECRET))
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
