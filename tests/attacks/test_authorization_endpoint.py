"""The authorization endpoint against hostile and broken requests (security.md 2.1, the AZ table), from outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import func, select

from authz.audit.model import AuditEventRow
from authz.tokens.model import CodeRow, GrantRow
from tests.actors import FORM, challenge, new_verifier
from tests.transport import SUPPORT_PAGE
from tests.world import APP, FHIR, ISSUER, OTHER_FHIR, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient patient/Observation.rs openid fhirUser"
SUPPORT_CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}")
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §4.1.2.1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all requests that must leave no trace but on the audit trail."""
    made = build(settings_in(tmp_path_factory.mktemp("shared")))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def ask(world: World, **changes: str | None) -> Reply:
    """A standalone request by GET, good but for the changes, in a browser without cookies."""
    return world.browser().request("GET", world.public.authorize_url(**{"scope": SCOPE, **changes}))


def ask_literally(world: World, query: str) -> Reply:
    """A query that no form would send, as it is."""
    return world.browser().request("GET", f"{ISSUER}/authorize?{query}")


def query_of(world: World, **changes: str | None) -> str:
    return urlencode(world.public.authorization_request(**{"scope": SCOPE, **changes}))


def assert_page(world: World, reply: Reply) -> None:
    """PAGE: told to the person, sent nowhere; nothing is issued, and the trail can be found by the code shown."""
    assert (reply.status, reply.header("location"), reply.header("set-cookie")) == (400, None, None)
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert reply.header("cache-control") == "no-store"
    assert nothing_issued(world)
    if shown := re.search(r"<code>([0-9A-Z]{8})</code>", reply.text):
        assert on_trail(world, shown[1]) == ["authorize.refused"]


def assert_redirect(world: World, reply: Reply, error: str, to: str = f"{APP}/cb?") -> None:
    """REDIR(error): exactly error, error_description, state and iss; nothing is issued; the trail knows the code."""
    assert reply.status == 303, reply.text
    assert reply.location.startswith(to)
    sent = reply.location_parameters
    description = sent.pop("error_description")
    error_uri = sent.pop("error_uri")
    assert sent == {"error": error, "state": world.public.state, "iss": ISSUER}
    assert DESCRIPTION.fullmatch(description)
    assert reply.header("cache-control") == "no-store"
    assert reply.header("referrer-policy") == "no-referrer"
    assert nothing_issued(world)
    code = SUPPORT_CODE.search(description.rpartition("(support code ")[2])
    assert code is not None
    assert on_trail(world, code[0]) == ["authorize.refused"]
    assert error_uri == f"{ISSUER}/support/{code[0]}"


def nothing_issued(world: World) -> bool:
    with world.services.db.read() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (CodeRow, GrantRow)]
    return counts == [0, 0]


def on_trail(world: World, support_code: str) -> list[str]:
    with world.services.db.read() as session:
        return list(session.scalars(select(AuditEventRow.event).where(AuditEventRow.support_code == support_code)))


def test_no_parameters_at_all(shared: World) -> None:
    """AZ-01."""
    assert_page(shared, ask_literally(shared, ""))


@pytest.mark.parametrize("client_id", ["nope", "pub\u00fc", "x" * 256, "' OR 1=1--", "public ", "PUBLIC"])
def test_an_unknown_client_is_never_redirected(shared: World, client_id: str) -> None:
    """AZ-02: unknown and malformed ids read the same; ERR-01, FIELD authorize.client_id."""
    reply = ask(shared, client_id=client_id, redirect_uri="https://evil.example/")
    assert_page(shared, reply)
    known_form = ask(shared, client_id="nope", redirect_uri="https://evil.example/")
    without_code = [
        re.sub(r"<code>[0-9A-Z]{8}</code>|/support/[0-9A-Z]{8}|nonce=.*?[ >]", "", page.text)
        for page in (reply, known_form)
    ]
    assert without_code[0] == without_code[1]


