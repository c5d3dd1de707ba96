"""TK: codes, refresh tokens and backend services at the token endpoint (security.md 2.2)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from authz.scopes import ScopeSet
from authz.tokens.store import NewGrant
from authz.users.user import Representation
from tests.actors import FORM, basic
from tests.attacks.live.people import (
    client_off,
    for_bob,
    set_password,
    stop_representing,
    sub_of,
    take_everything_back,
    user_off,
)
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.world import APP, FHIR, OTHER_FHIR, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.actors import SmartApp
    from tests.attacks.live.target import Target
    from tests.transport import Reply

OFFLINE = f"{LAUNCHED} offline_access"
ONLINE = f"{LAUNCHED} online_access"
OFFLINE_ALONE = f"{ALONE} offline_access"
ONLINE_ALONE = f"{ALONE} online_access"


def new_code(target: Target, app: SmartApp | None = None, scope: str = OFFLINE) -> str:
    used = app or target.pub
    return used.code(str(target.launch(used)["launch"]), scope)


def form_of(target: Target, code: str, **changes: str) -> dict[str, str]:
    """T0."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": target.pub.redirect_uri,
        "client_id": "public",
        "code_verifier": target.pub.verifier,
        **changes,
    }


def post(target: Target, body: str, query: str = "", headers: dict[str, str] | None = None) -> Reply:
    return target.send("POST", f"/token{query}", {"Content-Type": FORM, **(headers or {})}, body.encode())


def still_good(target: Target, code: str, app: SmartApp | None = None) -> None:
    """What was refused has not used the code up."""
    assert (app or target.pub).redeem(code).status == 200


def test_a_code_in_a_url_is_not_redeemed(target: Target) -> None:
    """TK-01."""
    code = new_code(target)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert target.send(method, f"/token?{urlencode(form_of(target, code))}").status == 405
    still_good(target, code)


def test_parameters_come_in_the_body_alone(target: Target) -> None:
    """TK-02: Flask would merge the query in, and read it first."""
    code = new_code(target)
    form = form_of(target, code)
    for name in form:
        moved = {name: form[name]}
        rest = {other: value for other, value in form.items() if other != name}
        target.refused(post(target, urlencode(rest), f"?{urlencode(moved)}"), 400, "invalid_request")
    target.refused(post(target, urlencode(form), "?x=y"), 400, "invalid_request")
    still_good(target, code)


def test_a_secret_in_a_url_authenticates_nobody(target: Target) -> None:
    """TK-03: that the log has none of it is looked at after every case."""
    code = new_code(target, target.sec, LAUNCHED)
    form = form_of(target, code, redirect_uri=target.sec.redirect_uri, client_id="confidential")
    form["code_verifier"] = target.sec.verifier
    query = urlencode({"client_secret": SECRET, "client_id": "confidential"})
    target.refused(post(target, urlencode(form), f"?{query}"), 400, "invalid_request")
    target.refused(post(target, urlencode(form)), 401, "invalid_client")
    still_good(target, code, target.sec)


@pytest.mark.parametrize(
    "grant_type",
    [
        *("", "password", "implicit", "urn:unknown", "Authorization_Code", "authorization_code ", "none"),
        *("urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code"),
        *("urn:ietf:params:oauth:grant-type:token-exchange", "authorization_code refresh_token"),
    ],
)
def test_other_grant_types_are_refused(target: Target, grant_type: str) -> None:
    """TK-05, RFC 6749 §5.2."""
    code = new_code(target)
    reply = post(target, urlencode(form_of(target, code, grant_type=grant_type)))
    target.refused(reply, 400, "invalid_request" if not grant_type else "unsupported_grant_type")
    target.refused(post(target, ""), 400, "invalid_request")
    still_good(target, code)


