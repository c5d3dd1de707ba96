"""The page of a support code: what was asked, what was decided, what to do; nobody's data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.support_code import CROCKFORD, new_support_code, read_support_code
from authz.errors import OAuthError
from authz.limits import SUPPORT_CODES
from authz.scopes import Reason
from authz.support.case import without_values
from authz.support.explanations import REFUSALS, SCOPES
from authz.tokens.model import GrantRow
from tests.actors import FORM
from tests.world import APP, FHIR, ISSUER

if TYPE_CHECKING:
    from random import Random

    from tests.transport import Reply
    from tests.world import World

REFUSED_SCOPE = "system/Observation.rs fhiruser patient/Observation.rs?subject=Patient/ZZ9PHI"
NOTHING = "There is nothing under this code"


def support(world: World, code: str) -> Reply:
    return world.transport.send("GET", f"{ISSUER}/support/{code}")


def page_of(world: World, error_uri: str) -> Reply:
    assert error_uri.startswith(f"{ISSUER}/support/")
    return world.transport.send("GET", error_uri)


def refused_launch(world: World, **changes: str | None) -> dict[str, str]:
    launch = world.ehr.launch("public", "Practitioner/dr", patient="ZZ9PHI")["launch"]
    url = world.public.authorize_url(**{"scope": "launch", "launch": launch, **changes})
    return world.browser().open(url).location_parameters


def test_the_app_is_led_to_why_nothing_was_granted(world: World) -> None:
    """RFC 6749 §4.1.2.1 error_uri, AUTHZ-23: each scope with its verdict, what it means and what to do."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="system/Observation.rs fhiruser"))
    sent = browser.sign_in(page, "alice", "alice-password").location_parameters
    assert sent["error"] == "invalid_scope"
    shown = page_of(world, sent["error_uri"])
    assert shown.status == 200
    for text in (
        "invalid_scope",
        "none of the scopes can be granted",
        "<code>system/Observation.rs</code>",
        SCOPES[Reason.LEVEL_NOT_ALLOWED].meaning,
        SCOPES[Reason.LEVEL_NOT_ALLOWED].advice,
        "did you mean fhirUser",
        "Public App",
        FHIR,
    ):
        assert text in shown.text.replace("&#39;", "'"), text


def test_the_page_tells_nothing_about_any_person(world: World) -> None:
    """security.md 4.2: no user, no patient, no context, no value that an app put into a constraint."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=REFUSED_SCOPE.replace("patient/", "system/")))
    sent = browser.sign_in(page, "alice", "alice-password").location_parameters
    alice = world.services.users.by_name("alice")
    assert alice is not None
    shown = page_of(world, sent["error_uri"]).text
    assert "subject=…" in shown
    for secret in ("ZZ9PHI", "alice", "Alice", alice.sub, "Patient/A", "127.0.0.1/", world.public.state):
        assert secret not in shown.replace(ISSUER, "")


def test_a_refused_launch_reads_the_same_whatever_was_wrong_with_it(world: World) -> None:
    """security.md AZ-73: nobody learns by the code which launches there are or were."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A")
    launch = made["launch"]
    world.public.code(launch, "launch patient/*.rs")
    pages = []
    for handle in (launch, "unknown"):
        sent = world.browser().open(world.public.authorize_url(scope="launch", launch=handle)).location_parameters
        code = sent["error_uri"].rpartition("/")[2]
        pages.append(page_of(world, sent["error_uri"]).text.replace(code, "CODE"))
    assert re.sub(r"nonce-[\w-]+|\d\d:\d\d:\d\d", "", pages[0]) == re.sub(r"nonce-[\w-]+|\d\d:\d\d:\d\d", "", pages[1])
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "authorize.refused")).all()
    assert {row.detail["cause"] for row in rows} == {"launch_used", "launch_unknown"}
    assert {row.detail["cause"]: row.launch_id == made["launch_id"] for row in rows} == {
        "launch_used": True,
        "launch_unknown": False,
    }


def test_the_token_endpoint_leads_to_the_page_too(world: World) -> None:
    """RFC 6749 §5.2 error_uri; the trail knows whose grant it was, the page does not say."""
    launch = world.ehr.launch("public", "Practitioner/dr", patient="ZZ9PHI")["launch"]
    code = world.public.code(launch, "launch patient/*.rs")
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": f"{APP}/cb",
        "client_id": "public",
        "code_verifier": "w" * 43,
    }
    reply = world.transport.send("POST", f"{ISSUER}/token", {"Content-Type": FORM}, urlencode(fields).encode())
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
    shown = page_of(world, reply.json()["error_uri"]).text
    assert "code_verifier does not fit the code_challenge" in shown
    assert "token endpoint" in shown
    assert REFUSALS["invalid_grant"].advice in shown
    with world.services.db.read() as session:
        grant = session.scalars(select(GrantRow)).one()
        row = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "token.refused")).one()
    assert (row.grant_id, row.launch_id, row.patient, row.client_id) == (grant.id, grant.launch_id, "ZZ9PHI", "public")
    assert row.reason == "invalid_grant"
    assert code not in str(row.detail)
    for secret in ("ZZ9PHI", grant.id, str(grant.launch_id), str(grant.sub), code):
        assert secret not in shown


