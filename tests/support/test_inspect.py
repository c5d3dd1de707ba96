"""``authz launch inspect`` and ``authz authorization``: one launch from its first call to its last token, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.event import Event, EventName
from authz.audit.model import AuditEventRow
from authz.support.timeline import WORDS
from authz.tokens.model import AccessTokenRow, GrantRow
from authz.tokens.store import OWN_CLIENT_ID
from tests.actors import new_verifier
from tests.launch.signing import SigningEhr, ec_key, public
from tests.world import FHIR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Cli
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid patient/*.rs online_access system/Patient.rs"
ALONE = "launch/patient openid fhirUser patient/Observation.rs offline_access"


def events(told: dict[str, Any]) -> list[str]:
    return [step["event"] for step in told["steps"]]


def grant_ids(world: World) -> list[str]:
    with world.services.db.read() as session:
        return list(session.scalars(select(GrantRow.id).where(GrantRow.client_id != OWN_CLIENT_ID)))


def test_a_launch_is_told_from_the_ehr_to_the_end(world: World, authz: Cli) -> None:
    """security.md 4.1: made by which EHR, used, consent, code, token, refresh, introspection, revocation, refusals."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="ZZ9PHI", session="ehr-session")
    tokens = world.public.tokens(made["launch"], SCOPE)
    world.clock.forward(seconds=5)
    fresh = world.public.refresh(tokens["refresh_token"]).json()
    assert world.fhir_server.introspect(fresh["access_token"])["active"]
    world.services.last_seen.flush()
    world.clock.forward(seconds=5)
    again = world.browser().open(world.public.authorize_url(scope=SCOPE, launch=made["launch"]))
    assert again.location_parameters["error"] == "invalid_request"
    world.clock.forward(seconds=5)
    assert world.ehr.end_session("ehr-session").status == 204
    told = authz("launch", "inspect", made["launch_id"])
    assert set(told) == {"launch_ids", "launch_state", "steps", "grants", "introspection"}
    assert (told["launch_ids"], told["launch_state"]) == ([made["launch_id"]], "used")
    assert events(told) == [
        "launch.created",
        "launch.used",
        "consent.skipped",
        "code.issued",
        "token.issued",
        "token.refreshed",
        "launch.refused",
        "authorize.refused",
        "grant.revoked",
    ]
    by_event = {step["event"]: step for step in told["steps"]}
    assert by_event["launch.created"]["detail"] == {"ehr": "ehr-main", "written_by": "ehr"}
    assert by_event["code.issued"]["detail"]["amr"] == ["ehr"]
    assert by_event["launch.refused"]["reason"] == "launch_used"
    assert by_event["authorize.refused"]["support_code"] in again.location
    assert by_event["grant.revoked"]["reason"] == "ehr_session_ended"
    (grant,) = told["grants"]
    assert (grant["grant_id"], grant["refresh_tokens"]) == (grant_ids(world)[0], 2)
    assert [token["last_introspected"] is not None for token in grant["access_tokens"]] == [False, True]
    assert grant["revoked_reason"] == by_event["grant.revoked"]["reason"]


def test_every_name_of_a_launch_leads_to_the_same_story(world: World, authz: Cli) -> None:
    """By launch id, by grant id, and by the support code of a refusal, at the token endpoint too."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    code = world.public.code(made["launch"], SCOPE)
    world.public.verifier = new_verifier()
    refused = world.public.redeem(code).json()["error_uri"].rpartition("/")[2]
    stories = [authz("launch", "inspect", name) for name in (made["launch_id"], grant_ids(world)[0], refused)]
    assert stories[0] == stories[1] == stories[2]
    assert events(stories[0])[-1] == "token.refused"
    assert stories[0]["steps"][-1]["detail"] == {
        "description": "code_verifier does not fit the code_challenge",
        "grant_type": "authorization_code",
    }


def test_an_app_opened_by_itself_has_a_story_too(world: World, authz: Cli) -> None:
    """Sign-in page, wrong password, sign-in, choice of the patient, consent, code, token: by the grant id."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=ALONE))
    world.clock.forward(seconds=1)
    page = browser.sign_in(page, "parent", "wrong")
    world.clock.forward(seconds=1)
    page = browser.sign_in(page, "parent", "parent-password")
    world.clock.forward(seconds=1)
    page = browser.submit(page, press="child-2")
    world.clock.forward(seconds=1)
    code = browser.submit(page, press="allow").location_parameters["code"]
    assert "access_token" in world.public.redeem(code).json()
    told = authz("launch", "inspect", grant_ids(world)[0])
    shown = [(step["event"], step["reason"]) for step in told["steps"] if step["event"] == "authorize.page_shown"]
    assert shown == [("authorize.page_shown", reason) for reason in ("sign_in", "patient", "consent")]
    assert [name for name in events(told) if name != "authorize.page_shown"] == [
        "login.failed",
        "login",
        "records.searched",
        "patient.chosen",
        "consent.granted",
        "code.issued",
        "token.issued",
    ]
    assert told["launch_state"] is None
    (name,) = told["launch_ids"]
    assert name.startswith("standalone-")
    assert authz("launch", "inspect", name)["steps"] == told["steps"]