def test_no_parameter_comes_twice(target: Target) -> None:
    """TK-06: with the same value or another, before or after; nothing is used up."""
    code = new_code(target)
    body = urlencode(form_of(target, code))
    for name in (*form_of(target, code), "client_assertion", "refresh_token", "scope"):
        for value in ("x", form_of(target, code).get(name, "x")):
            extra = urlencode({name: value})
            if name not in form_of(target, code):
                extra = f"{extra}&{extra}"
            target.refused(post(target, f"{body}&{extra}"), 400, "invalid_request")
            target.refused(post(target, f"{extra}&{body}"), 400, "invalid_request")
    still_good(target, code)


@pytest.mark.parametrize("name", ["code", "client_id", "code_verifier", "grant_type", "redirect_uri"])
@pytest.mark.parametrize("spelling", ["{}[]", "{}[0]", "{}.0", "{}%00", " {}"])
def test_brackets_make_no_list(target: Target, name: str, spelling: str) -> None:
    """TK-07."""
    code = new_code(target)
    form = {spelling.format(key) if key == name else key: value for key, value in form_of(target, code).items()}
    body = urlencode(form).replace("%2500", "%00")
    target.refused(post(target, body), 400, "invalid_request", "invalid_grant")
    still_good(target, code)


def test_a_code_is_over_after_a_minute(target: Target) -> None:
    """TK-09: the last second is good, and the next is not."""
    first, second = new_code(target), new_code(target)
    target.clock.forward(seconds=55)
    still_good(target, first)
    target.clock.forward(seconds=6)
    target.refused(target.pub.redeem(second), 400, "invalid_grant")


@pytest.mark.parametrize("seconds", [1, 30, 3600])
def test_a_code_used_again_takes_back_what_it_bought(target: Target, seconds: int) -> None:
    """TK-10, RFC 6749 §4.1.2: access token, refresh token, and what was refreshed meanwhile."""
    code = new_code(target)
    first = target.pub.redeem(code).json()
    second = target.pub.refresh(first["refresh_token"]).json()
    target.clock.forward(seconds=seconds)
    target.refused(target.pub.redeem(code), 400, "invalid_grant")
    assert not target.is_active(first["access_token"])
    assert not target.is_active(second["access_token"])
    target.refused(target.pub.refresh(second["refresh_token"]), 400, "invalid_grant")


def test_a_replay_that_proves_nothing_takes_nothing_back(target: Target) -> None:
    """TK-10, decision 8: who only has seen the code can't end what it bought."""
    code = new_code(target)
    tokens = target.pub.redeem(code).json()
    target.refused(target.pub.redeem(code, code_verifier="a" * 43), 400, "invalid_grant")
    target.refused(target.sec.redeem(code), 400, "invalid_grant")
    assert target.is_active(tokens["access_token"])


def test_of_twelve_redemptions_at_once_one_succeeds(target: Target) -> None:
    """TK-11: and the others, as they are valid replays, take it back (decision 8)."""
    code = new_code(target)
    app = replace(target.pub, transport=target.crowd)
    replies = target.at_once([partial(app.redeem, code)] * 12)
    (won,) = [reply for reply in replies if reply.status == 200]
    for reply in replies:
        if reply is not won:
            target.refused(reply, 400, "invalid_grant")
    assert not target.is_active(won.json()["access_token"])


@pytest.mark.parametrize("uri", ["", f"{APP}/cb2?x=1", f"{APP}/cb/", f"{APP}/CB", "https://conf.example/cb"])
def test_the_redirect_uri_is_that_of_the_request(target: Target, uri: str) -> None:
    """TK-13, RFC 6749 §4.1.3."""
    code = new_code(target)
    target.refused(target.pub.redeem(code, redirect_uri=uri), 400, "invalid_grant", "invalid_request")
    still_good(target, code)


