"""What an EHR does over HTTP: make, look at and take back launches, end and touch sessions (security.md 2.9)."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from tests.actors import basic
from tests.world import APP, EHR_ORIGIN, FHIR, OTHER_FHIR, World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.transport import Reply

JSON = {"Content-Type": "application/json"}
SCOPE = "launch online_access patient/*.rs"
UNKNOWN = "the launch is unknown, expired or already used, or it was made for another app, FHIR server or request"
NOT_A_MEMBER = "not a member of a launch, and a name of your own is a URI or starts with two underscores"
NOT_REGISTERED = "not registered for this FHIR server"
CONTEXT = {
    "patient": "A",
    "encounter": "visit-7",
    "fhirContext": [{"reference": "ServiceRequest/7"}],
    "need_patient_banner": False,
    "intent": "reconcile-medications",
    "smart_style_url": "https://ehr.example/style.json",
    "tenant": "ward-north",
    "appContext": '{"card":"c-12"}',
    "__darkMode": True,
    "https://ehr.example/hub": {"topic": "t"},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


def body(**changes: Any) -> dict[str, Any]:
    asked = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A", **changes}
    return {name: value for name, value in asked.items() if value is not None}


def post(server: World, headers: Mapping[str, str], content: object, path: str = "/launch") -> Reply:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return server.transport.send("POST", server.transport.issuer + path, JSON | dict(headers), text)


def at(server: World, method: str, launch_id: str, headers: Mapping[str, str]) -> Reply:
    return server.transport.send(method, f"{server.transport.issuer}/launch/{launch_id}", headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def trail(server: World, *members: str) -> list[tuple[Any, ...]]:
    with server.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).order_by(*ORDER)).all()
    return [tuple(getattr(row, member) for member in members) for row in rows]


def ehr_token(server: World) -> str:
    """A token with ``__launch``: the app's registration has it, and a person agreed."""
    with server.services.db.write() as session:
        server.services.clients.update(session, "public", {"scope": f"{SCOPE} __launch"}, {})
    handle = server.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    token: str = server.public.tokens(handle, f"{SCOPE} __launch")["access_token"]
    return token