@pytest.mark.parametrize("missing", ["client_id", "redirect_uri"])
def test_client_and_redirect_uri_have_no_default(shared: World, missing: str) -> None:
    """AZ-03, AZ-05; a client with one redirect URI is not spared either.

    ERR-01, ST-11, FIELD authorize.redirect_uri.
    """
    assert_page(shared, ask(shared, **{missing: None}))
    assert_page(shared, ask(shared, **{missing: ""}))
    assert_page(shared, ask(shared, client_id="confidential", redirect_uri=None))


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/cb",  # AZ-06
        f"{APP}/cb/",  # AZ-07
        f"{APP}/cb?foo=bar",  # AZ-09
        f"{APP}/cb2?x=2",  # AZ-10
        f"{APP}/cb2?x=1&y=2",
        f"{APP}/cb2?y=2&x=1",
        f"{APP}/cb2",
        f"{APP}/cb#frag",  # AZ-11
        "https://APP.example/cb",  # AZ-13
        f"{APP}:443/cb",
        "https://app.example./cb",
        f"{APP}/CB",  # AZ-14
        f"{APP}/%63b",  # AZ-15
        f"{APP}/cb%2f",
        f"{APP}/cb%00",
        f"{APP}/cb%20",
        f"{APP}/cb%3b",
        "https://app.example@evil.example/cb",  # AZ-17
        "https://evil.example\\@app.example/cb",
        "https://app.example%5c@evil.example/cb",
        "https://app.example.evil.example/cb",  # AZ-18
        "https://evilapp.example/cb",
        "https://appXexample/cb",
        "https://\u0430pp.example/cb",  # AZ-19: Cyrillic
        "https://\uff41pp.example/cb",
        "https://xn--pp-7lc.example/cb",
        f" {APP}/cb",  # AZ-21
        f"{APP}/cb ",
        f"{APP}/cb\t",
        f"{APP}/cb\n",
        "javascript:alert(1)",  # AZ-22
        "javascript://x/\nalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:x",
        "//app.example/cb",
        "https:app.example/cb",
        "conf.example/cb",
        "https://conf.example/cb",  # another client's
    ],
)
def test_only_the_registered_redirect_uri_is_gone_to(shared: World, uri: str) -> None:
    """AZ-06..22: one character more, less or otherwise is another address; none is put into a link.

    ERR-01, REQ-23, REQ-63.
    """
    reply = ask(shared, redirect_uri=uri)
    assert_page(shared, reply)
    assert all(
        re.fullmatch(r"/support/[0-9A-Z]{8}", link) for link in re.findall(r"<a [^>]*href=\"([^\"]*)", reply.text)
    )


def test_a_redirect_uri_keeps_its_own_query(shared: World) -> None:
    """AZ-10, AUTHZ-24."""
    reply = ask(shared, redirect_uri=f"{APP}/cb2?x=1", response_type="token")
    assert reply.location.startswith(f"{APP}/cb2?x=1&error=unsupported_response_type&")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_who_asks_is_said_once(shared: World, name: str) -> None:
    """AZ-27: in either order."""
    good = query_of(shared)
    value = {"client_id": "confidential", "redirect_uri": quote(f"{APP}/cb2?x=1", safe="")}[name]
    assert_page(shared, ask_literally(shared, f"{name}={value}&{good}"))
    assert_page(shared, ask_literally(shared, f"{good}&{name}={value}"))


@pytest.mark.parametrize(
    "name", ["scope", "aud", "response_type", "code_challenge", "code_challenge_method", "launch", "nonce", "prompt"]
)
def test_no_parameter_is_said_twice(shared: World, name: str) -> None:
    """AUTHZ-04, RFC 6749 §3.1: the app is told; ERR-02, ST-10."""
    assert_redirect(shared, ask_literally(shared, f"{query_of(shared, **{name: 'x'})}&{name}=x"), "invalid_request")


def test_state_said_twice_is_not_repeated(shared: World) -> None:
    """AZ-37: nobody knows which one the app meant."""
    sent = ask_literally(shared, f"{query_of(shared)}&state=other").location_parameters
    assert (sent["error"], sent.get("state")) == ("invalid_request", None)


def test_a_post_reads_its_body_alone(shared: World) -> None:
    """AZ-29, AUTHZ-03, ST-15."""
    evil = urlencode({"client_id": "evil", "redirect_uri": "https://evil.example/"})
    body = query_of(shared).encode()
    reply = shared.browser().request("POST", f"{ISSUER}/authorize?{evil}", body, {"Content-Type": FORM})
    assert_page(shared, reply)


