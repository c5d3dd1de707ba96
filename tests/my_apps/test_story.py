"""A person looks at what their apps may do, and takes it back (SMART ``management_endpoint``)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update

from authz.audit.model import AuditEventRow
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.consent.model import ConsentRow
from authz.tokens.model import GrantRow
from tests.actors import FORM
from tests.cli.conftest import Cli
from tests.world import ISSUER, PUBLIC

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

MINE = f"{ISSUER}/my-apps"
SCOPE = "launch/patient openid patient/Observation.rs patient/Condition.rs offline_access"
LINK = re.compile(r'href="(/my-apps/[0-9a-f]{32})"')


def signed_in(world: World, user: str = "alice") -> Browser:
    """A browser in which somebody has opened the page of their apps and signed in for it."""
    browser = world.browser()
    page = browser.open(f"{MINE}?fhir_server=main")
    page = browser.sign_in(page, user, f"{user}-password")
    assert (page.status, title(page)) == (200, "Your apps")
    return browser


def open_app(
    world: World, user: str = "alice", scope: str = SCOPE, patient: str | None = None, browser: Browser | None = None
) -> dict[str, Any]:
    """The token response of the public app, opened by itself and allowed everything."""
    browser = browser or world.browser()
    page = browser.open(world.public.authorize_url(scope=scope))
    if title(page) == "Sign in":
        page = browser.sign_in(page, user, f"{user}-password")
    if patient is not None:
        page = browser.submit(page, press=patient)
    if page.status == 200:
        page = browser.submit(page, press="allow")
    answer: dict[str, Any] = world.public.redeem(page.location_parameters["code"]).json()
    return answer


def title(page: Reply) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
    return found[1] if found else ""


def says(page: Reply) -> str:
    """What a person reads in the page's main part."""
    main = page.text.partition("<main>")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]*>", " ", main, flags=re.DOTALL).split())


def links(page: Reply) -> list[str]:
    return LINK.findall(page.text)


def active(world: World, tokens: dict[str, Any]) -> bool:
    return world.fhir_server.introspect(tokens["access_token"]) != {"active": False}


def post(browser: Browser, path: str, **fields: str) -> Reply:
    return browser.follow(browser.request("POST", ISSUER + path, urlencode(fields).encode(), {"Content-Type": FORM}))


def test_every_document_says_where_a_person_finds_their_apps(shared: World) -> None:
    """MGT-02, CS-03: in the SMART configuration, RFC 8414's, OpenID's, and as ``manage`` in the CapabilityStatement."""

    def get(path: str) -> Any:
        return shared.transport.send("GET", ISSUER + path, {}, b"").json()

    main = "/fhir-servers/main/.well-known/smart-configuration"
    documents = (main, "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
    assert [get(path)["management_endpoint"] for path in documents] == [MINE] * 3
    server = shared.services.fhir_servers.get("main")
    assert server is not None
    (extension,) = shared.services.discovery.oauth_uris(server)["extension"]
    assert {"url": "manage", "valueUri": MINE} in extension["extension"]


def test_who_is_not_signed_in_says_where_and_signs_in_first(world: World) -> None:
    """MGT-02: by the pages of the authorization endpoint; no code and no grant come of it."""
    browser = world.browser()
    page = browser.open(MINE)
    assert (title(page), "main · https://fhir.example/r4" in says(page)) == ("Your apps", True)
    page = browser.open(f"{MINE}?fhir_server=main")
    assert "to see which apps may use your records at Test Hospital" in says(page)
    page = browser.sign_in(page, "alice", "wrong")
    assert (page.status, title(page)) == (401, "Sign in")
    page = browser.sign_in(page, "alice", "alice-password")
    assert (page.status, browser.url) == (200, MINE)
    assert says(page) == (
        "Your apps Alice, no app gets any record because of you."
        " When you open an app and allow it something, it stands here, and you can take it back here."
    )
    with world.services.db.read() as session:
        assert session.scalars(select(GrantRow)).all() == []


def test_with_one_fhir_server_nobody_is_asked_where(world: World) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.set_enabled(session, "other", enabled=False)
    assert title(world.browser().open(MINE)) == "Sign in"


def test_signing_in_for_ones_apps_works_where_apps_are_opened_from_the_ehr_only(world: World) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"without": ["standalone"]})
    signed_in(world)


