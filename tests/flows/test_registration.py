"""An app registers itself, and its developer looks after that (SMART section 5, RFC 7591, RFC 7592)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from sqlalchemy import select

from authz.audit.search import Query, search
from authz.clients.model import ClientRow
from authz.registration import holder
from authz.registration.case import asked_for
from authz.registration.model import RegistrationEventRow, RegistrationRow
from authz.registration.report import Report
from authz.storage.records import digest
from tests.backend import KEYS, key_set
from tests.vendor import METADATA, Vendor, bearer
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from tests.world import World

UNAUTHORIZED = {
    "error": "invalid_token",
    "error_description": "the registration access token is not one of this client",
}
EVERYTHING = {
    **METADATA,
    "client_name#fr": "L'app",
    "application_type": "web",
    "response_types": ["code"],
    "allowed_origins": ["https://vendor.example"],
    "fhir_user_types": ["Patient"],
    "client_uri": "https://vendor.example/",
    "logo_uri": "https://vendor.example/logo.png",
    "policy_uri": "https://vendor.example/policy",
    "tos_uri": "https://vendor.example/tos",
    "contacts": ["ops@vendor.example"],
    "software_id": "growth",
    "software_version": "2.1",
    "post_logout_redirect_uris": ["https://vendor.example/bye"],
    "backchannel_logout_uri": "https://vendor.example/out",
    "backchannel_logout_session_required": True,
    "id_token_signed_response_alg": "RS256",
    "subject_type": "public",
    "default_max_age": 3600,
    "require_auth_time": True,
    "default_acr_values": ["urn:any"],
    "initiate_login_uri": "https://vendor.example/login",
    "fhir_context_dialect": "2.2",
}


def opened(world: World, name: str = "main", way: str = "open") -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, name, {"registration": way})


@pytest.fixture
def vendor(world: World) -> Vendor:
    opened(world)
    return Vendor(world.transport)


def rows(world: World) -> list[str]:
    with world.services.db.read() as session:
        return [row.client_id for row in session.scalars(select(RegistrationRow))]


def approve(world: World, client_id: str) -> None:
    with world.services.db.write() as session:
        world.services.clients.row(session, client_id).approved = True


# --- POST


def test_what_is_registered_is_told_with_its_defaults(world: World, vendor: Vendor) -> None:
    """REG-02, REG-03, REG-04, MGT-04, REQ-116, RG-09; RFC 7591 §3.2.1: 201, no cache, no secret for a public app."""
    reply = vendor.send(METADATA)
    assert (reply.status, reply.header("cache-control"), reply.header("pragma")) == (201, "no-store", "no-cache")
    answer = reply.json()
    assert answer == {
        **METADATA,
        "client_id": ANY,
        "client_id_issued_at": int(world.clock().timestamp()),
        "application_type": "web",
        "response_types": ["code"],
        "fhir_user_types": ["Patient", "RelatedPerson"],
        "id_token_signed_response_alg": "RS256",
        "subject_type": "public",
        "require_auth_time": False,
        "registration_state": "sandbox",
        "registration_client_uri": f"{ISSUER}/register/{answer['client_id']}",
        "registration_access_token": ANY,
    }
    with world.services.db.read() as session:
        row = session.get_one(RegistrationRow, answer["client_id"])
        assert row.token_digest == digest(answer["registration_access_token"])
        assert session.get_one(ClientRow, answer["client_id"]).fhir_servers == ["main"]


def test_every_member_that_is_registered_comes_back(vendor: Vendor) -> None:
    """RFC 7591 §3.2.1, §2.2; OpenID Connect Registration §3.2; REG-01, REG-10: also at the next reading."""
    answer = vendor.register(None, **{name: value for name, value in EVERYTHING.items() if name not in METADATA})
    assert {name: value for name, value in answer.items() if name in EVERYTHING} == EVERYTHING
    assert vendor.read(answer).json() == answer


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_secret_is_told_once_to_whom_needs_one(world: World, vendor: Vendor, method: str) -> None:
    """RG-09, REG-04; RFC 7591 §3.2.1: our secrets do not expire, and are kept as a MAC that nobody can read."""
    answer = vendor.register(token_endpoint_auth_method=method)
    assert (len(answer["client_secret"]) >= 43, answer["client_secret_expires_at"]) == (True, 0)
    assert world.services.clients.by_secret(answer["client_id"], answer["client_secret"])
    again = {name: value for name, value in answer.items() if name != "client_secret"}
    assert vendor.read(answer).json() == again


def test_an_app_with_keys_needs_no_secret(vendor: Vendor) -> None:
    """RG-09, REG-05, REG-06: keys given here are kept as they were."""
    jwks = key_set(**KEYS)
    answer = vendor.register(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert answer["jwks"] == jwks
    assert not {"client_secret", "client_secret_expires_at"} & answer.keys()


def test_a_backend_service_has_no_response_types(vendor: Vendor) -> None:
    """RFC 7591 §2.1; BKS-01: said as it is, for ``code`` would be the default."""
    changes: dict[str, Any] = {"redirect_uris": None, "launch_uris": None, "scope": "system/*.rs"}
    answer = vendor.register(
        **changes,
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri="https://vendor.example/jwks",
    )
    assert (answer["response_types"], answer["registration_state"]) == ([], "requested")
    assert not {"subject_type", "id_token_signed_response_alg"} & answer.keys()


def test_who_says_no_scope_may_ask_who_the_user_is(vendor: Vendor) -> None:
    """RFC 7591 §2 ``scope``: a default that opens no record."""
    assert vendor.register(scope=None)["scope"] == "openid fhirUser"


def test_a_registered_app_is_launched_and_gets_its_token(world: World, vendor: Vendor) -> None:
    """REQ-116, REG-02: once it is approved, the same as any other."""
    answer = vendor.register(token_endpoint_auth_method="client_secret_basic")
    approve(world, answer["client_id"])
    app = vendor.app(answer, FHIR)
    code = world.standalone(app, "launch/patient openid fhirUser patient/*.rs", "alice")
    tokens = app.redeem(code).json()
    assert (tokens["patient"], tokens["scope"]) == ("A", "launch/patient openid fhirUser patient/*.rs")


def test_a_registration_is_on_the_trail_and_in_the_history(world: World, vendor: Vendor) -> None:
    """security.md 4.1: who came, by what, and what was told to whom was refused."""
    client_id = vendor.register()["client_id"]
    assert vendor.send({**METADATA, "client_name": "\u202e"}).status == 400
    with world.services.db.read() as session:
        made = search(session, Query(event="client.changed", client_id=client_id))
        refused = search(session, Query(event="registration.refused"))
        history = session.scalars(select(RegistrationEventRow)).all()
        assert [(line.client_id, line.actor, line.what) for line in history] == [(client_id, "vendor", "registered")]
    assert [(one["reason"], one["detail"]) for one in made] == [("registered", {"source": "open", "lane": "patient"})]
    problem = "client_name: must be visible characters"
    assert [(one["reason"], one["detail"]["problem"]) for one in refused] == [("invalid_client_metadata", problem)]


def test_a_developer_who_changes_the_app_for_ever_fills_no_disk(world: World, vendor: Vendor) -> None:
    """RG-19: what changes nothing is no line of the history, and of changes the newest fifty are kept."""
    answer = vendor.register()
    for number in (0, 0, *range(1, 53)):
        assert vendor.replace(answer, contacts=[f"{number}@vendor.example"]).status == 200
    with world.services.db.read() as session:
        lines = session.scalars(select(RegistrationEventRow).order_by(RegistrationEventRow.id)).all()
        told = [(line.what, line.changes) for line in lines if line.actor == "vendor"]
    changed = [
        ("changed", {"contacts": [[f"{number - 1}@vendor.example"], [f"{number}@vendor.example"]]})
        for number in range(3, 53)
    ]
    assert told == [("registered", {}), *changed]


# --- where it is open


def test_registration_is_closed_until_a_hospital_opens_it(world: World) -> None:
    """RG-01, decision 13: nothing is advertised, and every address answers 401."""
    for path in ("/register", "/fhir-servers/main/register"):
        reply = Vendor(world.transport, path).send(METADATA)
        assert (reply.status, reply.header("www-authenticate")) == (401, 'Bearer realm="authz"')
        assert reply.refusal() == {
            "error": "invalid_token",
            "error_description": "registration needs an initial access token",
        }
    assert Vendor(world.transport).send(METADATA, bearer("x" * 43)).status == 401
    assert rows(world) == []


@pytest.mark.parametrize(("way", "status"), [("closed", 401), ("invited", 401), ("open", 201)])
def test_a_fhir_server_opens_its_own_endpoint(world: World, way: str, status: int) -> None:
    """RG-01, FIELD discovery.registration_endpoint, decision 23: and no other's; it is said where it works."""
    opened(world, "other", way)
    assert Vendor(world.transport, "/fhir-servers/other/register").send(METADATA).status == status
    assert Vendor(world.transport, "/fhir-servers/main/register").send(METADATA).status == 401
    document = world.transport.send("GET", f"{ISSUER}/fhir-servers/other/.well-known/smart-configuration").json()
    endpoint = f"{ISSUER}/fhir-servers/other/register"
    assert document.get("registration_endpoint") == (None if way == "closed" else endpoint)
    server = world.transport.send("GET", f"{ISSUER}/.well-known/openid-configuration").json()
    assert server.get("registration_endpoint") == (None if way == "closed" else f"{ISSUER}/register")
    assert server.get("service_documentation") == (None if way == "closed" else f"{ISSUER}/developers")
    uris = world.transport.send("GET", f"{ISSUER}/fhir-servers/other/oauth-uris").json()["extension"][0]["extension"]
    register = [one["valueUri"] for one in uris if one["url"] == "register"]
    assert register == ([] if way == "closed" else [endpoint])