def test_a_post_is_answered_like_a_get(shared: World) -> None:
    """AZ-30, AUTHZ-02: the sign-in page, and errors by redirect; VER-03, CAPABILITY authorize-post."""
    form = {"Content-Type": FORM}
    good = shared.browser().request("POST", f"{ISSUER}/authorize", query_of(shared).encode(), form)
    assert (good.status, "<h1>Sign in</h1>" in good.text) == (200, True)
    bad = query_of(shared, response_type="token").encode()
    assert_redirect(
        shared, shared.browser().request("POST", f"{ISSUER}/authorize", bad, form), "unsupported_response_type"
    )


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_a_post_is_a_form(shared: World, content_type: str) -> None:
    """AZ-31."""
    reply = shared.browser().request(
        "POST", f"{ISSUER}/authorize", query_of(shared).encode(), {"Content-Type": content_type}
    )
    assert_page(shared, reply)


def test_a_missing_response_type_is_told_to_the_app(shared: World) -> None:
    """AZ-33."""
    assert_redirect(shared, ask(shared, response_type=None), "invalid_request")


@pytest.mark.parametrize(
    "response_type", ["token", "id_token", "id_token token", "code token", "code id_token", "none", "CODE", "code "]
)
def test_nothing_but_code_is_offered(shared: World, response_type: str) -> None:
    """AZ-34: and no token ever travels in a fragment; ERR-03, FIELD authorize.response_type, REQ-128."""
    reply = ask(shared, response_type=response_type)
    assert_redirect(shared, reply, "unsupported_response_type")
    assert "#" not in reply.location


def test_a_second_mistake_does_not_open_the_redirect(shared: World) -> None:
    """AZ-35, ST-09."""
    assert_page(shared, ask(shared, response_type="bogus", redirect_uri="https://evil.example/"))


@pytest.mark.parametrize(
    "state", ['"><script>alert(1)</script>', "&code=attacker&iss=evil", "\U0001f600", "a b+c%20", "x" * 4096]
)
def test_state_comes_back_as_it_was(shared: World, state: str) -> None:
    """AZ-37, AZ-38: exactly one state, no code and one iss, whatever is in it; FIELD authorize.state, REQ-82."""
    sent = ask(shared, response_type="token", state=state).location_parameters
    assert (sent["state"], sent["iss"], sent.get("code")) == (state, ISSUER, None)


@pytest.mark.parametrize("state", ["\0", "\r\nX: 1", "\x7f", "x" * 4097, "x" * 65536])
def test_a_state_that_can_not_be_repeated_is_refused(shared: World, state: str) -> None:
    """AZ-37, AZ-38: never cut, never a header."""
    assert_page(shared, ask(shared, state=state))


def test_state_is_required(shared: World) -> None:
    """AZ-39, AUTHZ-14: and none is made up; AMB-06, ERR-02, REQ-63."""
    sent = ask(shared, state=None).location_parameters
    assert sent.pop("error_description").startswith("state is missing")
    assert SUPPORT_PAGE.search(sent.pop("error_uri"))
    assert sent == {"error": "invalid_request", "iss": ISSUER}


@pytest.mark.parametrize("client_id", ["public", "confidential"])
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},  # AZ-41
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},  # AZ-42
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge": "a" * 42},  # AZ-43
        {"code_challenge": "a" * 44},
        {"code_challenge": "a" * 129},
        {"code_challenge": "a" * 42 + "="},
        {"code_challenge": "a" * 42 + "+"},
        {"code_challenge": "a" * 42 + "/"},
        {"code_challenge": ""},
    ],
)
def test_every_client_needs_pkce_by_s256(shared: World, client_id: str, changes: dict[str, str | None]) -> None:
    """AZ-41..43, PKCE-01..04.

    PKCE-02, PKCE-04, PKCE-06, FIELD authorize.code_challenge, FIELD authorize.code_challenge_method, ERR-02, ST-01,
    REQ-63, REQ-72, REQ-D3.
    """
    app = {"public": shared.public, "confidential": shared.confidential}[client_id]
    reply = ask(shared, client_id=client_id, redirect_uri=app.redirect_uri, **changes)
    assert_redirect(shared, reply, "invalid_request", to=f"{app.redirect_uri}?")