def test_who_cancels_the_sign_in_gets_a_page_and_may_try_again(world: World) -> None:
    browser = world.browser()
    page = browser.submit(browser.open(f"{MINE}?fhir_server=main"), press="cancel")
    assert (page.status, title(page)) == (200, "You are not signed in")


@pytest.mark.parametrize("path", ["/token", "/authorize"])
def test_the_page_is_no_app_that_anybody_could_be(world: World, path: str) -> None:
    """LC-06: its name buys no code, its address is no open redirect, and it has no tokens."""
    if path == "/token":
        reply = world.public.post(
            "/token", {"grant_type": "authorization_code", "code": "x", "client_id": "authz:my-apps"}
        )
        assert (reply.status, reply.json()["error"]) == (401, "invalid_client")
        return
    changes = {"client_id": "authz:my-apps", "redirect_uri": "https://evil.example/"}
    page = world.browser().open(world.public.authorize_url(scope="openid", **changes))
    assert (page.status, page.header("location")) == (400, None)
    browser = signed_in(world)
    changes["redirect_uri"] = MINE
    reply = browser.request("GET", world.public.authorize_url(scope="openid patient/*.rs", **changes))
    assert (reply.status, reply.location) == (303, MINE)


def test_a_person_sees_each_app_with_what_it_may_do_and_for_how_long(world: World) -> None:
    """MGT-02: app, publisher, hospital, patient, kinds of data, since when, last used, until when, on or off line."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"client_uri": "https://www.maker.example/app"}, {})
    world.clock.forward(days=1)
    open_app(world)
    made = world.clock()
    browser = signed_in(world)
    page = browser.open(MINE)
    ends = made.replace(year=made.year + 1)
    day = f"{made.day} {made:%B %Y}"
    assert says(page) == (
        "Your apps Alice, this app gets records because you allowed it."
        " Open one to see what it did, or to take it back."
        " Public App also while you are away Records: Alice (you) From maker.example · Test Hospital"
        " See measurements and results · See problems and diagnoses"
        f" Since {day} · last used {day}, {made:%H:%M} UTC"
        f" Also while you are away, until {ends.day} {ends:%B %Y} at the latest"
    )


def test_use_of_a_token_is_the_last_use(world: World) -> None:
    """MGT-02: what the FHIR server asked about counts, to about a minute."""
    tokens = open_app(world)
    world.clock.forward(minutes=30)
    assert active(world, tokens)
    world.services.last_seen.flush()
    used = world.clock()
    page = signed_in(world).open(MINE)
    assert f"last used {used.day} {used:%B %Y}, {used:%H:%M} UTC" in says(page)


def test_access_is_named_by_how_long_it_lasts(world: World) -> None:
    """SCP-33: while away, with the session, for an hour, and none, which comes again without a question."""
    browser = signed_in(world)
    lasting = {}
    for user, scope in {
        "offline": SCOPE,
        "session": "launch/patient openid patient/*.rs online_access",
        "short": "launch/patient openid patient/Observation.rs",
    }.items():
        open_app(world, scope=scope)
        page = browser.open(MINE)
        lasting[user] = says(page).rpartition("UTC")[2] if user == "offline" else says(page)
        browser.submit(browser.open(f"{ISSUER}{links(page)[0]}/stop"))
    assert lasting["offline"].startswith(" Also while you are away, until ")
    assert "While you are signed in, until " in lasting["session"]
    assert re.search(r"in use|last used .* UTC Until \d+ ", lasting["short"])
    open_app(world, scope="launch/patient openid patient/Observation.rs")
    world.clock.forward(hours=2)
    page = browser.open(MINE)
    assert "Nothing now. It gets access again when you open it, without asking you, until " in says(page)
    world.clock.forward(days=91)
    browser = signed_in(world)
    assert "no app gets any record because of you" in says(browser.open(MINE))


def test_taking_it_back_ends_tokens_refresh_tokens_codes_and_what_is_remembered(world: World) -> None:
    """MGT-02, MGT-03, REQ-88: asked once more, then at once; only this app, this patient and this person."""
    first, second = open_app(world), open_app(world)
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=SCOPE))
    page = browser.sign_in(page, "alice", "alice-password")
    waiting = page.location_parameters["code"]
    others = open_app(world, "parent", patient="child-1")
    mine = signed_in(world)
    (link,) = links(mine.open(MINE))
    page = mine.open(f"{ISSUER}{link}/stop")
    assert title(page) == "Take back what Public App may do?"
    assert "may keep what it has received" in says(page)
    done = mine.submit(page)
    assert (done.status, mine.url) == (200, ISSUER + link)
    assert "Public App has no access because of you." in says(done)
    assert "You took it back." in says(done)
    assert [active(world, tokens) for tokens in (first, second, others)] == [False, False, True]
    for tokens in (first, second):
        assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.public.redeem(waiting).json()["error"] == "invalid_grant"
    assert world.public.refresh(others["refresh_token"]).status == 200
    assert links(mine.open(MINE)) == []
    asked = browser.open(world.public.authorize_url(scope=SCOPE))
    assert title(asked) == "Share health records with Public App?"
    with world.services.db.read() as session:
        rows = session.execute(
            select(AuditEventRow.event, AuditEventRow.reason, AuditEventRow.patient)
            .where(AuditEventRow.event.in_(["consent.withdrawn", "grant.revoked"]), AuditEventRow.reason == "user")
            .order_by(AuditEventRow.event)
        ).all()
    assert [tuple(row) for row in rows] == [("consent.withdrawn", "user", "A"), *[("grant.revoked", "user", "A")] * 3]


def test_a_representative_sees_the_children_by_name_and_takes_back_one(world: World) -> None:
    """REQ-88, decision 16: a grant for one child says nothing about the other."""
    ella, jonas = (open_app(world, "parent", patient=child) for child in ("child-1", "child-2"))
    browser = signed_in(world, "parent")
    page = browser.open(MINE)
    assert "Records: Ella Brandt (you are their parent)" in says(page)
    assert "Records: Jonas Brandt (you are their parent)" in says(page)
    named = [link for link in links(page) if "Ella Brandt" in says(browser.open(ISSUER + link))]
    browser.submit(browser.open(f"{ISSUER}{named[0]}/stop"))
    assert [active(world, tokens) for tokens in (ella, jonas)] == [False, True]


def test_where_the_fhir_server_does_not_answer_a_patient_is_a_number(world: World, fhir: Any) -> None:
    open_app(world, "parent", patient="child-1")
    fhir.is_down = True
    browser = signed_in(world, "parent")
    assert "Records: Patient child-1 (you are their parent)" in says(browser.open(MINE))
    asked = len(fhir.asked)
    fhir.is_down = False
    assert "Patient child-1" in says(browser.open(MINE))  # left alone for a minute
    assert len(fhir.asked) == asked


def test_a_clinician_sees_what_was_opened_from_the_ehr(world: World) -> None:
    """MGT-02: also what the hospital decided for its staff."""
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="B", session="shift")["launch"])
    tokens = world.public.tokens(handle, "launch patient/*.rs online_access")
    browser = signed_in(world, "doctor")
    page = browser.open(MINE)
    assert "Records: Bo Berg Test Hospital See all kinds of health data" in says(page)
    browser.submit(browser.open(f"{ISSUER}{links(page)[0]}/stop"))
    assert not active(world, tokens)


def test_nobody_else_finds_takes_back_or_prints_it(world: World) -> None:
    """LC-25, ASVS 10.7.3: a grant or decision of somebody else is as unknown as one that there is not."""
    tokens = open_app(world)
    alice, stranger = signed_in(world), signed_in(world, "doctor")
    (link,) = links(alice.open(MINE))
    with world.services.db.read() as session:
        consent = session.scalars(select(ConsentRow.id)).one()
    form = re.search(r'name="form" value="([0-9a-f]+)"', stranger.open(f"{MINE}/sessions").text)
    assert form is not None
    for path in (
        link,
        f"{link}/stop",
        f"/my-apps/receipt/{consent}",
        "/my-apps/x",
        f"/my-apps/{'0' * 32}",
        "/my-apps/%00",
    ):
        assert stranger.open(ISSUER + path).status == 404
    assert post(stranger, f"{link}/stop", form=form[1]).status == 404
    assert active(world, tokens)
    assert links(stranger.open(MINE)) == []


@pytest.mark.parametrize("form", ["", "x", "of another session", None])
def test_a_form_that_is_not_of_this_session_changes_nothing(world: World, form: str | None) -> None:
    """LC-11, CWE-352: 403, whatever the cookie; the token of one session is none in another."""
    tokens = open_app(world)
    browser, other = signed_in(world), signed_in(world)
    (link,) = links(browser.open(MINE))
    fields = {} if form is None else {"form": form}
    if form == "of another session":
        found = re.search(r'name="form" value="([0-9a-f]+)"', other.open(f"{ISSUER}{link}/stop").text)
        assert found
        fields["form"] = found[1]
    for path in (f"{link}/stop", "/my-apps/sessions"):
        reply = post(browser, path, **fields)
        assert (reply.status, title(reply)) == (403, "This is not allowed")
    assert active(world, tokens)


def test_without_a_session_every_address_leads_to_the_sign_in(world: World) -> None:
    """LC-09: also after the session ended."""
    open_app(world)
    browser = signed_in(world)
    (link,) = links(browser.open(MINE))
    browser.cookies.clear()
    for method, path in (
        ("GET", link),
        ("GET", f"{link}/stop"),
        ("POST", f"{link}/stop"),
        ("GET", "/my-apps/sessions"),
        ("POST", "/my-apps/sessions"),
        ("GET", f"/my-apps/receipt/{'0' * 32}"),
    ):
        reply = browser.request(method, ISSUER + path, b"", {"Content-Type": FORM} if method == "POST" else {})
        assert (reply.status, reply.location) == (303, MINE), path


def test_the_pages_are_framed_by_nobody_and_kept_by_no_cache(world: World) -> None:
    """LC-13, LC-22, security.md HC-02: none of them, nor their sign-in."""
    open_app(world)
    browser = signed_in(world)
    (link,) = links(browser.open(MINE))
    for path in ("/my-apps", link, f"{link}/stop", "/my-apps/sessions"):
        page = browser.open(ISSUER + path)
        policy = page.header("content-security-policy") or ""
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self';" in policy
        assert (page.header("x-frame-options"), page.header("cache-control")) == ("DENY", "no-store")
        assert "<script" not in page.text


def test_many_apps_come_a_page_at_a_time_and_a_long_name_stays_whole(world: World) -> None:
    """Twelve apps, ten on a page; nothing is left out and nothing comes twice."""
    name = "Extraordinarily" * 17
    with world.services.db.write() as session:
        for number in range(12):
            metadata = {**PUBLIC, "client_name": name[:-2] + f"{number:02}"}
            world.services.clients.add(
                session, ClientMetadata.load(metadata), HospitalDecisions(), client_id=f"app-{number}"
            )
    browser = signed_in(world)
    for number in range(12):
        world.clock.forward(seconds=1)
        world.public.client_id = f"app-{number}"
        open_app(world, browser=browser)
    first = browser.open(MINE)
    second = browser.open(f"{MINE}?page=2")
    assert "these 12 apps get records" in says(first)
    assert [len(links(page)) for page in (first, second)] == [10, 2]
    assert len(set(links(first)) | set(links(second))) == 12
    assert says(first).count(name[:-2]) == 10
    assert "Older ones" in first.text
    assert ("Newer ones" in second.text, "Older ones" in second.text) == (True, False)
    for page in ("0", "99999", "-1", "x", "1e9", "٣"):
        assert browser.open(f"{MINE}?{urlencode({'page': page})}").status == 200


def test_the_log_tells_what_happened_in_plain_words_the_last_first(world: World) -> None:
    """MGT-02: from the audit trail, this person's own records; a page at a time."""
    tokens = open_app(world)
    open_app(world, "parent", patient="child-1")
    for _ in range(20):
        world.clock.forward(minutes=1)
        tokens = world.public.refresh(tokens["refresh_token"]).json()
    browser = signed_in(world)
    (link,) = links(browser.open(MINE))
    first, second = (browser.open(f"{ISSUER}{link}?page={number}") for number in (1, 2))
    assert says(first).count("The app renewed its access by itself.") == 20
    log = says(second).partition("What happened")[2]
    told = re.findall(r"(You allowed it\.|The app was opened and got access\.|renewed)", log)
    assert sorted(told) == ["The app was opened and got access.", "You allowed it."]