def test_an_app_is_tied_to_the_fhir_servers_that_took_it(world: World) -> None:
    """Decision 23: by the common endpoint to those that are open, and never to one that is closed."""
    opened(world, "other")
    answer = Vendor(world.transport).register()
    approve(world, answer["client_id"])
    app = Vendor(world.transport).app(answer, FHIR)
    reply = world.browser().open(app.authorize_url(scope="patient/*.rs"))
    assert reply.location_parameters["error"] == "invalid_request"
    opened(world)
    both = Vendor(world.transport).register()
    with world.services.db.read() as session:
        assert session.get_one(ClientRow, answer["client_id"]).fhir_servers == ["other"]
        assert session.get_one(ClientRow, both["client_id"]).fhir_servers == ["main", "other"]


def test_an_unknown_fhir_server_is_not_there(world: World, vendor: Vendor) -> None:
    reply = Vendor(world.transport, "/fhir-servers/nowhere/register").send(METADATA)
    assert (reply.status, reply.refusal()["error"]) == (404, "not_found")


# --- GET, PUT, DELETE


def test_reading_changes_nothing(vendor: Vendor) -> None:
    """RFC 7592 §2.1; OpenID Connect Registration §4: no token and no secret is replaced by it."""
    answer = vendor.register()
    first, second = vendor.read(answer), vendor.read(answer)
    assert (first.status, first.header("cache-control")) == (200, "no-store")
    assert first.json() == second.json() == answer