@pytest.mark.parametrize("who", ["pub", "sec", "key"])
def test_a_code_needs_its_verifier(target: Target, who: str) -> None:
    """TK-14: whoever the client is."""
    app: SmartApp = getattr(target, who)
    code = target.code_for_alice(app) if who == "key" else new_code(target, app)
    target.refused(app.redeem(code, code_verifier=""), 400, "invalid_request")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    target.refused(app.post("/token", form), 400, "invalid_request")
    still_good(target, code, app)


def test_a_wrong_verifier_is_refused(target: Target) -> None:
    """TK-15: the challenge too, which everybody has seen."""
    challenge = target.pub.authorization_request()["code_challenge"]
    code = new_code(target)
    for verifier in (challenge, "a" * 43, target.pub.verifier[::-1]):
        target.refused(target.pub.redeem(code, code_verifier=verifier), 400, "invalid_grant")
    still_good(target, code)


@pytest.mark.parametrize(
    "verifier", ["a" * 42, "a" * 129, "a" * 42 + "+", "a" * 43 + "\n", "\u00e9" * 43, "a" * 20_000]
)
def test_a_verifier_has_its_form(target: Target, verifier: str) -> None:
    """TK-17, RFC 7636 §4.1."""
    code = new_code(target)
    target.refused(target.pub.redeem(code, code_verifier=verifier), 400, "invalid_grant", "invalid_request")
    still_good(target, code)


def test_a_code_does_not_survive_guessing(target: Target) -> None:
    """TK-18: five wrong verifiers, and the right one is too late."""
    code = new_code(target)
    for number in range(5):
        target.refused(target.pub.redeem(code, code_verifier=f"{number}" * 43), 400, "invalid_grant")
    target.refused(target.pub.redeem(code), 400, "invalid_grant")


def test_a_code_almost_right_is_no_code(target: Target) -> None:
    """TK-19: and does not count against the right one."""
    code = new_code(target)
    for almost in (
        code + "A",
        code[:-1],
        code.swapcase(),
        code + "=",
        code + " ",
        " " + code,
        code + "\u200b",
        code + "%00",
    ):
        target.refused(target.pub.redeem(almost), 400, "invalid_grant", "invalid_request")
    still_good(target, code)


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        pytest.param(user_off, (400, "invalid_grant"), id="TK-21 user switched off"),
        pytest.param(client_off, (401, "invalid_client"), id="TK-21 client switched off"),
    ],
)
def test_what_is_switched_off_meanwhile_buys_nothing(
    target: Target, change: Callable[[Target], Any], errors: tuple[int, str]
) -> None:
    """Between the code and the token, and before a refresh."""
    _browser, code = for_bob(target, OFFLINE_ALONE)
    tokens = target.pub.redeem(for_bob(target, OFFLINE_ALONE)[1]).json()
    with change(target):
        target.refused(target.pub.redeem(code), *errors)
        target.refused(target.pub.refresh(tokens["refresh_token"]), *errors)