def test_a_challenge_with_a_line_break_is_refused(shared: World) -> None:
    """AZ-43: ``$`` in a pattern would let it pass."""
    assert_page(shared, ask(shared, code_challenge="a" * 43 + "\n"))


@pytest.mark.parametrize(
    "aud",
    [
        None,  # AZ-45
        "",
        "https://fhir.example.evil/r4",  # AZ-46
        "https://evil.example/r4",
        "http://fhir.example/r4",  # AZ-47
        f"{FHIR}?x",
        f"{FHIR}/../r4",
        f"{FHIR}//",
        f"{FHIR}/Patient",
        "https://fhir.example",
        "https://fhir.example/R4",
    ],
)
def test_only_a_fhir_server_of_ours_is_an_audience(shared: World, aud: str | None) -> None:
    """AZ-45..47: there is no default; AUTHZ-12, AMB-04, ERR-02, FIELD authorize.aud, Q-09."""
    assert_redirect(shared, ask(shared, aud=aud), "invalid_request")


@pytest.mark.parametrize("aud", [f"{FHIR}/", "https://FHIR.example/r4", "https://fhir.example:443/r4"])
def test_one_slash_and_the_letters_of_the_host_are_forgiven(shared: World, aud: str) -> None:
    """AZ-47, AUTHZ-11, Q-08."""
    assert "<h1>Sign in</h1>" in ask(shared, aud=aud).text


def test_resource_is_a_synonym_of_aud_and_must_agree(shared: World) -> None:
    """AUTHZ-10, AUTHZ-12, RFC 8707 §2; FIELD authorize.resource."""
    assert "<h1>Sign in</h1>" in ask(shared, aud=None, resource=FHIR).text
    assert "<h1>Sign in</h1>" in ask(shared, resource=f"{FHIR}/").text
    assert_redirect(shared, ask(shared, resource=OTHER_FHIR), "invalid_request")
    assert_redirect(shared, ask(shared, aud=None, resource="https://evil.example/r4"), "invalid_target")


@pytest.mark.parametrize("scope", [None, "", " "])
def test_without_a_scope_nothing_is_granted(shared: World, scope: str | None) -> None:
    """AZ-49: never everything that is registered; ERR-05."""
    assert_redirect(shared, ask(shared, scope=scope), "invalid_scope")


@pytest.mark.parametrize(
    "parameter", [("request", "eyJhbGciOiJub25lIn0.e30."), ("request_uri", "urn:x"), ("registration", "{}")]
)
def test_request_objects_are_refused_by_name(shared: World, parameter: tuple[str, str]) -> None:
    """AZ-67, OpenID Connect Core §3.1.2.6; FIELD authorize.request, OID-05."""
    name, value = parameter
    assert_redirect(shared, ask(shared, **{name: value}), f"{name}_not_supported")


@pytest.mark.parametrize("mode", ["fragment", "query.jwt", "web_message", "form_post", "bogus", "Query"])
def test_the_answer_goes_into_the_query_only(shared: World, mode: str) -> None:
    """AZ-69, AZ-70."""
    assert_redirect(shared, ask(shared, response_mode=mode), "invalid_request")


def test_what_is_not_known_is_ignored(shared: World) -> None:
    """AZ-71, AZ-65: also optional parameters with values from nowhere.

    AUTHZ-04, FIELD authorize.display, FIELD authorize.acr_values, FIELD authorize.ui_locales, OID-01.
    """
    unknown = {f"x{n}": "foobar" for n in range(60)}
    optional = {"ui_locales": "../../etc/passwd", "display": "x", "acr_values": "x", "claims_locales": "xx-XX-xx"}
    assert "<h1>Sign in</h1>" in ask(shared, **unknown, **optional).text


def test_a_login_hint_is_text_on_the_page(shared: World) -> None:
    """AZ-65, FIELD authorize.login_hint."""
    page = ask(shared, login_hint='"><img src=x onerror=alert(1)>').text
    assert "<img" not in page
    assert 'value="&#34;&gt;&lt;img src=x onerror=alert(1)&gt;"' in page