def test_a_launch_that_stopped_at_a_page_says_at_which(world: World, authz: Cli) -> None:
    """ "The app hangs": nobody has answered the consent page."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    world.browser().open(world.public.authorize_url(scope=SCOPE, launch=made["launch"], prompt="consent"))
    told = authz("launch", "inspect", made["launch_id"])
    assert [(step["event"], step["reason"]) for step in told["steps"]] == [
        ("launch.created", None),
        ("authorize.page_shown", "consent"),
        ("records.searched", None),  # for the name on it
    ]
    assert (told["launch_state"], told["grants"]) == (None, [])


def test_the_story_of_a_refusal_alone_has_its_reason(world: World, authz: Cli) -> None:
    """A handle that was never made: the app hears one sentence, the administrator why."""
    sent = world.browser().open(world.public.authorize_url(scope="launch", launch="unknown")).location_parameters
    told = authz("launch", "inspect", sent["error_uri"].rpartition("/")[2])
    assert [(step["event"], step["reason"]) for step in told["steps"]] == [
        ("launch.refused", "launch_unknown"),
        ("authorize.refused", "invalid_request"),
    ]
    assert told["steps"][1]["detail"]["cause"] == "launch_unknown"


def test_a_person_who_may_not_go_on_is_in_the_story_of_the_launch(world: World, authz: Cli) -> None:
    """Refusals after the launch was read carry its id."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    url = world.public.authorize_url(scope="launch patient/*.rs", launch=made["launch"], max_age="0", prompt="none")
    assert "error" in world.browser().open(url).location_parameters
    assert events(authz("launch", "inspect", made["launch_id"])) == ["launch.created", "authorize.refused"]


def test_a_launch_that_the_ehr_signed_has_one_story(world: World, authz: Cli) -> None:
    """REQ-74: its name is made of iss and jti; the page shown and the refusal at the first request carry it."""
    with world.services.db.write() as session:
        world.services.launch_keys.rotate(session)
        key = ec_key()
        world.services.ehrs.set_keys(session, "ehr-main", public(key))
    (encrypt_to,) = world.services.launch_keys.public_jwks()["keys"]
    ehr = SigningEhr("ehr-main", world.issuer, encrypt_to, int(world.clock().timestamp()), key)
    launch = ehr.launch({"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"})
    url = world.public.authorize_url(scope=SCOPE, launch=launch, prompt="consent")
    assert "Allow" in world.browser().open(url).text
    refused = world.browser().open(world.public.authorize_url(scope=SCOPE, launch=launch, prompt="none", max_age="0"))
    told = authz("launch", "inspect", refused.location_parameters["error_uri"].rpartition("/")[2])
    assert [(step["event"], step["reason"]) for step in told["steps"]] == [
        ("launch.created", None),
        ("authorize.page_shown", "consent"),
        ("records.searched", None),  # for the name on it
        ("authorize.refused", "login_required"),
    ]
    (name,) = told["launch_ids"]
    assert authz("launch", "inspect", name)["steps"] == told["steps"]


def test_a_clinicians_search_for_a_patient_is_in_the_story(world: World, authz: Cli) -> None:
    """The search has a grant of its own, which is not the app's; what the FHIR server refused is there by its token."""
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"staff_picker": True})
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="launch/patient patient/Observation.rs"))
    steps: list[Callable[[Reply], Reply]] = [
        lambda page: browser.sign_in(page, "doctor", "doctor-password"),
        lambda page: browser.submit(page, {"action": "search", "name": "bra el"}),
        lambda page: browser.submit(page, press="child-1"),
        lambda page: browser.submit(page, press="allow"),
    ]
    for step in steps:
        world.clock.forward(seconds=1)
        page = step(page)
    world.clock.forward(seconds=1)
    token = world.public.redeem(page.location_parameters["code"]).json()["access_token"]
    jti = world.fhir_server.introspect(token)["jti"]
    world.clock.forward(seconds=1)
    refused = Event(EventName.FHIR_REFUSED, "refused", "insufficient_scope", token_id=jti, fhir_server="main")
    world.services.trail.refused(refused)
    told = authz("launch", "inspect", jti_grant(world, jti))
    story = [(step["event"], step["reason"]) for step in told["steps"] if step["event"] != "authorize.page_shown"]
    assert [name for name, _ in story] == [
        "login",
        "records.searched",
        "patient.chosen",
        "consent.granted",
        "code.issued",
        "token.issued",
        "fhir.refused",
    ]
    assert [grant["client_id"] for grant in told["grants"]] == ["public"]
    shown = [step["reason"] for step in told["steps"] if step["event"] == "authorize.page_shown"]
    assert (shown[0], shown[-1]) == ("sign_in", "consent")
    assert set(shown) == {"sign_in", "patient", "consent"}


def jti_grant(world: World, jti: str) -> str:
    with world.services.db.read() as session:
        return session.scalars(select(AccessTokenRow.grant_id).where(AccessTokenRow.jti == jti)).one()


def test_every_event_of_an_opening_has_words(world: World) -> None:
    """What a launch, grant or token can lead to; the others are an administrator's, or nobody's in particular."""
    endings = (".changed", ".created", ".started", ".stopped", ".migrated", ".restored")
    apart = {name for name in EventName if name.value.endswith(endings)}
    apart |= {name for name in EventName if name.value.startswith("audit.")}
    apart |= {EventName.LOGOUT, EventName.EHR_SESSION_ENDED, EventName.CALLER_REFUSED}
    apart |= {EventName.INTROSPECTION_REFUSED, EventName.FETCH_REFUSED, EventName.REGISTRATION_REFUSED}
    apart |= {EventName.REGISTRATION_NOTICE, EventName.REQUEST_REFUSED, EventName.STRANGERS_COUNTED}
    assert set(EventName) - apart - {EventName.LAUNCH_CREATED} == WORDS.keys() - {EventName.LAUNCH_CREATED}


def test_no_secret_and_no_patient_is_shown_unasked(world: World, authz: Cli) -> None:
    """security.md 4.2; whoever looks is on the trail, and whether the patient was shown."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="ZZ9PHI")
    tokens = world.public.tokens(made["launch"], SCOPE)
    for words in ((), ("--json",)):
        _, out, _ = authz.run("launch", "inspect", made["launch_id"], *words)
        for secret in ("ZZ9PHI", made["launch"], tokens["access_token"], tokens["refresh_token"], world.public.state):
            assert secret not in out
    shown = authz("launch", "inspect", made["launch_id"], "--show-patient")
    assert shown["steps"][0]["patient"] == shown["grants"][0]["patient"] == "ZZ9PHI"
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "audit.read")).all()
    assert sorted(row.detail["show_patient"] for row in rows) == [False, False, True]


def test_what_nobody_knows_is_an_error(authz: Cli) -> None:
    assert authz.refused("launch", "inspect", "nothing")["error"] == "not_found"
    assert authz.refused("authorization", "show", "00000000")["error"] == "not_found"


def test_introspections_that_can_not_be_known_are_called_unknown(world: World, authz: Cli) -> None:
    """The short-lived store may be away or have been emptied: that is said, not guessed."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    tokens = world.public.tokens(made["launch"], SCOPE)
    world.fhir_server.introspect(tokens["access_token"])
    told = authz("launch", "inspect", made["launch_id"])
    assert told["grants"][0]["access_tokens"][0]["last_introspected"] is None
    assert "single introspections are not recorded" in told["introspection"]


# --- why was my scope trimmed?


def test_each_scope_has_its_verdict(world: World, authz: Cli) -> None:
    """PROC-07: granted, narrowed or dropped, with the reason, what it means and what to do."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    world.public.code(made["launch"], "launch patient/Patient.rs system/Patient.rs fhiruser patient/Spaceship.rs")
    (grant_id,) = grant_ids(world)
    told = authz("authorization", "show", grant_id)
    verdicts = [(one["requested"], one["outcome"], one["reason"]) for one in told["verdicts"]]
    assert verdicts == [
        ("launch", "granted", None),
        ("patient/Patient.rs", "granted", None),
        ("system/Patient.rs", "dropped", "level_not_allowed"),
        ("fhiruser", "dropped", "malformed"),
        ("patient/Spaceship.rs", "dropped", "unsupported"),
    ]
    assert "did you mean fhirUser" in told["verdicts"][3]["detail"]
    assert all({"meaning", "advice"} <= one.keys() for one in told["verdicts"] if one["reason"])
    assert (told["outcome"], told["scope"], told["client_id"]) == ("granted", "launch patient/Patient.rs", "public")
    (line,) = authz("authorization", "list", "--client", "public")
    assert (line["grant_id"], line["trimmed"]) == (grant_id, 3)
    _, out, _ = authz.run("authorization", "show", grant_id)
    assert "level_not_allowed" in out


def test_a_refused_request_keeps_its_verdicts(world: World, authz: Cli) -> None:
    """By the support code of the error; also at the token endpoint."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="system/Patient.rs"))
    sent = browser.sign_in(page, "alice", "alice-password").location_parameters
    told = authz("authorization", "show", sent["error_uri"].rpartition("/")[2])
    assert (told["outcome"], told["reason"], told["description"]) == (
        "refused",
        "invalid_scope",
        "none of the scopes can be granted",
    )
    assert [one["reason"] for one in told["verdicts"]] == ["level_not_allowed"]
    assert told["asked"] == "system/Patient.rs"


def test_what_the_person_unticked_is_called_so(world: World, authz: Cli) -> None:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="patient/Observation.rs offline_access"))
    page = browser.sign_in(page, "alice", "alice-password")
    handle = page.text.partition('name="interaction" value="')[2].partition('"')[0]
    reply = browser.request(
        "POST",
        f"{world.issuer}/consent",
        f"interaction={handle}&action=allow".encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    told = authz("authorization", "show", reply.location_parameters["error_uri"].rpartition("/")[2])
    assert {one["reason"] for one in told["verdicts"]} == {"unticked"}
    assert (told["event"], told["reason"]) == ("consent.denied", "access_denied")


def test_grants_are_found_by_app_and_person(world: World, authz: Cli) -> None:
    world.standalone(world.public, ALONE, "alice")
    made = world.ehr.launch("confidential", "Practitioner/dr", patient="A")
    world.confidential.code(made["launch"], SCOPE)
    assert len(authz("authorization", "list")) == 2
    (by_user,) = authz("authorization", "list", "--user", "alice")  # the search for the name of the patient is none
    assert (by_user["client_id"], by_user["trimmed"], by_user["revoked_at"]) == ("public", 0, None)
    assert authz("authorization", "list", "--user", by_user["sub"]) == [by_user]
    assert [one["client_id"] for one in authz("authorization", "list", "--client", "confidential")] == ["confidential"]
    assert authz("authorization", "list", "--fhir-server", "other") == []
    with world.services.db.read() as session:
        reads = session.scalars(select(AuditEventRow.reason).where(AuditEventRow.event == "audit.read")).all()
    assert reads == ["authorization"] * 5


def test_a_grant_that_was_revoked_is_not_live(world: World, authz: Cli) -> None:
    made = world.ehr.launch("public", "Practitioner/dr", patient="A", session="s")
    world.public.tokens(made["launch"], SCOPE)
    assert len(authz("authorization", "list", "--live")) == 1
    world.ehr.end_session("s")
    assert authz("authorization", "list", "--live") == []