def test_an_update_replaces_everything(world: World, vendor: Vendor) -> None:
    """RFC 7592 §2.2: what is left out is forgotten, and the rest is as if it were registered now."""
    answer = vendor.register(contacts=["ops@vendor.example"], default_max_age=60, **{"client_name#fr": "L'app"})
    changes = {"contacts": None, "default_max_age": None, "client_name#fr": None, "fhir_user_types": None}
    reply = vendor.replace(answer, **changes, tos_uri="https://vendor.example/tos")
    gone = ("contacts", "default_max_age", "client_name#fr")
    kept = {name: value for name, value in answer.items() if name not in gone}
    assert (reply.status, reply.json()) == (200, {**kept, "tos_uri": "https://vendor.example/tos"})
    assert vendor.read(answer).json() == reply.json()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": None}, "invalid_request"),
        ({"client_id": "public"}, "invalid_request"),
        ({"registration_access_token": "x"}, "invalid_request"),
        ({"registration_client_uri": "https://vendor.example/"}, "invalid_request"),
        ({"client_secret_expires_at": 0}, "invalid_request"),
        ({"client_id_issued_at": 0}, "invalid_request"),
        ({"client_secret": "mine"}, "invalid_client_metadata"),
        ({"client_secret": 5}, "invalid_client_metadata"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"client_name": None}, "invalid_client_metadata"),
    ],
)
def test_a_bad_update_changes_nothing(vendor: Vendor, changes: dict[str, Any], error: str) -> None:
    """RFC 7592 §2.2, RG-23: checked as at registration, and what is ours to say is not the client's."""
    answer = vendor.register(token_endpoint_auth_method="client_secret_basic")
    reply = vendor.replace(answer, **{"client_secret": answer["client_secret"], **changes})
    assert (reply.status, reply.refusal()["error"]) == (400, error)
    assert vendor.read(answer).json() == {name: value for name, value in answer.items() if name != "client_secret"}