def test_a_launch_is_made_and_runs(server: World) -> None:
    """Section 10: every member of the context reaches the token response and introspection as the EHR said it.

    REQ-73.
    """
    reply = server.ehr.post("/launch", body(web_messaging_origin=EHR_ORIGIN, session="s-1", **CONTEXT))
    made = reply.json()
    assert (reply.status, reply.header("cache-control")) == (201, "no-store")
    assert made == {
        "launch": made["launch"],
        "launch_id": made["launch_id"],
        "launch_url": made["launch_url"],
        "expires_in": 300,
    }
    assert made["launch_url"].startswith(f"{APP}/launch?")
    assert parse_qs(urlsplit(made["launch_url"]).query) == {"iss": [FHIR], "launch": [made["launch"]]}
    tokens = server.public.tokens(made["launch"], SCOPE)
    own = {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert {name: value for name, value in tokens.items() if name not in own} == CONTEXT
    assert server.fhir_server.introspect(tokens["access_token"]).items() >= CONTEXT.items()


def test_launch_url_keeps_its_query(server: World) -> None:
    """LAU-05."""
    with server.services.db.write() as session:
        server.services.clients.update(session, "public", {"launch_uris": [f"{APP}/launch?tab=growth"]}, {})
    made = server.ehr.launch("public", "Practitioner/dr")
    query = parse_qs(urlsplit(made["launch_url"]).query)
    assert query == {"tab": ["growth"], "iss": [FHIR], "launch": [made["launch"]]}


def test_who_is_no_ehr_is_refused_and_audited(server: World) -> None:
    """Security.md LA-01."""
    handle = server.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    user_token = server.public.tokens(handle, SCOPE)["access_token"]
    before = len(trail(server, "event"))
    expected = [
        ({}, 401, "invalid_token", 'Bearer realm="authz"'),
        (basic("ehr-main", "wrong"), 401, "invalid_client", 'Basic realm="authz"'),
        (basic("nobody", "ehr-main-secret"), 401, "invalid_client", 'Basic realm="authz"'),
        (basic("confidential", "confidential-test-secret"), 401, "invalid_client", 'Basic realm="authz"'),
        (basic("rs-main", "rs-main-secret"), 401, "invalid_client", 'Basic realm="authz"'),
        ({"Authorization": "Basic !"}, 401, "invalid_client", 'Basic realm="authz"'),
        (bearer("unknown"), 401, "invalid_token", None),
        (bearer(user_token), 403, "insufficient_scope", None),
    ]
    for headers, status, error, challenge in expected:
        server.clock.forward(seconds=1)
        reply = post(server, headers, body())
        assert (reply.status, reply.json()["error"]) == (status, error)
        found = reply.header("www-authenticate")
        assert found is not None
        assert challenge is None or found == challenge
    assert trail(server, "event", "outcome", "reason", "peer")[before:] == [
        ("launch.refused", "refused", error, "127.0.0.1") for _, _, error, _ in expected
    ]


def test_an_ehr_that_is_switched_off_makes_no_launches(server: World) -> None:
    with server.services.db.write() as session:
        server.services.ehrs.set_enabled(session, "ehr-main", enabled=False)
    assert server.ehr.post("/launch", body()).json()["error"] == "invalid_client"


def test_an_ehr_of_another_fhir_server_is_refused(server: World) -> None:
    """Security.md LA-02."""
    reply = server.other_ehr.post("/launch", body())
    assert (reply.status, reply.refusal()) == (
        403,
        {"error": "insufficient_scope", "error_description": "this credential is not for that FHIR server"},
    )
    assert trail(server, "event", "reason", "detail")[-1] == (
        "launch.refused",
        "insufficient_scope",
        {"ehr": "ehr-other", "problem": "this credential is not for that FHIR server"},
    )


def test_a_token_with_the_scope_speaks_for_an_ehr_at_its_own_fhir_server(server: World) -> None:
    """Decision 17."""
    token = bearer(ehr_token(server))
    made = post(server, token, body())
    assert made.status == 201
    launch_id = made.json()["launch_id"]
    assert at(server, "GET", launch_id, token).json()["state"] == "created"
    assert at(server, "GET", launch_id, basic("ehr-main", "ehr-main-secret")).status == 404
    elsewhere = post(server, token, body(fhir_server=OTHER_FHIR))
    assert (elsewhere.status, elsewhere.json()["error"]) == (403, "insufficient_scope")
    assert elsewhere.header("www-authenticate") == (
        'Bearer realm="authz", error="insufficient_scope",'
        ' error_description="this credential is not for that FHIR server", scope="__launch"'
    )
    assert post(server, token, {"fhir_server": FHIR, "session": "s"}, "/ehr-session/touch").status == 204


@pytest.mark.parametrize(
    ("content", "status", "description"),
    [
        (body(ttl=315_360_000), 400, f"ttl: {NOT_A_MEMBER}"),
        (body(need_patient_banner="false"), 400, "need_patient_banner: must be true or false, a JSON boolean"),
        (body(client_id=None), 400, "client_id: is missing"),
        (body(user="nobody"), 400, "user: no such person here"),
        (body(launch_url="https://evil.example/"), 400, "launch_url: not registered for this app"),
        (body(web_messaging_origin="https://evil.example"), 400, f"web_messaging_origin: {NOT_REGISTERED}"),
        (b"[]", 400, "the body must be a JSON object"),
        (b'{"patient": NaN}', 400, "the body can not be read: NaN and Infinity are not JSON"),
        (b'{"patient": "A", "patient": "B"}', 400, "the body can not be read: a member occurs twice in one object"),
        (b'{"__a": "\\u0000"}', 400, "the body can not be read: a string contains NUL or half of a surrogate pair"),
        (b'{"__a": "' + b"a" * 262_144 + b'"}', 413, "the body must not be larger than 262144 bytes"),
    ],
)
def test_a_launch_that_can_not_be_is_refused_in_words(
    server: World, content: object, status: int, description: str
) -> None:
    """Security.md LA-03 to LA-07; bounds of section 3.5."""
    reply = post(server, basic("ehr-main", "ehr-main-secret"), content)
    assert (reply.status, reply.refusal()) == (status, {"error": "invalid_request", "error_description": description})


def test_a_launch_goes_in_a_body_of_json_only(server: World) -> None:
    credential = basic("ehr-main", "ehr-main-secret")
    url = server.transport.issuer + "/launch"
    form = server.transport.send(
        "POST", url, credential | {"Content-Type": "application/x-www-form-urlencoded"}, b"a=b"
    )
    assert (form.status, form.json()["error_description"]) == (400, "Content-Type must be application/json")
    query = server.transport.send("POST", f"{url}?patient=A", credential | JSON, json.dumps(body()).encode())
    assert (query.status, query.json()["error"]) == (400, "invalid_request")


def test_a_launch_is_shown_to_its_ehr_and_to_nobody_else(server: World) -> None:
    """Security.md LA-09: no listing either."""
    made = server.ehr.launch("public", "Practitioner/dr", patient="A")
    server.clock.forward(seconds=10)
    assert server.ehr.look_up(made["launch_id"]).json() == {
        "launch_id": made["launch_id"],
        "state": "created",
        "expires_in": 290,
        "client_id": "public",
        "fhir_server": FHIR,
        "launch_url": f"{APP}/launch",
        "patient": "A",
    }
    nothing = {"error": "not_found", "error_description": "no such launch"}
    for reply in (
        server.other_ehr.look_up(made["launch_id"]),
        server.other_ehr.withdraw(made["launch_id"]),
        server.ehr.look_up("a" * 22),
        server.ehr.look_up("' OR 1=1--"),
        server.ehr.look_up(made["launch"]),
    ):
        assert (reply.status, reply.json()) == (404, nothing)
    for headers in ({}, bearer("unknown"), basic("confidential", "confidential-test-secret")):
        assert [at(server, method, made["launch_id"], headers).status for method in ("GET", "DELETE")] == [401, 401]
    listing = server.transport.send("GET", f"{server.transport.issuer}/launch", basic("ehr-main", "ehr-main-secret"))
    assert (listing.status, listing.header("allow")) == (405, "OPTIONS, POST")
    assert server.ehr.look_up(made["launch_id"]).status == 200


def test_a_withdrawn_launch_opens_nothing(server: World) -> None:
    """Security.md LA-13."""
    made = server.ehr.launch("public", "Practitioner/dr", patient="A")
    for _ in range(2):
        reply = server.ehr.withdraw(made["launch_id"])
        assert (reply.status, reply.body, reply.header("cache-control")) == (204, b"", "no-store")
    answer = server.public.launched(made["launch"], SCOPE).location_parameters
    assert (answer["error"], answer["error_description"].partition(" (")[0]) == ("invalid_request", UNKNOWN)
    assert server.ehr.look_up(made["launch_id"]).json() == {
        "launch_id": made["launch_id"],
        "state": "ended",
        "reason": "withdrawn",
        "client_id": "public",
        "at": int(server.clock().timestamp()),
    }


def test_a_used_launch_says_so(server: World) -> None:
    made = server.ehr.launch("public", "Practitioner/dr", patient="A")
    server.public.tokens(made["launch"], SCOPE)
    assert server.ehr.look_up(made["launch_id"]).json()["state"] == "token_issued"
    refused = server.ehr.withdraw(made["launch_id"])
    assert (refused.status, refused.refusal()) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "the app has used this launch; end the EHR session to end what came of it",
        },
    )