def test_a_person_ends_one_session_and_all_of_them(world: World) -> None:
    """MGT-02, decision 3: an ended one is nobody's; what was granted in it without offline_access ends with it."""
    phone, computer = world.browser(), signed_in(world)
    page = phone.open(world.public.authorize_url(scope="launch/patient openid patient/*.rs online_access"))
    page = phone.submit(phone.sign_in(page, "alice", "alice-password"), press="allow")
    tokens = world.public.redeem(page.location_parameters["code"]).json()
    offline = open_app(world)
    page = computer.open(f"{MINE}/sessions")
    assert page.status == 200, page.text
    keys = re.findall(r'name="end" value="([0-9a-f]{64})"', page.text)
    assert (len(keys), says(page).count("this one")) == (3, 1)
    with world.services.db.read() as session:
        mine = session.scalars(select(GrantRow.session_digest).where(GrantRow.scope.contains("online_access"))).one()
    form = re.search(r'name="form" value="([0-9a-f]+)"', page.text)
    assert form
    assert mine is not None
    after = post(computer, "/my-apps/sessions", form=form[1], end=mine)
    assert len(re.findall(r'name="end" value="([0-9a-f]{64})"', after.text)) == 2
    assert title(phone.open(f"{MINE}?fhir_server=main")) == "Sign in"
    assert (active(world, tokens), active(world, offline)) == (False, True)
    done = post(computer, "/my-apps/sessions", form=form[1], end="all")
    assert title(done) == "You are signed out"
    assert "authz_session" not in computer.cookies
    assert title(computer.open(f"{MINE}?fhir_server=main")) == "Sign in"
    assert active(world, offline)