def test_a_changed_method_changes_the_secret(world: World, vendor: Vendor) -> None:
    """RG-09, RG-23: told once again where one is needed now, and gone where none is."""
    answer = vendor.register()
    confidential = vendor.replace(answer, token_endpoint_auth_method="client_secret_basic").json()
    assert world.services.clients.by_secret(answer["client_id"], confidential["client_secret"])
    renamed = vendor.replace(confidential, client_name="Another name").json()
    assert "client_secret" not in renamed
    assert world.services.clients.by_secret(answer["client_id"], confidential["client_secret"])
    public = vendor.replace(answer).json()
    assert not {"client_secret", "client_secret_expires_at"} & public.keys()
    assert not world.services.clients.by_secret(answer["client_id"], confidential["client_secret"])


def test_an_update_that_makes_it_another_app_takes_its_approval(world: World, vendor: Vendor) -> None:
    """RG-23, RG-15, REQ-D14: what a reviewer looked at is looked at again; what is no matter of theirs is not."""
    answer = vendor.register()
    for changes, state in (
        ({"tos_uri": "https://vendor.example/tos"}, "approved"),
        ({"contacts": ["a@vendor.example"], "scope": "openid patient/*.rs"}, "approved"),
        ({"client_name": "Hospital Portal"}, "sandbox"),
        ({"client_name#fr": "Portail"}, "sandbox"),
        ({"scope": f"{METADATA['scope']} patient/*.cruds"}, "sandbox"),
        ({"scope": f"{METADATA['scope']} user/*.rs", "fhir_user_types": None}, "requested"),
        ({"redirect_uris": ["https://evil.example/cb"]}, "sandbox"),
        ({"launch_uris": ["https://evil.example/launch"]}, "sandbox"),
    ):
        assert vendor.replace(answer).status == 200
        approve(world, answer["client_id"])
        assert vendor.read(answer).json()["registration_state"] == "approved"
        assert vendor.replace(answer, **changes).json()["registration_state"] == state, changes
        client = world.services.clients.find(answer["client_id"])
        assert client is not None
        assert client.is_approved is (state == "approved")


def test_an_approved_app_that_asks_for_less_stays_approved_in_an_easier_lane(world: World, vendor: Vendor) -> None:
    """RG-23: nothing of it is new to who approved it. One that waits gets the time of its new lane."""
    provider: dict[str, Any] = {"scope": "openid patient/*.rs user/*.rs", "fhir_user_types": ["Patient"]}
    for state in ("approved", "sandbox"):
        answer = vendor.register(**provider)
        if state == "approved":
            approve(world, answer["client_id"])
        narrowed = vendor.replace(answer, scope="openid patient/*.rs").json()
        assert narrowed["registration_state"] == state
        shown = world.services.registration.review.show(answer["client_id"])
        assert (shown.registration.lane, shown.approves_at is None) == ("patient", state == "approved")


def test_an_approval_that_came_by_itself_begins_anew(world: World, vendor: Vendor) -> None:
    """RG-23: the hold of a patient-facing app counts from its last change."""
    answer = vendor.register()
    world.clock.forward(hours=47)
    assert vendor.replace(answer, client_name="Hospital Portal").json()["registration_state"] == "sandbox"
    world.clock.forward(hours=47)
    assert vendor.read(answer).json()["registration_state"] == "sandbox"
    world.clock.forward(hours=2)
    assert vendor.read(answer).json()["registration_state"] == "sandbox"  # not checked yet
    checks = world.services.registration.checks
    with world.services.db.write() as session:
        nothing_found = Report.of(world.clock(), [])
        checks.keep(session, answer["client_id"], nothing_found, asked_for(session, answer["client_id"]))
    assert vendor.read(answer).json()["registration_state"] == "approved"