@pytest.mark.parametrize("max_age", ["-1", "abc", "1e9", "99999999999999999999", "1.5", "\u0661"])
def test_max_age_is_a_number_of_seconds(shared: World, max_age: str) -> None:
    """AZ-62."""
    assert_redirect(shared, ask(shared, max_age=max_age), "invalid_request")


@pytest.mark.parametrize("prompt", ["none login", "none consent", "create", "LOGIN", "login\u00e9"])
def test_prompt_is_one_of_those_published(shared: World, prompt: str) -> None:
    """oauth.md 23.1: ``none`` stands alone."""
    assert_redirect(shared, ask(shared, prompt=prompt), "invalid_request")


def test_nobody_is_asked_when_nobody_may_be(shared: World) -> None:
    """AZ-58, ERR-07."""
    assert_redirect(shared, ask(shared, prompt="none"), "login_required")


@pytest.mark.parametrize(
    "claims",
    [
        "not-json",
        "[" * 3000,
        '{"id_token":[]}',
        '{"id_token":{"acr":5}}',
        "[]",
        '{"a":1,"a":2}',
        "NaN",
        "9" * 5000,
    ],
)
def test_claims_that_are_no_object_are_refused(shared: World, claims: str) -> None:
    """AZ-66."""
    assert_redirect(shared, ask(shared, claims=claims), "invalid_request")


@pytest.mark.parametrize("hint", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "." * 100])
def test_an_id_token_hint_is_a_token_of_ours(shared: World, hint: str) -> None:
    """oauth.md 23.1."""
    assert_redirect(shared, ask(shared, id_token_hint=hint), "invalid_request")


@pytest.mark.parametrize("escape", ["%", "%zz", "%c3%28", "%ed%a0%80", "%ff"])
def test_what_is_not_utf_8_is_refused(shared: World, escape: str) -> None:
    """security.md 3.5: decoded once, strictly."""
    assert_page(shared, ask_literally(shared, f"{query_of(shared)}&nonce={escape}"))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_begin_nothing(shared: World, method: str) -> None:
    """AUTHZ-01, AUTHZ-02; HC-06: no CORS here either; CORS-05, REQ-94."""
    reply = shared.browser().request(
        method,
        f"{ISSUER}/authorize?{query_of(shared)}",
        headers={"Origin": APP, "Access-Control-Request-Method": "GET"},
    )
    assert reply.status in {204, 405, 404}
    assert reply.header("access-control-allow-origin") is None
    assert nothing_issued(shared)


def launch(world: World, app: str = "public") -> str:
    home = {"public": APP, "confidential": "https://conf.example"}[app]
    made = world.ehr.launch(app, "Practitioner/dr", launch_url=f"{home}/launch", patient="A")
    return str(made["launch"])


EHR_SCOPE = "launch patient/Observation.rs openid fhirUser"


def opened(world: World, handle: str, **changes: str | None) -> Reply:
    return world.public.launched(handle, changes.pop("scope", EHR_SCOPE) or "", **changes)


@pytest.mark.parametrize("handle", ["x", "x" * 2000, "' OR 1=1--", "../../", "l\u00e4unch", "*", "%00"])
def test_a_launch_from_nowhere_is_refused(shared: World, handle: str) -> None:
    """AZ-73, AZ-79: never a fall back to a standalone launch, never a 500; AMB-05, ERR-02, REQ-50."""
    assert_redirect(shared, opened(shared, handle), "invalid_request")


@pytest.mark.parametrize("handle", ["\0", "x" * 10_240])
def test_a_launch_that_is_no_text_is_refused(shared: World, handle: str) -> None:
    """AZ-79."""
    assert_page(shared, opened(shared, handle))


def test_unknown_expired_and_foreign_launches_read_the_same(world: World) -> None:
    """AZ-73..75, AUTHZ-13, FIELD authorize.launch, REQ-50, REQ-77."""
    foreign, elsewhere, late = launch(world, "confidential"), launch(world), launch(world)
    replies = [opened(world, "unknown"), opened(world, foreign), opened(world, elsewhere, aud=OTHER_FHIR)]
    world.clock.forward(seconds=301)
    replies.append(opened(world, late))
    for reply in replies:
        assert_redirect(world, reply, "invalid_request")
    texts = {reply.location_parameters["error_description"].partition(" (support")[0] for reply in replies}
    assert len(texts) == 1