def test_an_app_that_did_not_prove_itself_learns_nothing_of_others(world: World) -> None:
    """security.md CA-01: an unknown app, and a wrong secret of a known one, read the same."""
    pages = []
    for client_id in ("confidential", "nobody"):
        fields = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": client_id, "client_secret": "wrong"}
        reply = world.transport.send("POST", f"{ISSUER}/token", {"Content-Type": FORM}, urlencode(fields).encode())
        uri = reply.json()["error_uri"]
        text = page_of(world, uri).text.replace(uri.rpartition("/")[2], "CODE")
        pages.append(re.sub(r"\d\d:\d\d:\d\d", "", text))
    assert pages[0] == pages[1]
    assert "invalid_client" in pages[0]


def test_an_ehr_is_led_to_why_its_launch_was_refused(world: World) -> None:
    reply = world.ehr.post("/launch", {"client_id": "public", "fhir_server": FHIR, "user": "nobody"})
    shown = page_of(world, reply.json()["error_uri"]).text
    assert "user: no such person here" in shown
    assert "launch" in shown


def test_a_code_is_read_as_people_write_it(world: World) -> None:
    sent = refused_launch(world, response_type="token")
    code = sent["error_uri"].rpartition("/")[2]
    spoken = code.lower().replace("0", "o").replace("1", "l")
    assert support(world, f"{spoken[:4]}-{spoken[4:]}").status == 200
    form = world.transport.send("GET", f"{ISSUER}/support?code={spoken}")
    assert (form.status, form.location) == (303, f"{ISSUER}/support/{code}")


def test_there_is_one_answer_for_every_code_that_stands_for_nothing(world: World) -> None:
    """It was never made, is no code at all, is too old, or belongs to another kind of record."""
    sent = refused_launch(world, response_type="token")
    known = urlsplit(sent["error_uri"]).path.rpartition("/")[2]
    assert support(world, known).status == 200
    world.clock.forward(days=7, seconds=1)
    answers = [support(world, code) for code in (known, "00000000", "%20", "x" * 100, "<b>")]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert NOTHING in answers[0].text
    assert world.transport.send("GET", f"{ISSUER}/support?code=no+sense+at+all").text == answers[0].text


def test_the_page_is_kept_by_nobody(world: World) -> None:
    reply = support(world, "00000000")
    assert reply.header("cache-control") == "no-store"
    assert reply.header("x-robots-tag") == "noindex, nofollow"
    assert reply.header("x-frame-options") == "DENY"
    assert reply.header("set-cookie") is None


def test_codes_can_not_be_guessed_by_trying(world: World) -> None:
    """One address looks thirty codes up in ten minutes, then it waits; the right one does not come through either."""
    code = refused_launch(world, response_type="token")["error_uri"].rpartition("/")[2]
    for _ in range(SUPPORT_CODES.tries):
        assert support(world, "00000000").status == 404
    refused = support(world, code)
    assert (refused.status, refused.header("retry-after")) == (429, "600")
    assert code not in refused.text


def test_every_reason_is_explained(world: World) -> None:
    """Each reason of a verdict, each error an app can be told; /support lists them all."""
    assert set(SCOPES) == set(Reason)
    page = world.transport.send("GET", f"{ISSUER}/support")
    assert page.status == 200
    for reason in (*SCOPES, *REFUSALS):
        assert f'id="{reason}"' in page.text
    told = {kind.code for kind in every_kind(OAuthError) if hasattr(kind, "code")}
    assert told - REFUSALS.keys() <= {"already_exists", "invalid_value"}  # of the command line


def every_kind(kind: type[OAuthError]) -> set[type[OAuthError]]:
    return {kind}.union(*map(every_kind, kind.__subclasses__()))


MISHEARD = {"0": "0Oo", "1": "1IiLl"}


@given(st.text(CROCKFORD, min_size=8, max_size=8), st.randoms())
def test_a_code_survives_being_read_out(code: str, random: Random) -> None:
    heard = "".join(random.choice(MISHEARD.get(letter, letter + letter.lower())) for letter in code)
    assert read_support_code(f" {heard[:4]}-{heard[4:]} ") == code


def test_a_new_code_is_one() -> None:
    assert len({new_support_code() for _ in range(100)}) == 100
    assert (code := new_support_code()) == read_support_code(code)


@given(st.text(max_size=40))
def test_what_is_no_code_is_none(text: str) -> None:
    found = read_support_code(text)
    assert found is None or read_support_code(found) == found


@pytest.mark.parametrize(
    ("scope", "shown"),
    [
        ("patient/Observation.rs?category=laboratory", "patient/Observation.rs?category=laboratory"),
        ("patient/Observation.rs?subject=Patient/17&code=4548-4", "patient/Observation.rs?subject=…&code=…"),
        ("patient/Patient/4711.read", "patient/Patient/….read"),
        ("launch/patient?1234", "launch/patient?…"),
        ("patient/*.cruds", "patient/*.cruds"),
    ],
)
def test_values_in_a_scope_are_not_shown(scope: str, shown: str) -> None:
    assert without_values(scope) == shown


def test_a_scope_is_not_shown_at_any_length() -> None:
    assert len(without_values("a" * 5000)) == 200


@given(
    st.sampled_from(["patient/Observation.rs", "system/Patient.cruds", "launch/patient", "nonsense"]),
    st.lists(
        st.tuples(st.sampled_from(["subject", "identifier", "name", "_id", "code"]), st.text("QXZ|,9/", min_size=1))
    ),
)
def test_no_value_of_a_persons_gets_through(head: str, pairs: list[tuple[str, str]]) -> None:
    """Whatever an app puts into constraints that may name somebody, the page shows their names only."""
    shown = without_values("?".join([head, "&".join(f"{name}={value}" for name, value in pairs)]))
    assert not set("QXZ|,9") & set(shown)
    assert shown.startswith(head)