def test_context_is_that_of_the_launch_not_of_a_later_one(server: World) -> None:
    """LAU-06: the chart goes on, the token does not."""
    first = server.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    code = server.public.code(first, SCOPE)
    server.ehr.launch("public", "Practitioner/dr", patient="B")
    assert server.public.redeem(code).json()["patient"] == "A"


def test_ending_a_session_ends_online_access_and_its_waiting_launches(server: World) -> None:
    """Decision 3, REF-12."""
    tokens = server.public.tokens(
        server.ehr.launch("public", "Practitioner/dr", patient="A", session="s-1")["launch"], SCOPE
    )
    waiting = server.ehr.launch("public", "Practitioner/dr", patient="A", session="s-1")["launch"]
    other = server.public.tokens(
        server.ehr.launch("public", "Practitioner/dr", patient="A", session="s-2")["launch"], SCOPE
    )
    for _ in range(2):
        reply = server.ehr.end_session("s-1")
        assert (reply.status, reply.body) == (204, b"")
    assert server.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    assert server.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert server.public.launched(waiting, SCOPE).location_parameters["error"] == "invalid_request"
    assert server.fhir_server.introspect(other["access_token"])["active"]
    assert server.ehr.touch_session("s-1").refusal() == {
        "error": "invalid_request",
        "error_description": "session: this EHR session has ended",
    }
    assert server.ehr.post("/launch", body(session="s-1")).refusal() == {
        "error": "invalid_request",
        "error_description": "session: this EHR session has ended",
    }
    ended = [event for event in trail(server, "event", "fhir_server", "detail") if event[0] == "ehr_session.ended"]
    assert ended == [("ehr_session.ended", "main", {"ehr": "ehr-main"})] * 2