def test_a_launch_tried_by_another_app_stays_good_for_its_own(world: World) -> None:
    """AZ-74."""
    handle = launch(world, "confidential")
    assert_redirect(world, opened(world, handle), "invalid_request")
    assert world.confidential.code(handle, EHR_SCOPE)


def test_a_launch_needs_its_scope(world: World) -> None:
    """AZ-77, decision 11: no context leaks; the launch is still there for a right request.

    AMB-05, SCP-20, REQ-50, REQ-131.
    """
    handle = launch(world)
    assert_redirect(world, opened(world, handle, scope="patient/Observation.rs"), "invalid_request")
    assert world.public.code(handle, EHR_SCOPE)


def test_a_claimed_launch_is_only_for_the_request_that_claimed_it(world: World) -> None:
    """Decision 14: whoever else learns the handle can't take the launch over."""
    handle = launch(world)
    assert "<h1>" in opened(world, handle, prompt="login").text  # waits for a person
    thief = challenge(new_verifier())
    assert_redirect(world, opened(world, handle, code_challenge=thief), "invalid_request")
    assert opened(world, handle).location_parameters["code"]


def signed_in(world: World, name: str = "alice", scope: str = SCOPE) -> tuple[Browser, Reply]:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope))
    return browser, browser.sign_in(page, name, f"{name}-password")


def test_scopes_beyond_user_server_and_grammar_are_not_granted(world: World) -> None:
    """AZ-50, AZ-51, AZ-53, AZ-57: what is left is within request, registration and the user's rights.

    AUTHZ-15, SCP-16, N16, FIELD authorize.scope, Q-18, Q-21, AMB-26, REQ-40.
    """
    wild = (
        "system/*.rs patient/Observation.rsx patient/Observation.sr patient/observation.rs Patient/Observation.rs"
        " patient/.rs patient/Observation. patient/Observation.rs? patient/../x.rs user/Observation.rs"
        " patient/Observation.cruds offline_access online_access launch messaging/ui openid"
    )
    tokens = world.public.redeem(world.standalone(world.public, wild, "alice")).json()
    assert tokens["scope"] == "patient/Observation.rs offline_access openid"
    assert tokens["patient"] == "A"


def test_only_system_scopes_are_nothing(world: World) -> None:
    """AZ-51, SCP-17, ERR-05, AMB-11."""
    _browser, reply = signed_in(world, scope="system/*.rs")
    assert_redirect(world, reply, "invalid_scope")


def test_a_hostile_constraint_is_text_on_the_consent_page(world: World) -> None:
    """AZ-54: and what was agreed to is what the token has."""
    scope = "patient/Observation.rs?category=%3Cscript%3E"
    browser, page = signed_in(world, scope=scope)
    assert "<script" not in page.text.lower()
    code = browser.submit(page, press="allow").location_parameters["code"]
    assert world.public.redeem(code).json()["scope"] == scope


@pytest.mark.parametrize("character", ["\t", "\n", "\0"])
def test_control_characters_in_scope_are_refused(shared: World, character: str) -> None:
    """AZ-55."""
    assert_page(shared, ask(shared, scope=f"patient/*.rs{character}openid"))


@pytest.mark.parametrize("character", ['"', "\\", "\u202e", "\u00a0"])
def test_characters_no_scope_has_are_not_granted(world: World, character: str) -> None:
    """AZ-55, RFC 6749 §3.3."""
    tokens = world.public.redeem(world.standalone(world.public, f"patient/*.rs op{character}enid", "alice")).json()
    assert tokens["scope"] == "patient/*.rs"