def test_somebody_elses_session_can_not_be_ended(world: World) -> None:
    """LC-25."""
    alice, doctor = signed_in(world), signed_in(world, "doctor")
    key = re.search(r'name="end" value="([0-9a-f]{64})"', alice.open(f"{MINE}/sessions").text)
    form = re.search(r'name="form" value="([0-9a-f]+)"', doctor.open(f"{MINE}/sessions").text)
    assert key
    assert form
    post(doctor, "/my-apps/sessions", form=form[1], end=key[1])
    assert title(alice.open(MINE)) == "Your apps"
    assert title(doctor.open(MINE)) == "Your apps"


def test_a_receipt_says_what_was_allowed_and_what_was_not(world: World) -> None:
    """REQ-88: kept as it was, with the day on which it ends, also after it was taken back."""
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=SCOPE))
    page = browser.sign_in(page, "alice", "alice-password")
    page = browser.submit(page, press="allow", untick=["See problems and diagnoses"])
    at = world.clock()
    mine = signed_in(world)
    (link,) = links(mine.open(MINE))
    receipt = re.search(r'href="(/my-apps/receipt/[0-9a-f]{32})"', mine.open(ISSUER + link).text)
    assert receipt
    told = says(mine.open(ISSUER + receipt[1]))
    allowed, _, left = told.partition("What the app asked for and did not get")
    assert "Alice allowed Public App what stands here. Records of Alice (you)" in allowed
    assert f"When {at.day} {at:%B %Y}, {at:%H:%M} UTC" in allowed
    ends = at + timedelta(days=365)
    day = f"{ends.day} {ends:%B %Y}"
    assert f"How long Also while you are away, until {day} at the latest if you do not open it again Rem" in allowed
    assert ("See measurements and results" in allowed, "problems and diagnoses" in allowed) == (True, False)
    assert "See problems and diagnoses" in left
    mine.submit(mine.open(f"{ISSUER}{link}/stop"))
    assert "Taken back" in says(mine.open(ISSUER + receipt[1]))