def test_a_session_that_is_touched_keeps_online_access_alive(server: World) -> None:
    """Decision 10: four hours after the last sign of life."""
    refresh = {}
    for session in ("s-1", "s-2"):
        made = server.ehr.launch("public", "Practitioner/dr", patient="A", session=session)
        refresh[session] = server.public.tokens(made["launch"], SCOPE)["refresh_token"]
    server.clock.forward(hours=3)
    assert server.ehr.touch_session("s-1").status == 204
    server.clock.forward(hours=3)
    assert server.public.refresh(refresh["s-1"]).status == 200
    assert server.public.refresh(refresh["s-2"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("path", ["/ehr-session/end", "/ehr-session/touch"])
@pytest.mark.parametrize(
    ("content", "status", "description"),
    [
        ({"fhir_server": FHIR}, 400, "session: is missing"),
        ({"fhir_server": FHIR, "session": ""}, 400, "session: must be 1 to 1024 printable characters"),
        ({"fhir_server": FHIR, "session": "s", "user": "x"}, 400, "user: not a member of this request"),
        ({"fhir_server": "https://evil.example", "session": "s"}, 400, "fhir_server: no such FHIR server"),
        ({"fhir_server": OTHER_FHIR, "session": "s"}, 403, "this credential is not for that FHIR server"),
    ],
)
def test_a_session_request_that_can_not_be_is_refused(
    server: World, path: str, content: object, status: int, description: str
) -> None:
    reply = server.ehr.post(path, content)
    assert (reply.status, reply.json()["error_description"]) == (status, description)
    assert trail(server, "event", "outcome")[-1] == ("caller.refused", "refused")


def test_sessions_of_another_fhir_server_are_not_ours_to_end(server: World) -> None:
    made = server.ehr.launch("public", "Practitioner/dr", patient="A", session="s-1")
    token = server.public.tokens(made["launch"], SCOPE)["access_token"]
    assert server.other_ehr.end_session("s-1").status == 204
    assert server.fhir_server.introspect(token)["active"]


@pytest.mark.parametrize("user", ["Practitioner/never-seen", f"{FHIR}/PractitionerRole/new"])
def test_somebody_first_seen_in_a_launch_has_online_access_too(server: World, user: str) -> None:
    """Decisions 15, 19: the EHR signed them in before this server knew them; that is no sign-in ended meanwhile."""
    asked = body(user=user, session="s-1", auth_time=int(server.clock().timestamp()) - 3600)
    handle = server.ehr.post("/launch", asked).json()["launch"]
    page = server.public.launched(handle, SCOPE)
    if page.status == 200:
        page = server.browser().submit(page, press="allow")
    tokens = server.public.redeem(page.location_parameters["code"]).json()
    assert server.public.refresh(tokens["refresh_token"]).status == 200


def test_a_handle_is_not_in_any_row(server: World) -> None:
    """Security.md LA-15, decision 6."""
    made = server.ehr.launch("public", "Practitioner/dr", patient="A")
    server.public.tokens(made["launch"], SCOPE)
    rows = trail(server, *(column.name for column in AuditEventRow.__table__.columns))
    encoded = b64encode(made["launch"].encode()).decode()
    assert made["launch"] not in repr(rows)
    assert encoded not in repr(rows)