def launched(world: World, vendor: Vendor, answer: dict[str, Any]) -> dict[str, Any]:
    approve(world, answer["client_id"])
    app = vendor.app(answer, FHIR)
    tokens: dict[str, Any] = app.redeem(world.standalone(app, "patient/*.rs offline_access", "alice")).json()
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is True
    return tokens


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"tos_uri": "https://vendor.example/tos"}, False),
        ({"client_name": "Hospital Portal"}, True),  # with the approval
        ({"scope": f"{METADATA['scope']} user/*.rs"}, True),
        ({"jwks": key_set(**KEYS)}, False),
        ({"redirect_uris": ["https://vendor.example/cb", "https://vendor.example/cb2"]}, True),
        ({"token_endpoint_auth_method": "client_secret_basic"}, True),
        ({"jwks": key_set(ES384=KEYS["ES384"])}, True),
        ({"jwks": None, "jwks_uri": "https://vendor.example/jwks"}, True),
    ],
    ids=[
        "terms",
        "the name",
        "more scope",
        "the same keys",
        "a redirect URI",
        "the method",
        "a key fewer",
        "keys elsewhere",
    ],
)
def test_what_was_granted_ends_with_the_addresses_and_keys_it_was_granted_to(
    world: World, vendor: Vendor, changes: dict[str, Any], *, ends: bool
) -> None:
    """RG-23: codes, both kinds of tokens, and what people had agreed to."""
    answer = vendor.register(jwks=key_set(**KEYS))
    app = vendor.app(answer, FHIR)
    tokens = launched(world, vendor, answer)
    code = world.standalone(app, "patient/*.rs", "alice")
    assert vendor.replace(answer, **changes).status == 200
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is not ends
    approve(world, answer["client_id"])
    if "token_endpoint_auth_method" not in changes:
        assert (app.refresh(tokens["refresh_token"]).status == 400) is ends
        assert (app.redeem(code).status == 400) is ends
    browser = world.browser()
    page = browser.sign_in(browser.open(app.authorize_url(scope="patient/*.rs")), "alice", "alice-password")
    assert (page.status == 200) is ends


def test_what_is_deleted_is_gone_at_once(world: World, vendor: Vendor) -> None:
    """RG-25, RFC 7592 §2.3, MGT-03: its code, its tokens, its secret, its registration, and what people agreed to."""
    answer = vendor.register(token_endpoint_auth_method="client_secret_basic")
    app = vendor.app(answer, FHIR)
    tokens = launched(world, vendor, answer)
    browser = world.browser()
    page = browser.sign_in(browser.open(app.authorize_url(scope="patient/*.rs")), "alice", "alice-password")
    code = browser.submit(page, press="allow").location_parameters["code"] if page.status == 200 else ""
    waiting = world.browser()
    consent = waiting.sign_in(
        waiting.open(app.authorize_url(scope="openid", prompt="consent")), "alice", "alice-password"
    )
    reply = vendor.delete(answer)
    assert (reply.status, reply.body, reply.header("cache-control")) == (204, b"", "no-store")
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    for refused in (app.redeem(code), app.refresh(tokens["refresh_token"])):
        assert (refused.status, refused.refusal()["error"]) == (401, "invalid_client")
    assert waiting.submit(consent, press="allow").status == 400
    assert world.browser().open(app.authorize_url(scope="patient/*.rs")).status == 400
    assert vendor.read(answer).status == vendor.delete(answer).status == 401
    assert rows(world) == []


def test_a_client_that_there_is_not_costs_the_same_look(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RG-22, decision 30: the mechanism: one comparison in constant time of two digests, whoever is asked for."""
    answer = vendor.register()
    compared: list[tuple[int, int]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare_digest(one, other)

    monkeypatch.setattr(holder, "compare_digest", compare)
    for client_id in (answer["client_id"], "c_0000000000000000"):
        url = f"{ISSUER}/register/{client_id}"
        assert world.transport.send("GET", url, bearer("x" * 43)).status == 401
    assert compared == [(64, 64), (64, 64)]


def test_other_methods_are_refused(world: World, vendor: Vendor) -> None:
    """oauth.md trap 30, Part 6: 405, which says what there is."""
    answer = vendor.register()
    assert vendor.manage("PATCH", answer, {}).header("allow") == "DELETE, GET, HEAD, OPTIONS, PUT"
    replies = [vendor.manage("POST", answer, {}), world.transport.send("GET", f"{ISSUER}/register")]
    assert [reply.status for reply in replies] == [405, 405]


def test_no_page_of_another_origin_reads_a_registration(world: World, vendor: Vendor) -> None:
    """CORS-05, HC-05: not in the table, though the addresses around it are for everybody."""
    answer = vendor.register()
    for path in ("/register", "/fhir-servers/main/register", f"/register/{answer['client_id']}"):
        preflight = world.transport.send("OPTIONS", ISSUER + path, {"Origin": "https://app.example"})
        assert preflight.header("access-control-allow-origin") is None
    sent = {"Origin": "https://app.example", **bearer(answer["registration_access_token"])}
    reply = world.transport.send("GET", answer["registration_client_uri"], sent)
    assert (reply.status, reply.header("access-control-allow-origin")) == (200, None)