def test_a_consent_taken_back_meanwhile_buys_nothing(target: Target) -> None:
    """TK-21, RV-10: by the person, on their own page."""
    tokens = target.pub.redeem(for_bob(target, OFFLINE_ALONE)[1]).json()
    _browser, code = for_bob(target, OFFLINE_ALONE)
    take_everything_back(target, "bob")
    target.refused(target.pub.redeem(code), 400, "invalid_grant")
    target.refused(target.pub.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert not target.is_active(tokens["access_token"])


def test_a_sign_out_meanwhile_counts(target: Target) -> None:
    """TK-21, TK-31: a code of the session that ended, and online access."""
    browser, code = for_bob(target, ONLINE_ALONE)
    url = target.pub.authorize_url(scope=ONLINE_ALONE)
    tokens = target.pub.redeem(target.agreed(browser, "bob", url)).json()
    browser.submit(browser.open(f"{target.issuer}/logout"), press="sign_out")
    target.refused(target.pub.redeem(code), 400, "invalid_grant")
    target.refused(target.pub.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_a_representation_that_ended_meanwhile_buys_nothing(target: Target) -> None:
    """TK-21: of a parent who acts no more for the child; their refresh token and what it has bought end too."""
    tokens = target.pub.redeem(code_of_parent(target)).json()
    code = code_of_parent(target)
    stop_representing(target, "parent", "child-2")
    target.refused(target.pub.redeem(code), 400, "invalid_grant")
    target.refused(target.pub.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert not target.is_active(tokens["access_token"])
    with target.services.db.write() as session:
        target.services.users.represent(session, sub_of(target, "parent"), "main", Representation("child-2", "parent"))


def code_of_parent(target: Target) -> str:
    """As the pages would have made it, if a FHIR server could tell the children's names."""
    scope = ScopeSet.parse("launch/patient patient/Observation.rs offline_access")
    sub = sub_of(target, "parent")
    grant = NewGrant("public", "main", scope, sub=sub, context={"patient": "child-2"})
    challenge = target.pub.authorization_request()["code_challenge"]
    with target.services.db.write() as session:
        return target.services.codes.issue(session, token_hex(16), grant, target.pub.redirect_uri, challenge)


def test_a_refresh_token_is_good_for_its_own_client(target: Target) -> None:
    """TK-22: whoever else proves themselves, gets nothing, and takes nothing away."""
    tokens = target.bought(scope=OFFLINE)
    for other in (target.sec, target.key, target.native, target.posting):
        reply = other.post("/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
        target.refused(reply, 401 if other is target.posting else 400, "invalid_grant", "invalid_client")
    assert target.pub.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("who", ["sec", "key"])
def test_a_refresh_needs_the_proof_of_the_client(target: Target, who: str) -> None:
    """TK-23: its name alone, no name, another's proof."""
    app: SmartApp = getattr(target, who)
    tokens = target.tokens_for_alice(app=app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    for more in ({}, {"client_id": app.client_id}, {"client_id": app.client_id, "client_secret": "x"}):
        target.refused(post(target, urlencode({**form, **more})), 401, "invalid_client")
    target.refused(post(target, urlencode(form), headers=basic(app.client_id, "wrong")), 401, "invalid_client")
    assert app.refresh(tokens["refresh_token"]).status == 200


def test_of_twelve_refreshes_at_once_one_pair_is_left(target: Target) -> None:
    """TK-25, decision 9."""
    first = target.bought(scope=OFFLINE)
    app = replace(target.pub, transport=target.crowd)
    replies = target.at_once([partial(app.refresh, first["refresh_token"])] * 12)
    pairs = [reply.json() for reply in replies if reply.status == 200]
    assert len(pairs) in {1, 2}
    for reply in replies:
        if reply.status != 200:
            target.refused(reply, 400, "invalid_grant")
    assert [target.is_active(pair["access_token"]) for pair in pairs].count(True) == 1


def test_a_repeat_within_the_grace_is_a_lost_answer_and_later_a_theft(target: Target) -> None:
    """TK-26: within, the pair that got lost is replaced; after it, all generations die."""
    first = target.bought(scope=OFFLINE)
    lost = target.pub.refresh(first["refresh_token"]).json()
    again = target.pub.refresh(first["refresh_token"]).json()
    assert not target.is_active(lost["access_token"])
    assert target.is_active(again["access_token"])
    third = target.pub.refresh(again["refresh_token"]).json()
    target.clock.forward(seconds=11)
    target.refused(target.pub.refresh(first["refresh_token"]), 400, "invalid_grant")
    for pair in (first, lost, again, third):
        assert not target.is_active(pair["access_token"])
        target.refused(target.pub.refresh(pair["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("seconds", [1, 11])
def test_a_token_that_was_taken_for_lost_and_comes_is_a_theft(target: Target, seconds: int) -> None:
    """TK-26, RFC 9700 §4.14.2: its answer had come, so a thief repeated the one before, and keeps nothing."""
    first = target.bought(scope=OFFLINE)
    held = target.pub.refresh(first["refresh_token"]).json()
    stolen = target.pub.refresh(first["refresh_token"]).json()
    assert target.is_active(stolen["access_token"])
    target.clock.forward(seconds=seconds)
    target.refused(target.pub.refresh(held["refresh_token"]), 400, "invalid_grant")
    assert not target.is_active(stolen["access_token"])
    target.refused(target.pub.refresh(stolen["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize(
    "scope",
    [
        *("patient/*.cruds", "patient/Observation.cruds", "patient/*.rs", "user/Observation.rs", "system/*.rs"),
        *("messaging/ui", "profile", f"{OFFLINE} patient/Condition.r", "patient/Observation.rs?x=y patient/Patient.r"),
    ],
)
def test_a_refresh_never_widens(target: Target, scope: str) -> None:
    """TK-27, RFC 6749 §6: refused, and the token is still good for what was granted."""
    tokens = target.bought(scope=OFFLINE)
    target.refused(target.pub.refresh(tokens["refresh_token"], scope=scope), 400, "invalid_scope")
    again = target.pub.refresh(tokens["refresh_token"], scope="patient/Observation.r").json()
    assert again["scope"] == "patient/Observation.r"
    assert target.rs.introspect(again["access_token"])["scope"] == "patient/Observation.r"


def test_a_refresh_changes_no_context(target: Target) -> None:
    """TK-29: patient, FHIR server and user are those of the launch, whatever is sent along."""
    tokens = target.bought(scope=OFFLINE)
    sent = {"launch": "x", "patient": "B", "aud": OTHER_FHIR, "fhirUser": "Practitioner/x", "resource": OTHER_FHIR}
    reply = target.pub.refresh(tokens["refresh_token"], **sent)
    if reply.status == 400:
        target.refused(reply, 400, "invalid_request", "invalid_target")
        reply = target.pub.refresh(tokens["refresh_token"])
    body = reply.json()
    told = target.rs.introspect(body["access_token"])
    assert (body["patient"], told["patient"], told["aud"]) == ("A", "A", FHIR)
    assert told["fhirUser"] == f"{FHIR}/Practitioner/dr"


def test_a_refresh_token_ends_when_it_is_idle_and_in_all(target: Target) -> None:
    """TK-30: 90 days unused, 365 in all (decision 10), revoked, and after its family."""
    idle, used, revoked = (target.bought(scope=OFFLINE)["refresh_token"] for _ in range(3))
    assert target.pub.revoke(revoked).status == 200
    target.refused(target.pub.refresh(revoked), 400, "invalid_grant")
    for _ in range(4):
        target.clock.forward(days=89)
        used = target.pub.refresh(used).json()["refresh_token"]
    target.refused(target.pub.refresh(idle), 400, "invalid_grant")
    target.clock.forward(days=10)
    target.refused(target.pub.refresh(used), 400, "invalid_grant")


def test_a_new_password_ends_what_was_granted_by_the_old(target: Target) -> None:
    """TK-30: as an administrator sets it, with ``authz user set-password``."""
    tokens = target.pub.redeem(for_bob(target, OFFLINE_ALONE)[1]).json()
    set_password(target, "bob", "bob-password-new")
    try:
        target.refused(target.pub.refresh(tokens["refresh_token"]), 400, "invalid_grant")
        assert not target.is_active(tokens["access_token"])
    finally:
        set_password(target, "bob", "bob-password")


def test_online_access_ends_with_the_session_of_the_ehr(target: Target) -> None:
    """TK-31, SMART "online_access"."""
    tokens = target.bought(scope=ONLINE, session="s-1")
    assert target.pub.refresh(tokens["refresh_token"]).status == 200
    newest = target.bought(scope=ONLINE, session="s-1")
    target.ehr.end_session("s-1")
    target.refused(target.pub.refresh(newest["refresh_token"]), 400, "invalid_grant")
    assert not target.is_active(newest["access_token"])


def test_a_used_token_stays_used_when_everything_begins_anew(target: Target) -> None:
    """TK-33: other workers, and a short-lived store that knows nothing."""
    first = target.bought(scope=OFFLINE)
    second = target.pub.refresh(first["refresh_token"]).json()
    code = new_code(target)
    still_good(target, code)
    target.begin_anew()
    target.clock.forward(seconds=11)
    target.refused(target.pub.refresh(first["refresh_token"]), 400, "invalid_grant")
    target.refused(target.pub.redeem(code), 400, "invalid_grant")
    target.refused(target.pub.refresh(second["refresh_token"]), 400, "invalid_grant")
    assert not target.is_active(second["access_token"])


def test_who_asked_for_no_refresh_token_gets_none(target: Target) -> None:
    """TK-34."""
    assert "refresh_token" not in target.bought(scope=LAUNCHED)
    assert "refresh_token" not in target.bulk.post("/token", {**CREDENTIALS}).json()


CREDENTIALS = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}


@pytest.mark.parametrize("who", ["pub", "native", "sec", "asking", "key", "off"])
def test_an_app_for_people_gets_no_token_of_its_own(target: Target, who: str) -> None:
    """TK-35."""
    app: SmartApp = getattr(target, who)
    reply = app.post("/token", CREDENTIALS)
    target.refused(reply, reply.status, "unauthorized_client", "invalid_client")
    assert reply.status in {400, 401}


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("", "invalid_request"),
        ("system/Condition.cruds", "invalid_scope"),
        ("patient/Observation.rs", "invalid_scope"),
        ("user/Observation.rs", "invalid_scope"),
        ("launch openid fhirUser offline_access", "invalid_scope"),
        ("system/Patient.cud", "invalid_scope"),
    ],
)
def test_a_backend_service_gets_what_it_is_registered_for(target: Target, scope: str, error: str) -> None:
    """TK-37: nothing without asking, no person's access, five minutes at most."""
    target.refused(target.bulk.post("/token", {**CREDENTIALS, "scope": scope}), 400, error)
    good = target.bulk.post("/token", {**CREDENTIALS, "scope": "system/Patient.cruds"}).json()
    assert (good["scope"], good["expires_in"] <= 300) == ("system/Patient.rs", True)


def test_every_answer_is_json_that_no_cache_keeps(target: Target) -> None:
    """TK-38, RFC 6749 §5.1."""
    code = new_code(target)
    for reply in (target.pub.redeem(code), target.pub.redeem("x"), post(target, ""), target.send("GET", "/token")):
        assert reply.header("content-type") == "application/json"
        assert reply.header("cache-control") == "no-store"
        assert reply.header("pragma") == "no-cache" or reply.status == 405
        assert reply.header("set-cookie") is None
    body = target.bought()
    assert (body["token_type"], type(body["expires_in"]), body["expires_in"] <= 3600) == ("Bearer", int, True)
    assert body["scope"]


def test_the_context_is_that_of_the_launch(target: Target) -> None:
    """TK-39: the patient, a JSON boolean for the banner, and nothing else that would name another patient."""
    items = [{"reference": "ImagingStudy/123"}]
    body = target.bought(need_patient_banner=False, fhirContext=items)
    assert body["patient"] == "A"
    assert body["need_patient_banner"] is False
    assert body["fhirContext"] == items
    assert {"encounter", "sub", "launch"}.isdisjoint(body)
    for item in ({"reference": "Patient/B"}, {"reference": "Encounter/e"}, {"reference": f"{FHIR}/Patient/B"}):
        record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}
        reply = target.ehr.post("/launch", {**record, "fhirContext": [item]})
        target.refused(reply, 400, "invalid_request")


def test_without_openid_there_is_no_id_token(target: Target) -> None:
    """TK-41."""
    assert "id_token" not in target.bought(scope="launch patient/Observation.rs")
    assert "id_token" in target.bought(scope="launch patient/Observation.rs openid")