def test_silence_needs_the_consent_that_was_given(world: World) -> None:
    """AZ-59: nothing remembered, then a wider request than the one remembered; ERR-07, FIELD authorize.prompt."""
    browser, page = signed_in(world)
    assert_redirect(world, browser.open(world.public.authorize_url(scope=SCOPE, prompt="none")), "consent_required")
    browser.submit(page, press="allow")
    quiet = browser.open(world.public.authorize_url(scope=SCOPE, prompt="none")).location_parameters
    assert set(quiet) == {"code", "state", "iss"}
    wider = browser.open(world.public.authorize_url(scope=f"{SCOPE} patient/Condition.rs", prompt="none"))
    assert wider.location_parameters["error"] == "consent_required"
    offline = browser.open(world.public.authorize_url(scope=f"{SCOPE} offline_access", prompt="none"))
    assert offline.location_parameters["error"] == "consent_required"
    again = browser.open(world.public.authorize_url(scope=SCOPE, prompt="consent"))
    assert "<h1>Share health records" in again.text


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "1"}])
def test_a_fresh_sign_in_is_one(world: World, changes: dict[str, str]) -> None:
    """AZ-62, AZ-63: auth_time moves on, and the way back does not loop.

    FIELD authorize.max_age, FIELD authorize.prompt.
    """
    browser, page = signed_in(world)
    browser.submit(page, press="allow")
    world.clock.forward(seconds=2)
    page = browser.open(world.public.authorize_url(scope=SCOPE, **changes))
    assert "<h1>Sign in</h1>" in page.text
    code = browser.sign_in(page, "alice", "alice-password").location_parameters["code"]
    claims = world.services.keyring.verify(world.public.redeem(code).json()["id_token"])
    assert claims["auth_time"] == int(world.clock().timestamp())


def test_nobody_else_gets_a_code_meant_for_one_person(world: World) -> None:
    """AZ-66, oauth.md 23.1: ``claims`` and ``id_token_hint`` name who it must be.

    FIELD authorize.claims, FIELD authorize.id_token_hint.
    """
    browser, page = signed_in(world)
    code = browser.submit(page, press="allow").location_parameters["code"]
    id_token = world.public.redeem(code).json()["id_token"]
    same = browser.open(world.public.authorize_url(scope=SCOPE, prompt="none", id_token_hint=id_token))
    assert set(same.location_parameters) == {"code", "state", "iss"}
    world.clock.forward(days=1)  # expired hints still say who
    other, reply = signed_in(world, "parent", "openid user/Observation.rs launch/patient patient/Observation.rs")
    assert reply.status == 200
    for hint in ({"id_token_hint": id_token}, {"claims": '{"id_token":{"sub":{"value":"somebody"}}}'}):
        refused = other.open(world.public.authorize_url(scope=SCOPE, **hint))
        assert refused.location_parameters["error"] == "login_required"


def test_an_acr_that_can_not_be_reached_is_an_error_only_if_essential(world: World) -> None:
    """oauth.md 23.1, RFC 9470 §5; OID-05, FIELD authorize.claims."""
    browser, page = signed_in(world)
    browser.submit(page, press="allow")
    essential = '{"id_token":{"acr":{"essential":true,"values":["urn:mfa"]}}}'
    wish = '{"id_token":{"acr":{"values":["urn:mfa"]},"auth_time":{"essential":true}},"userinfo":null}'
    refused = browser.open(world.public.authorize_url(scope=SCOPE, claims=essential)).location_parameters
    assert refused["error"] == "unmet_authentication_requirements"
    assert "code" in browser.open(world.public.authorize_url(scope=SCOPE, claims=wish)).location_parameters


def test_a_success_is_code_state_and_iss(world: World) -> None:
    """AZ-81, AZ-82: by 303, stored nowhere; AUTHZ-20, AUTHZ-25, REQ-91."""
    browser, page = signed_in(world)
    reply = browser.submit(page, press="allow")
    assert reply.status == 303
    assert reply.location_parameters == {
        "code": reply.location_parameters["code"],
        "state": world.public.state,
        "iss": ISSUER,
    }
    assert (reply.header("cache-control"), reply.header("referrer-policy")) == ("no-store", "no-referrer")


def test_a_launch_decides_about_the_patient(world: World) -> None:
    """AZ-78: ``launch/patient`` beside it changes nothing."""
    tokens = world.public.tokens(launch(world), f"launch/patient {EHR_SCOPE}")
    assert tokens["patient"] == "A"


def test_a_disabled_client_is_unknown(world: World) -> None:
    """AZ-02."""
    with world.services.db.write() as session:
        world.services.clients.set_enabled(session, "public", enabled=False)
    assert_page(world, ask(world))
