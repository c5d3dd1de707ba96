"""The pages people meet, attacked in both of the ways they are shown (security.md 2.8, decision 14).

*Alone* a page is tied to the browser by a cookie, and nobody may frame it. *Framed* by the EHR of a launch there is no
cookie at all: the handle in the form is everything there is, good once. Each case is tried in each way; the cases that
have one way only are in ``test_front_channel``.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

import pytest
from sqlalchemy import func, select

from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.consent.model import ConsentRow
from authz.login.throttle import ACCOUNT
from authz.tokens.model import CodeRow, GrantRow
from tests.actors import FORM, Browser, Forms, SmartApp
from tests.my_apps.test_story import says, title
from tests.world import APP, EHR_ORIGIN, FHIR, ISSUER, PUBLIC

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

DATA = "patient/Observation.rs patient/Condition.rs"
CONSENT = "Share health records with Public App?"
FORMS = ("/login", "/consent", "/select-patient", "/select-encounter", "/break-glass", "/sign-in")
OUT_OF_DATE = "This page is out of date, or it was opened in another browser."


@dataclass
class Way:
    """How somebody comes to the pages, and the browser they have."""

    world: World
    is_framed: bool
    user: str
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.world.transport, url=ISSUER)

    def another(self) -> Way:
        """Somebody else's browser, on the same way."""
        return Way(self.world, self.is_framed, self.user)

    def sign_in_page(self, scope: str = DATA, app: SmartApp | None = None) -> Reply:
        return self.ask(scope, app, prompt="login consent")

    def consent_page(self, scope: str = DATA, app: SmartApp | None = None) -> Reply:
        page = self.sign_in(self.sign_in_page(scope, app))
        assert "Share health records with" in title(page), page.text
        return page

    def ask(self, scope: str, app: SmartApp | None = None, **changes: str | None) -> Reply:
        app = app or self.world.public
        if not self.is_framed:
            return self.browser.open(app.authorize_url(scope=f"launch/patient {scope}", **changes))
        made = self.world.ehr.launch(app.client_id, "Practitioner/dr", patient="A")
        return self.browser.open(app.authorize_url(scope=f"launch {scope}", launch=made["launch"], **changes))

    def sign_in(self, page: Reply, password: str | None = None, name: str | None = None) -> Reply:
        return self.browser.sign_in(page, name or self.user, password or f"{self.user}-password")

    def post(self, path: str, *fields: tuple[str, str]) -> Reply:
        body = urlencode(fields).encode()
        return self.browser.follow(self.browser.request("POST", f"{ISSUER}{path}", body, {"Content-Type": FORM}))


@pytest.fixture(params=["alone", "framed"])
def way(world: World, request: pytest.FixtureRequest) -> Way:
    is_framed = request.param == "framed"
    return Way(world, is_framed, "doctor" if is_framed else "alice")


def handle_of(page: Reply) -> str:
    return dict(Forms(page.text).fields)["interaction"]


def count(world: World, table: type[CodeRow | GrantRow | ConsentRow]) -> int:
    with world.services.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def nothing_issued(world: World) -> bool:
    """No code, no decision, and no grant but the server's own, by which it has read a patient's name."""
    with world.services.db.read() as session:
        apps = session.scalars(select(GrantRow.client_id).where(GrantRow.revoked_at.is_(None))).all()
    return (count(world, CodeRow), count(world, ConsentRow), list(apps)) == (0, 0, [])


def trail(world: World) -> list[tuple[str, str | None]]:
    with world.services.db.read() as session:
        return [(row.event, row.reason) for row in session.scalars(select(AuditEventRow).order_by(*ORDER))]


