"""AZ: hostile and broken requests at the authorization endpoint (security.md 2.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from tests.actors import FORM, challenge, new_verifier
from tests.attacks.live.jose import compact, unsigned
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.world import APP, FHIR, OTHER_FHIR

if TYPE_CHECKING:
    from tests.actors import SmartApp
    from tests.attacks.live.target import Target
    from tests.transport import Reply

SIGN_IN = 'name="password"'
EVIL = "https://evil.example"
Changes = dict[str, str | None]

WRONG_ADDRESSES: dict[str, list[str]] = {
    "AZ-06 another site": [f"{EVIL}/cb", f"{EVIL}/", "https://conf.example/cb"],
    "AZ-07 a slash more": [f"{APP}/cb/"],
    "AZ-09 a query more": [f"{APP}/cb?foo=bar", f"{APP}/cb?"],
    "AZ-10 another query": [f"{APP}/cb2?x=2", f"{APP}/cb2?x=1&y=2", f"{APP}/cb2?y=2&x=1", f"{APP}/cb2"],
    "AZ-11 a fragment": [f"{APP}/cb#frag", f"{APP}/cb#"],
    "AZ-13 host written otherwise": ["https://APP.example/cb", f"{APP}:443/cb", "https://app.example./cb"],
    "AZ-14 path in capitals": [f"{APP}/CB", f"{APP}/Cb"],
    "AZ-15 escapes": [f"{APP}/%63b", f"{APP}/cb%2f", f"{APP}/cb%00", f"{APP}/cb%20", f"{APP}/cb%3b"],
    "AZ-17 user and backslash": [
        "https://app.example@evil.example/cb",
        "https://evil.example\\@app.example/cb",
        "https://app.example%5c@evil.example/cb",
        "https://evil.example#@app.example/cb",
    ],
    "AZ-18 hosts that contain ours": [
        "https://app.example.evil.example/cb",
        "https://evilapp.example/cb",
        "https://appXexample/cb",
        "https://evil.example/app.example/cb",
    ],
    "AZ-19 look-alikes": [
        "https://\u0430pp.example/cb",
        "https://\uff41pp.example/cb",
        "https://xn--pp-7lc.example/cb",
        "https://app\u3002example/cb",
    ],
    "AZ-21 white space": [f" {APP}/cb", f"{APP}/cb ", f"{APP}/cb\t", f"{APP}/cb\n", f"\u00a0{APP}/cb"],
    "AZ-22 scripts and data": [
        "javascript:alert(1)",
        "javascript://x/\nalert(1)",
        "javascript://app.example/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:x",
        "//app.example/cb",
        "https:app.example/cb",
    ],
}


@pytest.mark.parametrize("uris", WRONG_ADDRESSES.values(), ids=WRONG_ADDRESSES)
def test_only_the_registered_redirect_uri_is_gone_to(target: Target, uris: list[str]) -> None:
    """RFC 9700 §2.1: compared character by character, and none is put into a link."""
    for uri in uris:
        reply = target.ask(redirect_uri=uri)
        target.page(reply)
        links = re.findall(r"(?:href|src|action)=\"([^\"]*)", reply.text)
        assert all(link.startswith(("/", "data:,")) for link in links)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(dict.fromkeys(("client_id", "redirect_uri", "response_type")), id="AZ-01 next to nothing"),
        pytest.param({"client_id": None}, id="AZ-03 no client"),
        pytest.param({"redirect_uri": None}, id="AZ-05 no redirect URI of two"),
        pytest.param(
            {"client_id": "confidential", "redirect_uri": None}, id="AZ-05 no redirect URI where there is one"
        ),
        pytest.param({"response_type": "bogus", "redirect_uri": f"{EVIL}/"}, id="AZ-35 two mistakes"),
        pytest.param({"client_id": "off"}, id="AZ-02 a client that is switched off"),
    ],
)
def test_who_asks_and_where_to_answer_must_be_certain(target: Target, changes: Changes) -> None:
    """RFC 6749 §4.1.2.1."""
    target.page(target.ask(**changes))
    target.page(target.send("GET", "/authorize"))


def test_an_unknown_client_reads_like_a_malformed_one(target: Target) -> None:
    """AZ-02: and is never redirected."""
    pages = set()
    for client_id in ("nope", "pub\u00fc", "x" * 256, "' OR 1=1--", "public ", "PUBLIC", "public\u200b"):
        reply = target.ask(client_id=client_id, redirect_uri=f"{EVIL}/")
        target.page(reply)
        pages.add(re.sub(r"<code>[0-9A-Z]{8}</code>|/support/[0-9A-Z]{8}|nonce=.*?[ >]", "", reply.text))
    assert len(pages) == 1


def test_a_registered_query_is_kept(target: Target) -> None:
    """AZ-10: what is right works, with ``x=1`` in its place."""
    reply = target.ask(redirect_uri=f"{APP}/cb2?x=1", response_type="token")
    assert reply.location.startswith(f"{APP}/cb2?x=1&error=unsupported_response_type&")


def test_a_native_app_chooses_its_port_and_nothing_else(target: Target) -> None:
    """AZ-23, RFC 8252 §7.3: for the loopback address that is registered, by its number."""
    for port in ("51004", "1", "65535"):
        reply = target.ask(target.native, redirect_uri=f"http://127.0.0.1:{port}/cb")
        assert (reply.status, SIGN_IN in reply.text) == (200, True)
    for uri in (
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:0/cb",
        "http://localhost:51004/cb",
        "http://127.0.0.2:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.1:51004/cb",
        "com.example.app://cb",
        "com.example.app:/cb/",
        "COM.example.app:/cb",
    ):
        target.page(target.ask(target.native, redirect_uri=uri))


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:80@evil.example/cb",
        "http://localhost:80@evil.example/cb",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:51004/cb@evil.example",
        "http://127.0.0.1:51004\\@evil.example/cb",
    ],
)
def test_a_free_port_is_no_way_to_another_host(target: Target, uri: str) -> None:
    """AZ-25."""
    target.page(target.ask(target.native, redirect_uri=uri))


def query_of(target: Target, **changes: str | None) -> str:
    return urlencode(target.pub.authorization_request(**{"scope": ALONE, **changes}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("redirect_uri", (f"{EVIL}/cb", f"{APP}/cb2?x=1", f"{APP}/cb"), id="AZ-26 redirect_uri"),
        pytest.param("client_id", ("confidential", "public", ""), id="AZ-27 client_id"),
    ],
)
def test_who_asks_is_said_once(target: Target, name: str, values: tuple[str, ...]) -> None:
    """RFC 6749 §3.1: in either order, with another value or the same."""
    good = query_of(target)
    for value in values:
        extra = f"{name}={quote(value, safe='')}"
        target.page(target.send("GET", f"/authorize?{extra}&{good}"))
        target.page(target.send("GET", f"/authorize?{good}&{extra}"))


def post(target: Target, query: str, body: str, content_type: str = FORM) -> Reply:
    return target.send("POST", f"/authorize{query}", {"Content-Type": content_type}, body.encode())


def test_a_post_reads_its_body_alone(target: Target) -> None:
    """AZ-29: a query beside it is refused, whichever is the good one."""
    evil = urlencode({"client_id": "evil", "redirect_uri": f"{EVIL}/"})
    target.page(post(target, f"?{evil}", query_of(target)))
    target.page(post(target, f"?{query_of(target)}", evil))
    target.page(post(target, f"?{query_of(target)}", ""))


def test_a_post_is_answered_like_a_get(target: Target) -> None:
    """AZ-30: the sign-in page, and errors by redirect."""
    assert SIGN_IN in post(target, "", query_of(target)).text
    target.redirected(post(target, "", query_of(target, response_type="token")), "unsupported_response_type")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_a_post_is_a_form(target: Target, kind: str) -> None:
    """AZ-31."""
    target.page(post(target, "", query_of(target), kind))


TOLD_TO_THE_APP: dict[str, tuple[str, list[Changes]]] = {
    "AZ-33 no response type": ("invalid_request", [{"response_type": None}, {"response_type": ""}]),
    "AZ-34 other response types": (
        "unsupported_response_type",
        [
            {"response_type": kind}
            for kind in (
                *("token", "id_token", "id_token token", "code token", "code id_token", "none", "CODE", "code "),
                *(" code", "code code", "co\u0064e\u200b"),
            )
        ],
    ),
    "AZ-39 no state": ("invalid_request", [{"state": None}]),
    "AZ-41 no challenge": (
        "invalid_request",
        [{"code_challenge": None}, {"code_challenge": None, "code_challenge_method": None}],
    ),
    "AZ-42 other methods": (
        "invalid_request",
        [{"code_challenge_method": method} for method in ("plain", None, "s256", "S512", "S256 ", "")],
    ),
    "AZ-43 no challenges": (
        "invalid_request",
        [
            {"code_challenge": text}
            for text in (
                "a" * 42,
                "a" * 44,
                "a" * 129,
                "a" * 42 + "=",
                "a" * 42 + "+",
                "a" * 42 + "/",
                "",
                "\u0430" * 43,
            )
        ],
    ),
    "AZ-45 no audience": ("invalid_request", [{"aud": None}, {"aud": ""}]),
    "AZ-46 another's audience": (
        "invalid_request",
        [
            {"aud": f"{EVIL}/r4"},
            {"aud": "https://fhir.example.evil/r4"},
            {"aud": "https://fhir.example@evil.example/r4"},
        ],
    ),
    "AZ-47 spellings of the audience": (
        "invalid_request",
        [
            {"aud": aud}
            for aud in (
                *("http://fhir.example/r4", f"{FHIR}?x", f"{FHIR}/../r4", f"{FHIR}//", f"{FHIR}/Patient"),
                *("https://fhir.example/R4", f"{FHIR}%2f", f"{FHIR}#", f"{FHIR} {OTHER_FHIR}"),
            )
        ],
    ),
    "AZ-49 no scope": ("invalid_scope", [{"scope": scope} for scope in (None, "", " ")]),
    "AZ-58 nobody there": ("login_required", [{"prompt": "none"}]),
    "AZ-62 max_age": (
        "invalid_request",
        [{"max_age": text} for text in ("-1", "abc", "1e9", "99999999999999999999", "1.5", "\u0661", "0x1")],
    ),
    "AZ-66 claims": (
        "invalid_request",
        [
            {"claims": text}
            for text in (
                "not-json",
                "[" * 2000,
                '{"a":' * 500,
                "[]",
                '{"a":1,"a":2}',
                "NaN",
                "9" * 5000,
                '{"id_token":[]}',
            )
        ],
    ),
    "AZ-67 request objects": (
        "request_not_supported",
        [{"request": compact({"alg": "none"}, {"client_id": "public"}, unsigned)}, {"request": "x"}],
    ),
    "AZ-69 other response modes": (
        "invalid_request",
        [{"response_mode": mode} for mode in ("fragment", "query.jwt", "web_message", "bogus", "Query", "jwt")],
    ),
    "AZ-70 form_post": ("invalid_request", [{"response_mode": "form_post"}]),
    "AZ-79 no handles": (
        "invalid_request",
        [
            {"launch": text, "scope": LAUNCHED}
            for text in ("x", "x" * 2000, "' OR 1=1--", "../../", "l\u00e4unch", "*", "%00", '{"$gt":""}')
        ],
    ),
}


@pytest.mark.parametrize(("error", "requests"), TOLD_TO_THE_APP.values(), ids=TOLD_TO_THE_APP)
def test_what_is_wrong_is_told_to_the_app(target: Target, error: str, requests: list[Changes]) -> None:
    """RFC 6749 §4.1.2.1: with the state it sent, without a code, and never in a fragment."""
    for changes in requests:
        reply = target.ask(**changes)
        state = changes.get("state", target.pub.state)
        target.redirected(reply, error, state=state)
        assert "#" not in reply.location


@pytest.mark.parametrize("who", ["sec", "key"])
def test_a_client_that_proves_itself_needs_pkce_too(target: Target, who: str) -> None:
    """AZ-41, AZ-42: requirement and method are the same for all."""
    app: SmartApp = getattr(target, who)
    for changes in ({"code_challenge": None}, {"code_challenge_method": "plain"}, {"code_challenge_method": None}):
        target.redirected(target.ask(app, **changes), "invalid_request", app)


def test_a_challenge_with_a_line_break_is_refused(target: Target) -> None:
    """AZ-43: where ``$`` in a pattern would let it pass."""
    target.page(target.ask(code_challenge="a" * 43 + "\n"))


STATES: dict[str, list[str]] = {
    "AZ-37 anything": [
        '"><script>alert(1)</script>',
        "&code=attacker&iss=evil",
        "\U0001f600",
        "a b+c%20",
        "#x",
        "\u2028",
    ],
    "AZ-38 long": ["x" * 4096],
    "AZ-70 for a page": ['"></script><script>alert(1)</script>'],
}


@pytest.mark.parametrize("states", STATES.values(), ids=STATES)
def test_state_comes_back_as_it_was(target: Target, states: list[str]) -> None:
    """RFC 6749 §4.1.2: one state, one iss and no code, with an error and with success."""
    for state in states:
        sent = target.ask(response_type="token", state=state).location_parameters
        assert (sent["state"], sent["iss"], sent.get("code")) == (state, target.issuer, None)
        good = target.alice.open(target.pub.authorize_url(scope=ALONE, state=state))
        if good.status in {302, 303}:
            assert (good.location_parameters["state"], good.location_parameters["iss"]) == (state, target.issuer)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("\0", id="AZ-37 NUL"),
        pytest.param("\r\nX: 1", id="AZ-37 a header"),
        pytest.param("\x7f", id="AZ-37 DEL"),
        pytest.param("x" * 4097, id="AZ-38 too long"),
    ],
)
def test_a_state_that_can_not_be_repeated_is_refused(target: Target, state: str) -> None:
    """Never cut, never a header."""
    target.page(target.ask(state=state))


def test_an_endless_state_is_refused_before_it_is_read(target: Target) -> None:
    """AZ-38."""
    reply = target.wire.send("GET", f"/authorize?{query_of(target, state='x' * 65_536)}", [("Host", "x")], b"")
    assert (reply.status, reply.header("location")) == (414, None)


@pytest.mark.parametrize("aud", [f"{FHIR}/", "https://FHIR.example/r4", "https://fhir.example:443/r4"])
def test_a_forgiven_spelling_of_the_audience_is_not_kept(target: Target, aud: str) -> None:
    """AZ-47: the token is for the registered address."""
    token = target.pub.tokens(str(target.launch()["launch"]), LAUNCHED, aud=aud)["access_token"]
    assert target.rs.introspect(token)["aud"] == FHIR


WILD = (
    "system/*.rs patient/Observation.rsx patient/Observation.sr patient/observation.rs Patient/Observation.rs"
    " patient/.rs patient/Observation. patient/Observation.rs? patient/../x.rs user/Observation.rs"
    " patient/Observation.cruds offline_access online_access launch messaging/ui openid"
)


def test_what_is_granted_is_within_request_registration_and_rights(target: Target) -> None:
    """AZ-50, AZ-51, AZ-53, AZ-57: the rest is not granted, and nothing is matched by its beginning."""
    code = target.agreed(target.browser(), "bob", target.pub.authorize_url(scope=WILD))
    body = target.pub.redeem(code).json()
    assert (body["scope"], body["patient"]) == ("patient/Observation.rs offline_access openid", "B")


def test_a_person_can_not_give_away_the_access_of_services(target: Target) -> None:
    """AZ-51: alone, or beside what can be granted."""
    _browser, reply = target.signed_in(scope="system/*.rs")
    target.redirected(reply, "invalid_scope")
    refused = target.pub.launched(str(target.launch()["launch"]), "launch system/*.cruds system/Patient.rs openid")
    tokens = target.pub.redeem(refused.location_parameters["code"]).json()
    assert tokens["scope"] == "launch openid"


def test_a_scope_beyond_the_registration_is_not_granted(target: Target) -> None:
    """AZ-50: ``bulk`` has system/Observation.rs and system/Patient.rs, and asks for more."""
    asked = target.bulk.post(
        "/token", {"grant_type": "client_credentials", "scope": "system/*.cruds system/Patient.rs"}
    )
    assert asked.json()["scope"] == "system/Observation.rs system/Patient.rs"


def test_a_hostile_constraint_is_text_on_the_consent_page(target: Target) -> None:
    """AZ-54: and what was agreed to is what the token has."""
    scope = "patient/Observation.rs?category=%3Cscript%3E"
    for who in ("alice", "bob"):
        _browser, page = target.signed_in(who, scope=scope, prompt="consent")
        assert "<script" not in page.text.lower()
        code = target.agreed(target.browser(), who, target.pub.authorize_url(scope=scope))
        assert target.pub.redeem(code).json()["scope"] == scope
    sql = "patient/Observation.rs?category=x&x='OR'1'='1'--"
    assert target.signed_in(scope=f"{sql} openid")[1].status in {200, 303}


@pytest.mark.parametrize("character", ["\t", "\n", "\0", "\x1b", "\x85"])
def test_control_characters_in_scope_are_refused(target: Target, character: str) -> None:
    """AZ-55."""
    target.page(target.ask(scope=f"patient/*.rs{character}openid"))


@pytest.mark.parametrize("character", ['"', "\\", "\u202e", "\u00a0", "\u200b", "\ufeff"])
def test_characters_no_scope_has_are_not_granted(target: Target, character: str) -> None:
    """AZ-55, RFC 6749 §3.3."""
    handle = str(target.launch()["launch"])
    assert target.pub.tokens(handle, f"launch patient/*.rs op{character}enid")["scope"] == "launch patient/*.rs"


def test_silence_is_for_what_was_agreed_to(target: Target) -> None:
    """AZ-59: nothing remembered; then more than is remembered."""
    target.code_for_alice()
    never = target.alice.open(target.sec.authorize_url(scope=f"{ALONE} patient/Device.rs", prompt="none"))
    target.redirected(never, "consent_required", target.sec)
    wider = target.alice.open(target.pub.authorize_url(scope=f"{ALONE} patient/Condition.rs", prompt="none"))
    target.redirected(wider, "consent_required")


def test_an_unapproved_app_sends_nobody_anywhere(target: Target) -> None:
    """AZ-61, RFC 9700 §4.11.2: not before somebody signed in here and was told where they would go."""
    app = target.dyn
    scope = "launch/patient patient/Observation.rs openid"
    for changes in (
        {"scope": "nonsense"},
        {"scope": ""},
        {"prompt": "none"},
        {"response_type": "token"},
        {"state": None},
    ):
        reply = target.ask(app, **{"scope": scope, **changes})
        assert reply.header("location") is None, reply
    browser = target.browser()
    page = browser.open(app.authorize_url(scope=scope))
    assert "vendor.example" not in (page.header("location") or "")
    after = browser.submit(page, press="cancel")
    assert after.header("location") is None, after


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"prompt": "login"}, id="AZ-63 prompt=login"),
        pytest.param({"max_age": "1"}, id="AZ-63 max_age=1"),
        pytest.param({"max_age": "0"}, id="AZ-62 max_age=0"),
    ],
)
def test_a_fresh_sign_in_is_one(target: Target, changes: dict[str, str]) -> None:
    """OIDC Core §3.1.2.1: auth_time moves on, and the way back does not loop."""
    browser, page = target.signed_in("alice")
    if page.status == 200:
        browser.submit(page, press="allow")
    target.clock.forward(seconds=5)
    page = browser.open(target.pub.authorize_url(scope=ALONE, **changes))
    assert SIGN_IN in page.text
    code = browser.sign_in(page, "alice", "alice-password").location_parameters["code"]
    claims = target.services.keyring.verify(target.pub.redeem(code).json()["id_token"])
    assert 0 <= target.clock.seconds() - claims["auth_time"] < 5


def test_hints_are_text_and_optional_parameters_do_no_harm(target: Target) -> None:
    """AZ-65, AZ-71: also two hundred that nobody knows; more than a hundred in all are refused as a whole."""
    page = target.ask(login_hint='"><img src=x onerror=alert(1)>').text
    assert "<img" not in page
    assert 'value="&#34;&gt;&lt;img src=x onerror=alert(1)&gt;"' in page
    optional = {"ui_locales": "../../etc/passwd", "display": "x", "acr_values": "x", "claims_locales": "xx-XX-xx"}
    assert SIGN_IN in target.ask(**{f"x{n}": "foobar" for n in range(60)}, **optional).text
    target.page(target.ask(**{f"x{n}": "y" for n in range(200)}))


def test_claims_about_somebody_else_give_nothing(target: Target) -> None:
    """AZ-66: neither the person nor a code for whoever is there."""
    target.code_for_alice()
    claims = '{"id_token":{"sub":{"value":"bob"}}}'
    reply = target.alice.open(target.pub.authorize_url(scope=ALONE, claims=claims, prompt="none"))
    target.redirected(reply, "login_required")


def texts(replies: list[Reply]) -> set[str]:
    return {reply.location_parameters["error_description"].partition(" (support")[0] for reply in replies}


def test_unknown_late_used_and_foreign_launches_read_the_same(target: Target) -> None:
    """AZ-73, AZ-74, AZ-75: one error for all; and the one for another app stays good for that."""
    used, foreign, elsewhere, withdrawn, late = (
        str(target.launch()["launch"]),
        str(target.launch(target.sec)["launch"]),
        str(target.launch()["launch"]),
        target.launch(),
        str(target.launch()["launch"]),
    )
    target.pub.tokens(used, LAUNCHED)
    target.ehr.withdraw(withdrawn["launch_id"])
    replies = [target.pub.launched(handle, LAUNCHED) for handle in ("unknown", used, foreign, withdrawn["launch"])]
    replies.append(target.pub.launched(elsewhere, LAUNCHED, aud=OTHER_FHIR))
    assert target.sec.code(foreign, LAUNCHED)
    target.clock.forward(seconds=301)
    replies.append(target.pub.launched(late, LAUNCHED))
    for reply in replies:
        target.redirected(reply, "invalid_request")
    assert len(texts(replies)) == 1


def test_a_launch_needs_its_scope(target: Target) -> None:
    """AZ-77, decision 11: without it nothing of the context is told."""
    handle = str(target.launch()["launch"])
    target.redirected(target.pub.launched(handle, "patient/Observation.rs openid"), "invalid_request")
    assert target.pub.tokens(handle, LAUNCHED)["patient"] == "A"


def test_no_page_changes_the_patient_of_a_launch(target: Target) -> None:
    """AZ-78: ``launch/patient`` beside it, a picker that is not there, a patient in the consent form."""
    scope = f"launch/patient {LAUNCHED}"
    browser = target.browser()
    page = browser.open(target.pub.authorize_url(scope=scope, launch=str(target.launch()["launch"]), prompt="consent"))
    interaction = re.findall(r'name="interaction" value="([^"]+)"', page.text)[0]
    posted = urlencode({"interaction": interaction, "patient": "B", "action": "choose"}).encode()
    assert target.send("POST", "/select-patient", {"Content-Type": FORM}, posted).status in {400, 403}
    page = browser.open(target.pub.authorize_url(scope=scope, launch=str(target.launch()["launch"]), prompt="consent"))
    reply = browser.submit(page, {"patient": "B"}, press="allow")
    assert target.pub.redeem(reply.location_parameters["code"]).json()["patient"] == "A"


@pytest.mark.parametrize("handle", ["\0", "x" * 8_193])
def test_a_launch_that_is_no_text_is_refused(target: Target, handle: str) -> None:
    """AZ-79."""
    if len(handle) > 8_000:
        body = query_of(target, launch=handle, scope=LAUNCHED).encode()
        target.page(target.send("POST", "/authorize", {"Content-Type": FORM}, body))
    else:
        target.page(target.pub.launched(handle, LAUNCHED))


def test_a_list_of_launches_is_none(target: Target) -> None:
    """AZ-79: ``launch[]`` is a parameter that nobody knows, and scope launch alone has no context."""
    handle = str(target.launch()["launch"])
    reply = target.send("GET", f"/authorize?{query_of(target, scope=LAUNCHED)}&launch%5B%5D={handle}")
    assert SIGN_IN in reply.text


def test_the_answer_is_a_see_other_with_code_state_and_iss(target: Target) -> None:
    """AZ-81, AZ-82, RFC 9700 §4.12: no password is sent on, nothing is kept on the way."""
    browser, page = target.signed_in(scope=f"{ALONE} offline_access")
    reply = browser.submit(page, press="allow") if page.status == 200 else page
    assert reply.status in {302, 303}
    sent = reply.location_parameters
    assert sent == {"code": sent["code"], "state": target.pub.state, "iss": target.issuer}
    assert (reply.header("cache-control"), reply.header("referrer-policy")) == ("no-store", "no-referrer")


def test_a_password_is_answered_by_a_see_other(target: Target) -> None:
    """AZ-81: the step after the sign-in form is a GET."""
    browser = target.browser()
    page = browser.open(target.pub.authorize_url(scope=ALONE))
    form = dict(re.findall(r'name="(interaction)" value="([^"]+)"', page.text))
    body = urlencode({**form, "username": "alice", "password": "alice-password"}).encode()
    reply = browser.request("POST", f"{target.issuer}/login", body, {"Content-Type": FORM})
    assert reply.status in {302, 303}


def test_an_error_is_of_printable_characters(target: Target) -> None:
    """AZ-83: whatever is quoted of the request; ``redirected`` looks at each."""
    for changes in (
        {"scope": "\u00e9\u202e\U0001f600"},
        {"aud": 'https://x"\\\u00e9/'},
        {"prompt": '"\\'},
        {"response_type": '"\\\u00e9'},
    ):
        reply = target.ask(**changes)
        if reply.header("location"):
            target.redirected(reply, reply.location_parameters["error"])


def test_whoever_claims_a_launch_keeps_it(target: Target) -> None:
    """AZ-73, decision 14: another verifier does not take over a launch whose page is being looked at."""
    handle = str(target.launch()["launch"])
    assert "<h1>" in target.pub.launched(handle, LAUNCHED, prompt="login").text
    thief = challenge(new_verifier())
    target.redirected(target.pub.launched(handle, LAUNCHED, code_challenge=thief), "invalid_request")
    assert target.pub.code(handle, LAUNCHED)