def test_a_receipt_of_what_is_opened_anew_says_the_later_day(world: World) -> None:
    """SCP-33: what is granted by a remembered decision lasts from then on; what ends with use has no such day."""
    for days in (0, 30):
        world.clock.forward(days=days)
        world.confidential.redeem(world.standalone(world.confidential, SCOPE, "alice"))
    mine = signed_in(world)
    ends = world.clock() + timedelta(days=365)
    (receipt,) = receipts(mine)
    assert f"until {ends.day} {ends:%B %Y} at the latest if you do not" in says(mine.open(ISSUER + receipt))
    mine.submit(mine.open(f"{ISSUER}{links(mine.open(MINE))[0]}/stop"))
    open_app(world, scope="launch/patient openid patient/Observation.rs")
    assert "How long While you use the app Remembered" in says(mine.open(ISSUER + receipts(mine)[0]))


def receipts(mine: Browser) -> list[str]:
    """Those of the one app, the last first."""
    (link,) = links(mine.open(MINE))
    return re.findall(r'href="(/my-apps/receipt/[0-9a-f]{32})"', mine.open(ISSUER + link).text)


def test_a_decision_that_was_taken_back_meanwhile_grants_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASVS 2.3.1: read as remembered, withdrawn before the code was written."""
    open_app(world)
    browser = signed_in(world)
    consents = world.services.authorization.judge.consents
    found = type(consents).remembered

    def then_withdrawn(self: Any, question: Any) -> str | None:
        key = found(self, question)
        with world.services.db.write() as session:
            session.execute(update(ConsentRow).values(withdrawn_at=world.clock()))
        return key

    monkeypatch.setattr(type(consents), "remembered", then_withdrawn)
    reply = browser.open(world.public.authorize_url(scope=SCOPE))
    assert reply.location_parameters["error"] == "access_denied"


def test_a_sign_in_shows_only_the_apps_of_hospitals_where_it_counts(world: World) -> None:
    """LC-25: a password of one FHIR server does not show whose records somebody opens at one with stricter rules."""
    open_app(world)
    browser = signed_in(world)
    (link,) = links(browser.open(MINE))
    with world.services.db.write() as session:
        world.services.at_provider.federation.rulebook.update(session, "main", {"local_accounts": False})
    page = browser.open(MINE)
    assert says(page) == (
        "Your apps There is more at Test Hospital, for who signs in as it is done there. Sign in there"
    )
    assert [browser.open(ISSUER + path).status for path in (link, f"{link}/stop")] == [404, 404]
    (token,) = set(re.findall(r'name="form" value="([^"]+)"', browser.open(f"{MINE}/sessions").text))
    assert post(browser, f"{link}/stop", form=token).status == 404
    assert title(browser.open(f"{MINE}?fhir_server=main")) == "Sign in"
    assert title(browser.open(f"{MINE}?fhir_server=other")) == "Your apps"


def test_what_was_at_a_fhir_server_that_is_gone_is_not_found(world: World) -> None:
    """LC-25: with it went the rules who may see it; the other pages are as before."""
    open_app(world)
    browser = signed_in(world)
    (link,) = links(browser.open(MINE))
    with world.services.db.read() as session:
        (receipt,) = session.scalars(select(ConsentRow.id))
    Cli.of(world)("fhir-server", "remove", "main")
    world.services.fhir_servers.recent.forget()  # as every process does within a second
    paths = (link, f"{link}/stop", f"/my-apps/receipt/{receipt}")
    assert [browser.open(ISSUER + path).status for path in paths] == [404, 404, 404]
    page = browser.open(MINE)
    assert (page.status, title(page), links(page)) == (200, "Your apps", [])