def redeemed(world: World, reply: Reply, app: SmartApp | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = (app or world.public).redeem(reply.location_parameters["code"]).json()
    return answer


def without_its_own(page: Reply) -> tuple[int, str, dict[str, list[str]]]:
    """Status, text and headers of a page, without what is random or was typed: it must be as long in each case."""
    text = re.sub(r'(?<=name="interaction" value=")[\w-]{43}(?=")', "H", page.text)
    text = re.sub(r'(?<=name="username" value=")[^"]*(?=")', "N", text)
    headers = {name: [re.sub(r"nonce-[\w-]{22}", "nonce", one) for one in all_] for name, all_ in page.headers.items()}
    for name in (
        "set-cookie",
        "content-length",
        "x-request-id",
    ):  # the first by its names; the others follow from above
        headers.pop(name, None)
    cookies = {"set-cookie": [line.partition("=")[0] for line in page.headers.get("set-cookie", [])]}
    return page.status, text, headers | cookies


@pytest.mark.parametrize(
    ("name", "password"),
    [("nobody", "wrong"), ("parent", "wrong"), ("parent", "parent-password"), ("x" * 255, "wrong")],
    ids=["unknown", "disabled, wrong password", "disabled, right password", "a long unknown name"],
)
def test_what_is_wrong_with_a_sign_in_can_not_be_told(way: Way, name: str, password: str) -> None:
    """LC-01: status, text, headers and names of cookies are those of a wrong password."""
    users = way.world.services.users
    parent = users.by_name("parent")
    assert parent is not None
    with way.world.services.db.write() as session:
        users.set_enabled(session, parent.sub, enabled=False)
    wrong = way.sign_in(way.sign_in_page(), "wrong")
    other = way.another()
    assert wrong.status == 401
    assert without_its_own(other.sign_in(other.sign_in_page(), password, name)) == without_its_own(wrong)
    assert nothing_issued(way.world)


def test_guesses_on_one_way_count_on_the_other(way: Way) -> None:
    """LC-02: one counter for an account, however its name is written; the frame is no second chance."""
    way.user = "doctor"
    page = way.sign_in_page()
    for spelling in ("doctor", "DOCTOR", " doctor", "ｄｏｃｔｏｒ", "Doctor") * (ACCOUNT.tries // 5):  # noqa: RUF001  full width
        page = way.sign_in(page, "wrong", spelling)
    assert "Too many attempts" in way.sign_in(page, "wrong").text
    other = Way(way.world, not way.is_framed, "doctor")
    last = other.sign_in(other.sign_in_page())
    assert (last.status, last.header("retry-after"), "Too many attempts" in last.text) == (429, "600", True)
    assert nothing_issued(way.world)


def test_a_planted_session_signs_nobody_in(way: Way) -> None:
    """LC-05: alone it dies at the sign-in; in a frame it is not even looked at, and no cookie is set."""
    attacker = Way(way.world, is_framed=False, user="parent")
    attacker.browser.submit(attacker.sign_in(attacker.sign_in_page()), press="child-1")
    planted = attacker.browser.cookies["authz_session"]
    way.browser.cookies["authz_session"] = planted
    page = way.sign_in(way.sign_in_page())
    assert title(page) == CONSENT
    assert "You are" not in says(page) or "You are Doctor" in says(page)
    if way.is_framed:
        assert way.browser.cookies == {"authz_session": planted}
    else:
        assert way.browser.cookies["authz_session"] != planted
        assert title(attacker.browser.open(way.world.public.authorize_url(scope=DATA))) == "Sign in"


@pytest.mark.parametrize(
    "next_",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "https:evil",
        "%2f%2fevil",
        "/%09/evil",
        "/%0d%0aLocation:x",
        "javascript:alert(1)",
        "///evil",
        "/.evil",
        f"http://{ISSUER.partition('//')[2]}@evil",
    ],
)
def test_nothing_that_is_sent_along_leads_elsewhere(way: Way, next_: str) -> None:
    """LC-06: in the form, and in the address; the interaction alone knows where it goes on."""
    page = way.sign_in_page()
    fields = [*Forms(page.text).fields, ("next", next_), ("return_to", next_), ("redirect_uri", next_)]
    fields = [one for one in fields if one[0] not in {"username", "password"}]
    fields += [("username", way.user), ("password", f"{way.user}-password"), ("action", "sign_in")]
    assert title(way.post("/login", *fields)) == CONSENT
    odd = way.another()
    reply = odd.post(f"/login?{urlencode({'next': next_})}", *fields)
    assert (reply.status, reply.header("location")) == (400, None)
    reply = odd.browser.request("GET", f"{ISSUER}/login?{urlencode({'next': next_})}")
    assert (reply.status, reply.header("location")) == (405, None)


@pytest.mark.parametrize(
    ("password", "status"),
    [("x" * 1_000_000, 413), ("x" * 10_000, 401), ("doctor\0-password", 400), ("alice-password" + "x" * 60, 401)],
    ids=["a megabyte", "10 000 letters", "NUL", "more than 72 bytes"],
)
def test_an_absurd_password_is_wrong_and_no_trouble(way: Way, password: str, status: int) -> None:
    """LC-07: and the right one still works afterwards."""
    assert way.sign_in(way.sign_in_page(), password).status == status
    assert title(way.sign_in(way.sign_in_page())) == CONSENT


@pytest.mark.parametrize("step", ["sign-in", "consent"])
def test_a_page_left_open_for_an_hour_is_over(way: Way, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LC-09, LC-26: an expired interaction, at each step; in a frame as well."""
    page = way.sign_in_page() if step == "sign-in" else way.consent_page()
    store = vars(way.world.services.backend)["_plain"]
    monkeypatch.setattr(store, "_now", lambda: time.time() + 3600)  # the store's own clock
    reply = way.sign_in(page) if step == "sign-in" else way.browser.submit(page, press="allow")
    assert (reply.status, OUT_OF_DATE in reply.text) == (400, True)
    assert nothing_issued(way.world)


def test_a_handle_is_good_where_it_belongs(way: Way) -> None:
    """LC-09, LC-11, LC-26: alone in its own browser only; framed for who holds it, once (decision 14)."""
    page, thief = way.consent_page(), way.another()
    reply = thief.browser.submit(page, press="allow")
    again = way.browser.submit(page, press="allow")
    if way.is_framed:
        assert ("code" in reply.location_parameters, again.status) == (True, 400)
    else:
        assert (reply.status, again.status) == (400, 400)  # whoever has it ends it, and gets nothing
    assert count(way.world, CodeRow) == int(way.is_framed)


def test_the_handle_of_one_way_is_nothing_on_the_other(way: Way) -> None:
    """LC-11, LC-26: a framed form posted with somebody's cookies, and a form of theirs posted without."""
    way.world.browser()
    page = way.sign_in_page()
    other = Way(way.world, not way.is_framed, "alice" if way.is_framed else "doctor")
    other.consent_page()
    reply = other.browser.open(f"{ISSUER}/authorize?interaction={handle_of(page)}")
    assert (reply.status, OUT_OF_DATE in reply.text) == (400, True)
    if not way.is_framed:
        assert other.browser.submit(page, {"username": "alice", "password": "alice-password"}).status == 400
    assert nothing_issued(way.world)


@pytest.mark.parametrize("handle", ["", "x", "A" * 43, "A" * 44, "../" * 20, "\u00e9" * 43])
@pytest.mark.parametrize("path", FORMS)
def test_a_handle_that_was_guessed_gets_one_answer(way: Way, path: str, handle: str) -> None:
    """LC-11, LC-26, LC-27: the same page whatever was guessed, and nothing begins."""
    way.consent_page()
    reply = way.post(path, ("interaction", handle), ("action", "allow"), ("patient", "A"), ("code", "1"))
    assert (reply.status, OUT_OF_DATE in reply.text, "set-cookie" in reply.headers) == (400, True, False)
    assert nothing_issued(way.world)


def test_a_handle_has_256_bits_and_is_new_at_each_step(way: Way) -> None:
    """LC-26, decision 14."""
    handles = {handle_of(way.sign_in_page()) for _ in range(3)}
    page = way.sign_in_page()
    wrong = way.sign_in(page, "wrong")
    handles |= {handle_of(page), handle_of(wrong), handle_of(way.sign_in(wrong))}
    assert len(handles) == 6
    assert all(re.fullmatch(r"[\w-]{43}", handle) for handle in handles)


def test_the_consent_form_can_only_take_away(way: Way) -> None:
    """LC-10: fields that the page does not have, and values it does not offer, change nothing."""
    page = way.consent_page()
    forged = [
        ("action", "allow"),
        ("keep", "system/*.cruds"),
        ("keep", "patient/*.cruds"),
        ("keep", "offline_access"),
        ("scope", "system/*.cruds"),
        ("client_id", "confidential"),
        ("redirect_uri", "https://evil.example/"),
        ("launch", "x"),
        ("patient", "B"),
        ("user", "parent"),
    ]
    reply = way.post("/consent", *Forms(page.text).fields, *forged)
    assert reply.location.startswith(f"{APP}/cb?")
    answer = redeemed(way.world, reply)
    assert (answer["scope"].partition(" ")[2], answer["patient"]) == (DATA, "A")


@pytest.mark.parametrize("step", ["sign-in", "wrong password", "consent"])
def test_who_may_frame_a_page_and_what_it_may_load(way: Way, step: str) -> None:
    """LC-13, LC-22, decisions 14 and 21: nobody, or the EHR alone; one nonce for one page; kept by no cache (LC-19)."""
    page = way.sign_in_page()
    page = {"sign-in": page, "wrong password": way.sign_in(page, "wrong")}.get(step) or way.consent_page()
    policy = page.header("content-security-policy") or ""
    nonces = re.findall(r"'nonce-([\w-]{22})'", policy)
    framers = EHR_ORIGIN if way.is_framed else "'none'"
    assert len(nonces) == 1
    assert policy.replace(nonces[0], "N") == (
        "default-src 'none'; style-src 'self' 'nonce-N'; img-src 'self' data:; "
        f"form-action 'self' {APP}; frame-ancestors {framers}; base-uri 'none'; object-src 'none'"
    )
    assert page.header("x-frame-options") == (None if way.is_framed else "DENY")
    assert page.header("cross-origin-opener-policy") == ("unsafe-none" if way.is_framed else "same-origin")
    assert page.header("cache-control") == "no-store"
    assert ("set-cookie" in page.headers) is (step == "sign-in" and not way.is_framed)
    assert nonces[0] not in (way.sign_in_page().header("content-security-policy") or "")


@pytest.mark.parametrize("patient", ["B", "A,B", "../A", "unknown", "Patient/A", ""])
def test_no_patient_can_be_put_into_a_page(way: Way, patient: str) -> None:
    """LC-14, LC-27: no choice was offered; on the trail, and nothing in a token."""
    page = way.consent_page()
    reply = way.post("/select-patient", ("interaction", handle_of(page)), ("patient", patient), ("action", "choose"))
    assert reply.status == 403
    assert ("authorize.refused", "page") in trail(way.world)
    assert nothing_issued(way.world)


def test_the_page_says_who_gets_what_of_whom(way: Way) -> None:
    """LC-15: app, its mark, where the answer goes, patient, data server, each scope in words, and how long."""
    told = says(way.consent_page(f"{DATA} offline_access"))
    for text in (
        CONSENT,
        "Records of",
        "Public App registered here",
        "Goes to app.example",
        "Comes from Test Hospital",
        FHIR,
        "See measurements and results",
        "See problems and diagnoses",
        "Keep this access when you are not using the app",
        "may keep elsewhere what it has received",
        "Allow Do not allow",
    ):
        assert text in told, text
    assert ("Records of Alice (you)" in told) is not way.is_framed


def test_nothing_that_is_asked_for_is_hidden(way: Way) -> None:
    """LC-15: one box for each of a hundred kinds, before the buttons; more than can be shown are refused."""
    types = [kind for kind in way.world.services.fhir_servers.get("main").resource_types if kind != "Observation"][:100]  # type: ignore[union-attr]  # it is there
    page = way.consent_page(" ".join(f"patient/{kind}.rs" for kind in types))
    before_the_buttons, _, _ = page.text.partition('value="allow"')
    boxes = re.findall(r'name="keep" value="([^"]+)"', before_the_buttons)
    assert {f"patient/{kind}.rs" for kind in types} <= {box.partition(" ")[0].partition("?")[0] for box in boxes}
    reply = way.ask(" ".join(f"patient/Observation.rs?code={number}" for number in range(900)))
    assert (reply.status, title(reply)) == (400, "This request can not be answered")


def test_an_app_that_can_not_prove_itself_asks_each_time(way: Way) -> None:
    """LC-17, RFC 8252 §8.6: whoever registers the private scheme on the phone would get the code."""
    native = {**PUBLIC, "redirect_uris": ["com.example.app:/cb"], "application_type": "native", "launch_uris": None}
    native["launch_uris"] = [f"{APP}/launch"]
    with way.world.services.db.write() as session:
        way.world.services.clients.add(session, ClientMetadata.load(native), HospitalDecisions(), client_id="native")
    app = SmartApp(way.world.transport, "native", "com.example.app:/cb", FHIR)
    way.browser.submit(way.consent_page(app=app), press="allow")
    assert count(way.world, ConsentRow) == 1
    assert "Share health records with" in title(way.ask(DATA, app))


def test_a_no_goes_to_the_app_and_is_remembered_by_nobody(way: Way) -> None:
    """LC-18: ``access_denied`` with state and issuer, on the trail; asked again, it is asked."""
    told = way.browser.submit(way.consent_page(), press="deny").location_parameters
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", way.world.public.state, ISSUER)
    assert ("consent.denied", "access_denied") in trail(way.world)
    assert nothing_issued(way.world)
    assert title(way.consent_page()) == CONSENT


def test_back_and_reload_give_no_second_code(way: Way) -> None:
    """LC-19: neither the form again, nor the addresses on the way to it."""
    page = way.sign_in_page()
    addresses = [way.browser.url]
    page = way.sign_in(page)
    addresses.append(way.browser.url)
    assert "code" in way.browser.submit(page, press="allow").location_parameters
    assert way.browser.submit(page, press="allow").status == 400
    for url in addresses:
        reply = way.browser.open(url)
        assert "code" not in (reply.location_parameters if reply.header("location") else {})
    assert count(way.world, CodeRow) == 1


def test_two_tabs_of_two_apps_do_not_mix(way: Way) -> None:
    """LC-23: interleaved, each code belongs to its own app and scope."""
    other = way.world.confidential
    first, second = way.sign_in_page("patient/Observation.rs"), way.sign_in_page("patient/Condition.rs", other)
    second, first = way.sign_in(second), way.sign_in(first)
    way.browser.url = ISSUER
    told = {"first": way.browser.submit(first, press="allow")}
    way.browser.url = ISSUER
    told["second"] = way.browser.submit(second, press="allow")
    assert told["first"].location.startswith(f"{APP}/cb?")
    assert told["second"].location.startswith("https://conf.example/cb?")
    assert redeemed(way.world, told["first"])["scope"].endswith(" patient/Observation.rs")
    assert redeemed(way.world, told["second"], other)["scope"].endswith(" patient/Condition.rs")


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("fields", [[], [("action", "bogus")], [("action", "allow")], [("action", "cancel")]], ids=str)
def test_no_step_is_taken_by_the_form_of_another(way: Way, path: str, fields: list[tuple[str, str]]) -> None:
    """LC-27: sent at the sign-in, with parts missing or made up: never further, and never a code."""
    page = way.sign_in_page()
    reply = way.post(path, ("interaction", handle_of(page)), *fields)
    assert reply.status < 500
    assert "code" not in (reply.location_parameters if reply.header("location") else {})
    assert CONSENT not in reply.text
    assert nothing_issued(way.world)


def test_the_page_of_ones_apps_is_never_framed(world: World) -> None:
    """LC-13, LC-25: and what is somebody else's is not found, with the right form too."""
    alice, parent = Way(world, is_framed=False, user="alice"), Way(world, is_framed=False, user="parent")
    alice.browser.submit(alice.consent_page(), press="allow")
    parent.browser.submit(parent.sign_in(parent.sign_in_page()), press="child-1")
    page = alice.browser.open(f"{ISSUER}/my-apps?fhir_server=main")
    (key,) = re.findall(r'href="/my-apps/([0-9a-f]{32})"', page.text)
    assert "frame-ancestors 'none'" in (page.header("content-security-policy") or "")
    assert (page.header("x-frame-options"), page.header("cache-control")) == ("DENY", "no-store")
    mine = parent.browser.open(f"{ISSUER}/my-apps?fhir_server=main")
    assert key not in mine.text
    for path in (f"/my-apps/{key}", f"/my-apps/{key}/stop", f"/my-apps/receipt/{key}"):
        assert parent.browser.open(urljoin(ISSUER, path)).status == 404
    stop = alice.browser.open(f"{ISSUER}/my-apps/{key}/stop")
    assert parent.post(f"/my-apps/{key}/stop", *Forms(stop.text).fields).status in {403, 404}
    assert count(world, ConsentRow) == 1
    assert "Take it back" in says(alice.browser.open(f"{ISSUER}/my-apps/{key}"))
