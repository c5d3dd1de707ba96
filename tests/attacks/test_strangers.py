"""A stranger makes the server keep what they send, as much and as fast as they can (security.md RL-02).

After each flood an EHR launches an app, and somebody at another address signs in.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from authz.audit.event import Peer
from authz.authorize import leaving
from authz.authorize.parameters import MAX_READ, READ
from authz.authorize.request import NOT_OFFERED
from authz.limits import REFUSALS, SIGN_OUTS, STEPS
from authz.login.federated.registry import NewProvider
from authz.storage.limiter import Limit, network
from authz.strangers import KILOBYTE, OF_ADDRESS, OF_NETWORK, OF_PERSON
from tests.actors import FORM, Browser, Forms, basic
from tests.developers.maker import Maker
from tests.upstream import CLIENT_ID, IDP, SECRET, FakeProvider, Network
from tests.world import ISSUER, World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.transport import Reply, Transport

MEGABYTE = 1024 * KILOBYTE
PEOPLE = 1_000
STRANGER, NEIGHBOUR, ELSEWHERE = "203.0.113.66", "203.0.113.67", "198.51.100.7"
ENOUGH = 2_000  # requests, of which all but a few are refused


@dataclass
class From:
    """Whoever is at this address, as the proxy tells it."""

    transport: Transport
    address: str

    def __post_init__(self) -> None:
        self.issuer = self.transport.issuer

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        return self.transport.send(method, url, {**(headers or {}), "X-Forwarded-For": self.address}, body)

    def post(self, path: str, form: Mapping[str, str]) -> Reply:
        return self.send("POST", ISSUER + path, {"Content-Type": FORM}, urlencode(form).encode())

    def browser(self) -> Browser:
        return Browser(self)


@dataclass
class Clinic:
    """A server behind a proxy, in whose store strangers have a megabyte."""

    world: World

    def at(self, address: str) -> From:
        return From(self.world.transport, address)

    def opening(self, **more: str) -> dict[str, str]:
        return self.world.public.authorization_request(scope="openid fhirUser") | more

    def kept(self) -> int:
        """Bytes in the store, counters aside."""
        with closing(sqlite3.connect(self.world.services.settings.short_lived_path)) as store:
            found = store.execute("SELECT sum(length(value)) FROM entries WHERE key NOT LIKE 'throttle:%'").fetchone()
        return int(found[0] or 0)

    def check_goes_on(self) -> None:
        """An EHR's launch, and a sign-in of somebody elsewhere."""
        handle = str(self.world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
        launched = self.world.public.launched(handle, "launch patient/*.rs")
        assert launched.status == 303, launched.text
        assert "code" in launched.location_parameters
        browser = self.at(ELSEWHERE).browser()
        page = browser.sign_in(browser.open(self.world.public.authorize_url(scope="openid")), "alice", "alice-password")
        assert page.status == 200
        assert "code" in browser.submit(page, press="allow").location_parameters

    def url(self, **more: str) -> str:
        return self.world.public.authorize_url(**more)

    def entries(self, prefix: str) -> int:
        with closing(sqlite3.connect(self.world.services.settings.short_lived_path)) as store:
            counted = store.execute("SELECT count(*) FROM entries WHERE key LIKE ?", (f"{prefix}%",)).fetchone()[0]
        return int(counted)

    def was_used(self, limit: Limit, tries: int) -> None:
        """The stranger did that so often before."""
        self.world.services.limiter.check(limit.times(PEOPLE), network(STRANGER), "", tries)

    def limited(self) -> list[str]:
        with self.world.services.db.engine.connect() as sql:
            statement = "SELECT reason FROM audit_event WHERE event = 'rate_limited' ORDER BY id"
            return [reason for (reason,) in sql.exec_driver_sql(statement)]


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    """Its people may sign in at a provider, too."""
    changes = {"strangers_megabytes": "1", "people_per_address": str(PEOPLE), "trusted_proxies": "127.0.0.0/8"}
    provider = FakeProvider()
    made = build(settings_in(tmp_path, **changes), outbound=Network(provider))
    provider.clock = made.clock
    with made.app.app_context():
        new = NewProvider(name="hospital", issuer=IDP, client_id=CLIENT_ID, label="Hospital ID")
        with made.services.db.write() as session:
            made.services.at_provider.federation.providers.add(session, new, SECRET)
            made.services.at_provider.federation.rulebook.update(session, "main", {"local_accounts": True})
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield Clinic(made)
        made.services.db.engine.dispose()
    made.services.backend.close()


def flood(send: Callable[[], Reply]) -> int:
    """Until it is refused, and once more; how often it was not."""
    for number in range(ENOUGH):
        reply = send()
        if reply.status == 429:
            assert reply.header("retry-after")
            assert send().status == 429
            return number
        assert reply.status < 400, reply.text
    raise AssertionError(f"{ENOUGH} requests were answered")


def test_a_sign_out_that_another_site_posts_is_kept_in_bounds(clinic: Clinic) -> None:
    """RL-02, RP-Initiated Logout §2: what is kept of it is small, and so is what an address may have kept."""
    stranger = clinic.at(STRANGER)
    assert stranger.post("/logout", {"ui_locales": "x" * 257}).status == 400
    flood(lambda: stranger.post("/logout", {"ui_locales": "x" * 256, "client_id": "public", "filling": "x" * 16_000}))
    assert clinic.kept() < OF_ADDRESS * MEGABYTE
    assert clinic.limited() == ["room_of_address"]
    clinic.check_goes_on()


def test_so_many_people_are_signed_out_from_an_address(clinic: Clinic) -> None:
    """RL-02: by the pages of other sites, which have nothing to show; whoever asks by a link is not counted."""
    limits, peer = clinic.world.services.limits, Peer(STRANGER)
    for _ in range(SIGN_OUTS.tries * PEOPLE):
        limits.signing_out(peer)
    assert clinic.at(STRANGER).post("/logout", {}).status == 429
    assert clinic.at(STRANGER).send("GET", f"{ISSUER}/logout").status == 200
    assert clinic.at(ELSEWHERE).post("/logout", {}).status == 303


def test_a_person_who_is_signed_in_fills_no_more_than_a_share_of_their_own(clinic: Clinic) -> None:
    """RL-02: pages that ask "sign out?", and apps opened and left open."""
    browser = clinic.at(STRANGER).browser()
    browser.sign_in(browser.open(clinic.url(scope="openid")), "alice", "alice-password")
    before = clinic.kept()
    flood(lambda: browser.open(f"{ISSUER}/logout"))
    assert browser.open(clinic.url(scope="openid")).status == 429
    assert clinic.kept() - before < OF_PERSON * MEGABYTE
    assert clinic.limited() == ["room_of_person"]
    other = clinic.at(STRANGER).browser()
    assert other.sign_in(other.open(clinic.url(scope="openid")), "parent", "parent-password").status == 200
    clinic.check_goes_on()


def test_what_means_nothing_to_the_authorization_endpoint_is_not_kept(clinic: Clinic) -> None:
    """RL-02, RFC 6749 §3.1: unrecognized parameters are ignored, whole."""
    stranger = clinic.at(STRANGER)
    assert stranger.post("/authorize", clinic.opening()).status == 200
    plain = clinic.kept()
    nonsense = {f"x{number}": "x" * 16_000 for number in range(3)} | {"display": "x" * 10_000}
    assert stranger.post("/authorize", clinic.opening(**nonsense)).status == 200
    assert clinic.kept() - plain < plain + 100


def test_all_that_a_request_is_read_for_is_kept(clinic: Clinic) -> None:
    """The list is that of the code: what is read anywhere of a request that goes on."""
    found = set()
    for file in Path(leaving.__file__).parent.glob("*.py"):
        found |= set(re.findall(r"(?:draft|parameters)\.get\(\"(\w+)\"\)", file.read_text()))
    assert found - {"post_logout_redirect_uri"} | set(NOT_OFFERED) | {"redirect_uri"} == READ


def test_what_is_read_of_a_request_is_bounded_together(clinic: Clinic) -> None:
    """RL-02: each of its parameters may be long, not all of them; the app is told. What is not read does not count."""
    claims = json.dumps({"userinfo": {"x": {"value": "x" * 16_000}}})
    scope = f"openid {' '.join(f'patient/Observation.rs?code={number:0100}' for number in range(50))}"
    request = clinic.opening(claims=claims, scope=scope, state="", nonce="")
    rest = MAX_READ - sum(len(name) + len(value) for name, value in request.items())
    assert 0 < rest < 4_096
    for state, filling in ((rest - 1, 0), (rest, 0), (rest, 20_000)):
        request |= {"state": "s" * state, "filling": "f" * min(filling, 16_000)}
        assert clinic.at(STRANGER).post("/authorize", request).status == 200
    for state in (rest + 1, 4_096):
        told = clinic.at(STRANGER).post("/authorize", request | {"state": "s" * state}).location_parameters
        assert told["error"] == "invalid_request"
        assert f"the parameters together must not be longer than {MAX_READ} bytes" in told["error_description"]


@pytest.mark.parametrize("length", [1, 4_000])
def test_an_address_opens_apps_until_its_share_is_full(clinic: Clinic, length: int) -> None:
    """RL-02: whether with many small requests or with few large ones."""
    stranger = clinic.at(STRANGER)
    flood(lambda: stranger.post("/authorize", clinic.opening(state="\u00e9" * (length // 2) + "s")))
    assert clinic.kept() < OF_ADDRESS * MEGABYTE
    assert clinic.limited() == ["room_of_address"]
    clinic.check_goes_on()


def test_neighbours_have_a_share_together(clinic: Clinic) -> None:
    """RL-02: who rents a /24, or an IPv6 /48, still leaves room to everybody else."""
    addresses = [f"2001:db8:1:{number}::1" for number in range(40)]
    turns = iter(addresses * ENOUGH)
    flood(lambda: clinic.at(next(turns)).post("/authorize", clinic.opening(state="s" * 4_000)))
    assert clinic.kept() < OF_NETWORK * MEGABYTE
    assert clinic.limited() == ["room_of_network"]
    clinic.check_goes_on()


def test_strangers_from_everywhere_leave_room_for_launches_and_for_who_is_signed_in(clinic: Clinic) -> None:
    """RL-02: together they have a share; EHR launches, and people who are signed in already, need none of it."""
    known = clinic.at(ELSEWHERE).browser()
    known.sign_in(known.open(clinic.url(scope="openid")), "alice", "alice-password")
    turns = iter([f"10.{number}.0.1" for number in range(250)] * ENOUGH)
    flood(lambda: clinic.at(next(turns)).post("/authorize", clinic.opening(state="s" * 4_000)))
    assert clinic.kept() < MEGABYTE + OF_PERSON * MEGABYTE
    refused = clinic.at(ELSEWHERE).browser().open(clinic.url(scope="openid"))
    assert (refused.status, "too many people open apps at this moment" in refused.text) == (429, True)
    assert "code" in known.submit(known.open(clinic.url(scope="openid")), press="allow").location_parameters
    handle = str(clinic.world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    assert clinic.world.public.tokens(handle, "launch patient/*.rs")["patient"] == "A"
    assert clinic.limited() == ["room_of_everybody"]


def test_a_page_that_is_loaded_again_is_kept_once(clinic: Clinic) -> None:
    """RL-02: neither it nor its links to providers; what the trail says of it has a limit as well."""
    browser = clinic.at(STRANGER).browser()
    page = browser.open(clinic.url(scope="openid"))
    assert "/sign-in/hospital?door=" in page.text
    handle = dict(Forms(page.text).fields)["interaction"]
    before = clinic.kept()
    for _ in range(50):
        assert browser.open(f"{ISSUER}/authorize?interaction={handle}").status == 200
    assert clinic.kept() <= before
    clinic.was_used(STEPS, STEPS.tries * PEOPLE - 50)
    assert browser.open(f"{ISSUER}/authorize?interaction={handle}").status == 429
    assert clinic.limited() == ["pages_of_apps_being_opened"]
    clinic.check_goes_on()


def test_wrong_passwords_keep_nothing_for_longer(clinic: Clinic) -> None:
    """RL-02: a page that is answered wrongly is one page, and ends when the first would have ended."""
    browser = clinic.at(STRANGER).browser()
    page = browser.open(clinic.url(scope="openid"))
    before = clinic.kept()
    for _ in range(3):
        clinic.world.clock.forward(seconds=200)
        page = browser.sign_in(page, "alice", "wrong")
        assert page.status == 401
        assert clinic.kept() < before + 200
    with closing(sqlite3.connect(clinic.world.services.settings.short_lived_path)) as store:
        ends = store.execute("SELECT max(expires_at) FROM entries WHERE key LIKE 'sealed-interaction:%'").fetchone()[0]
    assert ends - time.time() < 301


def test_whoever_leaves_for_a_provider_again_and_again_meets_the_limit(clinic: Clinic) -> None:
    """RL-02: each way there is kept for its answer."""
    browser = clinic.at(STRANGER).browser()
    page = browser.open(clinic.url(scope="openid"))
    (door,) = re.findall(r"/sign-in/hospital\?door=[A-Za-z0-9_-]+", page.text)
    flood(lambda: browser.request("GET", ISSUER + door))
    assert clinic.kept() < OF_ADDRESS * MEGABYTE
    assert clinic.limited() == ["room_of_address"]
    clinic.check_goes_on()


def test_my_apps_is_a_page_like_any_app(clinic: Clinic) -> None:
    """RL-02."""
    flood(lambda: clinic.at(STRANGER).send("GET", f"{ISSUER}/my-apps?fhir_server=main"))
    assert clinic.kept() < OF_ADDRESS * MEGABYTE
    clinic.check_goes_on()


def test_names_that_an_address_invents_make_no_counters_without_end(clinic: Clinic) -> None:
    """RL-02, RL-06: once its refusals are counted out, the names in them are not."""
    clinic.was_used(REFUSALS, REFUSALS.tries * PEOPLE)
    before = clinic.entries("throttle:")
    for number in range(20):
        sent = {"Content-Type": FORM, **basic(f"nobody-{number}", "x")}
        assert clinic.at(STRANGER).send("POST", f"{ISSUER}/token", sent, b"grant_type=client_credentials").status == 429
    assert clinic.entries("throttle:") <= before + 2
    clinic.check_goes_on()


def test_a_form_for_developers_is_remembered_only_after_it_was_counted(clinic: Clinic) -> None:
    """RL-02, RG-19: what makes a form good once is kept for an hour, and chosen by whoever sends it."""
    maker = Maker(clinic.world)
    maker.browser = clinic.at(STRANGER).browser()
    often = clinic.world.services.settings.registrations_per_hour + 10
    for number in range(often):
        page = maker.fill_in("patient-web")
        reply = maker.browser.submit(page, {"once": f"invented-{number}"}, press="send")
    assert reply.status == 429
    assert clinic.entries("developer-form:") == often - 10
    clinic.check_goes_on()
