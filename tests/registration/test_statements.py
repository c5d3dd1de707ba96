"""Software statements: a trusted issuer speaks for an app, and for no more than it signed (RFC 7591 §2.3)."""

from __future__ import annotations

import json
import string
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from authz.clients.statement import BadStatement, is_signed_by, read
from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.registration.decision import AlreadyDecided, Reviewer, Terms
from authz.registration.lanes import Lane
from authz.registration.statements import NewIssuer
from tests.backend import Backend, answered, key_set
from tests.outside import FakeOutbound, Outside
from tests.vendor import METADATA, Vendor
from tests.world import FHIR, ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.transport import Reply
    from tests.world import World

ALLIANCE = "https://alliance.example"
JWKS = f"{ALLIANCE}/jwks"
KEYS: dict[str, ECKey | RSAKey] = {
    "rsa": RSAKey.generate_key(2048),
    "p256": ECKey.generate_key("P-256"),
    "p384": ECKey.generate_key("P-384"),
}
KID = {"RS": "rsa", "PS": "rsa"}
STATED = {**METADATA, "software_id": "growth", "fhir_user_types": ["Patient", "RelatedPerson"]}
ALGORITHMS = ["RS256", "RS384", "PS256", "PS384", "ES256", "ES384", "RS512", "HS256", "none"]


texts = st.text(max_size=60) | st.text("eyJhbGciOiJub25lIn0.=_-", max_size=60)


@given(texts)
def test_nothing_but_a_statement_is_read_as_one(text: str) -> None:
    """RG-18: whatever is sent, it is refused in words."""
    with pytest.raises(BadStatement) as refused:
        read(text)
    assert str(refused.value).startswith(("it ", "its "))


@given(st.integers(0), st.sampled_from(string.ascii_letters + string.digits + "-_."))
def test_a_statement_that_was_changed_anywhere_is_not_believed(place: int, character: str) -> None:
    """RG-18: one character is enough."""
    claims = json.dumps({"iss": ALLIANCE, "exp": 1, "iat": 1, "client_name": "An app"})
    good = jws.serialize_compact({"alg": "ES256", "kid": "p256"}, claims, KEYS["p256"], algorithms=["ES256"])
    place %= len(good)
    changed = good[:place] + character + good[place + 1 :]
    assume(changed != good)
    try:
        statement = read(changed)
    except BadStatement:
        return
    assert not is_signed_by(statement, key_set(**KEYS))


@dataclass
class Alliance:
    """Somebody who knows apps and signs for them."""

    world: World
    outside: Outside
    keys: dict[str, ECKey | RSAKey] = field(default_factory=lambda: dict(KEYS))

    def trust(self, iss: str = ALLIANCE, **changes: Any) -> None:
        given = {"jwks_uri": JWKS, **changes}
        with self.world.services.db.write() as session:
            self.world.services.registration.statements.add(session, NewIssuer(iss, **given))

    def statement(self, alg: str = "RS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(self.world.clock().timestamp())
        said = {"iss": ALLIANCE, "iat": now, "exp": now + 3600, **STATED, **claims}
        kid = KID.get(alg[:2], "p256" if alg == "ES256" else "p384")
        head = {"alg": alg, "kid": kid, **(header or {})}
        key = OctKey.import_key("secret-of-many-bytes-so-that-it-is-long") if alg == "HS256" else self.keys[kid]
        content = json.dumps({name: value for name, value in said.items() if value is not None})
        if alg == "none":
            unsigned = [urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (json.dumps(head), content, "x")]
            return b".".join(unsigned).decode()
        return jws.serialize_compact(
            {name: value for name, value in head.items() if value is not None}, content, key, algorithms=ALGORITHMS
        )

    def without(self, member: str) -> str:
        return self.statement(**{member: None})  # type: ignore[arg-type]  # no parameter of statement itself

    def vendor(self) -> Vendor:
        return Vendor(self.world.transport)

    def register(self, statement: str, **body: Any) -> dict[str, Any]:
        return self.vendor().register(software_statement=statement, **body)

    def refused(self, statement: object, **body: Any) -> tuple[int, dict[str, str]]:
        return told(self.vendor().send({**METADATA, "software_statement": statement, **body}))


def told(reply: Reply) -> tuple[int, dict[str, str]]:
    return reply.status, {name: value for name, value in reply.json().items() if name != "error_uri"}


def invalid(text: str) -> tuple[int, dict[str, str]]:
    return 400, {"error": "invalid_software_statement", "error_description": f"software_statement: {text}"}


def unapproved(text: str) -> tuple[int, dict[str, str]]:
    return 400, {"error": "unapproved_software_statement", "error_description": f"software_statement: {text}"}


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    outside = Outside({JWKS: answered(key_set(**KEYS))})
    world = build(settings_in(tmp_path), outbound=FakeOutbound(outside))
    with world.app.app_context():
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", {"registration": "invited"})
        yield Alliance(world, outside)
        world.services.db.engine.dispose()
    world.services.backend.close()


@pytest.mark.parametrize("alg", ["RS256", "RS384", "PS256", "PS384", "ES256", "ES384"])
def test_what_a_trusted_issuer_signed_goes_before_what_the_body_says(alliance: Alliance, alg: str) -> None:
    """RFC 7591 §2.3, §3.2.1: overridden, and the statement comes back as it was sent."""
    alliance.trust()
    statement = alliance.statement(alg, client_name="The Signed Name")
    answer = alliance.register(statement, client_name="Another", contacts=["a@vendor.example"])
    assert (answer["client_name"], answer["contacts"]) == ("The Signed Name", ["a@vendor.example"])
    assert (answer["software_statement"], answer["software_id"]) == (statement, "growth")
    assert {"iss", "iat", "exp"} & answer.keys() == set()
    assert answer["registration_state"] == "sandbox"


def test_one_statement_is_for_every_instance_of_the_app(alliance: Alliance) -> None:
    """RFC 7591 §2.3: it is presented by each of them; it is no single-use ticket."""
    alliance.trust()
    statement = alliance.statement(jti="one")
    assert alliance.register(statement)["client_id"] != alliance.register(statement)["client_id"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"alg": "none"}, "its alg must be one of RS256, RS384, ES256, ES384, PS256, PS384"),
        ({"alg": "HS256"}, "its alg must be one of RS256, RS384, ES256, ES384, PS256, PS384"),
        ({"alg": "RS512"}, "its alg must be one of RS256, RS384, ES256, ES384, PS256, PS384"),
        ({"header": {"jwk": {"kty": "RSA"}}}, "its header has jwk: only alg, kid and typ are read"),
        ({"header": {"jku": JWKS, "x5c": ["x"]}}, "its header has jku, x5c: only alg, kid and typ are read"),
        ({"header": {"typ": "logout+jwt"}}, "its header must have kid, and typ JWT if any"),
        ({"header": {"kid": None}}, "its header must have kid, and typ JWT if any"),
        ({"header": {"kid": "p256"}}, "its signature is not by a key of its issuer"),
        ({"exp": 1}, f"it was good until 1970-01-01T00:00:01+00:00: get a new one from {ALLIANCE}"),
        ({"exp": -(2**52)}, "its exp must be an integer, in the future"),
        ({"exp": None}, "its exp must be an integer, in the future"),
        ({"exp": True}, "its exp must be an integer, in the future"),
        ({"iat": None}, "its iat must be an integer, not in the future"),
        ({"iat": 4_102_444_800}, "its iat must be an integer, not in the future"),
        ({"nbf": 4_102_444_800}, "its nbf lies ahead"),
        ({"aud": "https://elsewhere.example"}, "its aud is another server than this"),
        ({"iss": None}, "it has no iss"),
    ],
)
def test_a_statement_that_can_not_be_believed_is_refused(alliance: Alliance, changes: dict[str, Any], why: str) -> None:
    """RG-18: algorithm, key within, times, audience."""
    alliance.trust()
    assert alliance.refused(alliance.statement(**changes)) == invalid(why)


def test_a_statement_for_us_is_one_for_us(alliance: Alliance) -> None:
    alliance.trust()
    assert alliance.register(alliance.statement(aud=[ISSUER, "https://elsewhere.example"]))["software_id"] == "growth"


def test_another_key_or_a_changed_statement_is_refused(alliance: Alliance) -> None:
    """RG-18: wrong key; and what is no JWT at all."""
    alliance.trust()
    good = alliance.statement()
    alliance.keys["rsa"] = RSAKey.generate_key(2048)
    why = invalid("its signature is not by a key of its issuer")
    assert alliance.refused(alliance.statement()) == why
    head, _, signature = good.split(".")
    other = alliance.statement(client_name="Evil").split(".")[1]
    assert alliance.refused(f"{head}.{other}.{signature}") == why
    assert alliance.refused("nonsense") == invalid("it is no signed JWT: not three segments")
    assert alliance.refused("x" * 20_000) == invalid("it is longer than 16 KB")
    assert alliance.refused(5)[1]["error"] == "invalid_client_metadata"


def test_an_issuer_that_is_not_trusted_is_told_so_and_asked_nothing(alliance: Alliance) -> None:
    """RFC 7591 §3.2.2; RG-11: no fetch for a stranger."""
    assert alliance.refused(alliance.statement()) == unapproved("its issuer is not trusted here")
    assert alliance.outside.asked == []


def test_an_issuer_whose_keys_can_not_be_had_is_not_believed(alliance: Alliance) -> None:
    alliance.trust()
    alliance.outside.answers.clear()
    assert alliance.refused(alliance.statement()) == invalid("its issuer's keys can't be had now")


def test_an_issuer_speaks_within_its_lanes_and_its_scope(alliance: Alliance) -> None:
    """RG-18, RG-06: valid but widening; signed claims cannot exceed policy."""
    alliance.trust(lanes=(Lane.PATIENT,), scope="launch launch/patient openid fhirUser offline_access patient/*.rs")
    provider = alliance.statement(scope="user/*.rs", fhir_user_types=["Practitioner"])
    assert alliance.refused(provider) == unapproved("its issuer is not trusted for provider apps")
    wide = alliance.statement(scope="patient/*.cruds")
    assert alliance.refused(wide) == unapproved("its issuer may not speak for this much scope")
    assert alliance.register(alliance.statement())["scope"] == METADATA["scope"]
    own = alliance.statement(scope="patient/*.rs __launch")
    assert alliance.refused(own)[1]["error_description"] == "scope: __launch is given by the hospital only"


def test_what_is_stated_in_full_by_who_may_approve_is_approved(alliance: Alliance) -> None:
    alliance.trust(approves=True)
    answer = alliance.register(alliance.statement())
    assert answer["registration_state"] == "approved"
    shown = alliance.world.services.registration.review.show(answer["client_id"])
    assert (shown.registration.source, shown.registration.source_id) == ("software_statement", ALLIANCE)


@pytest.mark.parametrize(
    "member", ["client_name", "redirect_uris", "launch_uris", "grant_types", "token_endpoint_auth_method", "scope"]
)
def test_what_is_not_in_the_statement_is_not_approved_by_it(alliance: Alliance, member: str) -> None:
    """A statement is no secret: whoever found one must not get an approved app with addresses of their own."""
    alliance.trust(approves=True)
    assert alliance.register(alliance.without(member))["registration_state"] == "sandbox"


def test_a_name_in_another_language_is_a_name_as_well(alliance: Alliance) -> None:
    """RG-15: beside an approving statement nobody adds what people would read."""
    alliance.trust(approves=True)
    stated = alliance.register(alliance.statement(), **{"client_name#fr": "Portail de l'hôpital"})
    assert stated["registration_state"] == "sandbox"
    said = alliance.statement(**{"client_name#fr": "L'app"})  # type: ignore[arg-type]  # no parameter of statement
    assert alliance.register(said)["registration_state"] == "approved"


LEADING: dict[str, Any] = {
    "post_logout_redirect_uris": ["https://evil.example/sign-in-again"],
    "backchannel_logout_uri": "https://evil.example/out",
    "logo_uri": "https://evil.example/logo.png",
    "policy_uri": "https://evil.example/policy",
    "tos_uri": "https://evil.example/terms",
    "tos_uri#fr": "https://evil.example/conditions",
    "client_uri#fr": "https://evil.example",
}


@pytest.mark.parametrize("member", LEADING)
def test_where_people_and_browsers_are_led_is_stated_or_at_the_apps_own_site(alliance: Alliance, member: str) -> None:
    """RG-18, RFC 9700 §4.11.2: beside an approving statement nobody adds addresses of their own, then or later."""
    alliance.trust(approves=True)
    elsewhere = {member: LEADING[member]}
    assert alliance.register(alliance.statement(), **elsewhere)["registration_state"] == "sandbox"
    assert alliance.register(alliance.statement(**elsewhere))["registration_state"] == "approved"
    as_stated = alliance.register(alliance.statement())
    assert as_stated["registration_state"] == "approved"
    changed = alliance.vendor().replace(as_stated, **elsewhere).json()
    assert (changed[member], changed["registration_state"]) == (elsewhere[member], "sandbox")


def test_pages_at_the_apps_own_site_need_no_statement(alliance: Alliance) -> None:
    """RG-18: who has the site of the redirect URIs has the app."""
    alliance.trust(approves=True)
    own = {"post_logout_redirect_uris": ["https://vendor.example/bye"], "tos_uri": "https://www.vendor.example/terms"}
    assert alliance.register(alliance.statement(), **own)["registration_state"] == "approved"


def test_an_unstated_address_leads_nobody_away_by_logout(alliance: Alliance) -> None:
    """RFC 9700 §4.11.2, AZ-61: an id_token of an app that a statement once approved is no way to another site."""
    alliance.trust(approves=True)
    world, target = alliance.world, "https://evil.example/sign-in-again"
    registered = alliance.register(alliance.statement())
    app = alliance.vendor().app(registered, FHIR)
    id_token = app.redeem(world.standalone(app, "openid launch/patient patient/*.rs fhirUser", "alice")).json()[
        "id_token"
    ]
    changed = alliance.vendor().replace(registered, post_logout_redirect_uris=[target]).json()
    assert changed["post_logout_redirect_uris"] == [target]
    asked = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": target})
    answer = world.browser().open(f"{world.issuer}/logout?{asked}")
    assert (answer.status, answer.header("location")) == (200, None)


@pytest.mark.parametrize("what", ["hold", "decline"])
def test_a_statement_does_not_undo_what_an_administrator_has_decided(alliance: Alliance, what: str) -> None:
    """RG-18, RG-23: neither by a detour, a change that it does not state and back, nor by asking again in between."""
    alliance.trust(approves=True)
    vendor, review = alliance.vendor(), alliance.world.services.registration.review
    answer = alliance.register(alliance.statement())
    getattr(review, what)(answer["client_id"], Reviewer("ann"), "It sells what it gets.")
    with suppress(AlreadyDecided):
        review.request_production(answer["client_id"])
    astray = vendor.replace(answer, **{"client_name#fr": "Autre"})
    back = vendor.replace(astray.json(), **{"client_name#fr": None})
    state = "held" if what == "hold" else "requested"
    assert (astray.json()["registration_state"], back.json()["registration_state"]) == (state, state)


def test_a_statement_does_not_undo_the_terms_of_an_approval(alliance: Alliance) -> None:
    """RG-18: an administrator let it have less than it states."""
    alliance.trust(approves=True)
    answer = alliance.register(alliance.statement())
    less = Terms(scope=METADATA["scope"].replace(" offline_access", ""))
    alliance.world.services.registration.review.approve(answer["client_id"], Reviewer("ann"), less)
    assert alliance.vendor().replace(answer).json()["registration_state"] == "requested"


def test_the_software_id_of_a_statement_that_comes_later_is_its_issuers(alliance: Alliance) -> None:
    """RFC 7591 §2.3, RG-18: a statement is public; whoever presents it in an update shuts nobody out."""
    alliance.trust()
    with alliance.world.services.db.write() as session:
        alliance.world.services.fhir_servers.update(session, "main", {"registration": "open"})
    vendor = alliance.vendor()
    stated = vendor.replace(vendor.register(), software_statement=alliance.statement()).json()
    assert vendor.replace(stated, contacts=["a@vendor.example"]).status == 200
    assert alliance.register(alliance.statement())["software_id"] == "growth"


def test_an_app_whose_statement_is_over_is_looked_after_all_the_same(alliance: Alliance) -> None:
    """RFC 7592 §2.2, RFC 7591 §2.3: what nobody reviews may change; what it stated stays, also if it is left out."""
    alliance.trust(approves=True)
    vendor, answer = alliance.vendor(), alliance.register(alliance.statement(), contacts=["a@vendor.example"])
    alliance.world.clock.forward(days=400)
    alliance.outside.answers.clear()  # the issuer may have other keys by now, or none
    changed = vendor.replace(answer, contacts=["b@vendor.example"], client_name="Evil").json()
    assert (changed["contacts"], changed["client_name"]) == (["b@vendor.example"], answer["client_name"])
    again = vendor.replace(changed, software_statement=None, tos_uri="https://vendor.example/tos").json()
    assert again["software_statement"] == answer["software_statement"]
    assert (again["tos_uri"], again["registration_state"]) == ("https://vendor.example/tos", "approved")


def test_a_statement_that_is_over_says_nothing_of_another_app(alliance: Alliance) -> None:
    """RG-18, RG-23: what a reviewer would look at needs a new one, and the vendor is told which; nothing is changed."""
    alliance.trust(approves=True)
    vendor, answer = alliance.vendor(), alliance.register(alliance.statement())
    until = datetime.fromtimestamp(int(alliance.world.clock().timestamp()) + 3600, UTC).isoformat()
    alliance.world.clock.forward(days=400)
    refused = told(vendor.replace(answer, **{"client_name#fr": "Autre", "allowed_origins": ["https://evil.example"]}))
    why = f"it was good until {until}: send a new one by {ALLIANCE} to change allowed_origins, client_name#fr"
    assert refused == invalid(why)
    assert vendor.read(answer).json() == answer
    renewed = {"software_statement": alliance.statement(**{"client_name#fr": "Autre"})}  # type: ignore[arg-type]  # no parameter of statement
    assert vendor.replace(answer, **renewed).json()["client_name#fr"] == "Autre"
    elsewhere = alliance.refused(str(answer["software_statement"]))
    assert elsewhere == invalid(f"it was good until {until}: get a new one from {ALLIANCE}")


def test_nobody_takes_the_software_id_of_another_issuers_app(alliance: Alliance) -> None:
    """RFC 7591 §2.3, security.md RG-18: impersonation, with a statement and without."""
    alliance.trust()
    rival = "https://rival.example"
    alliance.trust(rival, jwks=key_set(**KEYS), jwks_uri=None)
    alliance.register(alliance.statement())
    why = "software_id: it belongs to an app with a software statement by somebody else"
    told_so = alliance.refused(alliance.statement(iss=rival))
    assert told_so == (400, {"error": "invalid_software_statement", "error_description": why})
    with alliance.world.services.db.write() as session:
        alliance.world.services.fhir_servers.update(session, "main", {"registration": "open"})
    plain = told(alliance.vendor().send({**METADATA, "software_id": "growth"}))
    assert plain == (400, {"error": "invalid_client_metadata", "error_description": why})
    assert alliance.register(alliance.statement(software_id="rivals", iss=rival))["software_id"] == "rivals"


def test_who_is_trusted_no_more_states_nothing_more(alliance: Alliance) -> None:
    """What it stated before stays."""
    alliance.trust()
    answer = alliance.register(alliance.statement())
    statements = alliance.world.services.registration.statements
    with alliance.world.services.db.write() as session:
        statements.remove(session, ALLIANCE)
    assert alliance.refused(alliance.statement()) == unapproved("its issuer is not trusted here")
    assert alliance.vendor().read(answer).json() == answer
    with pytest.raises(NotFound), alliance.world.services.db.write() as session:
        statements.remove(session, ALLIANCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"jwks_uri": None},
        {"jwks": key_set(**KEYS)},
        {"jwks": {"keys": []}, "jwks_uri": None},
        {"jwks_uri": "http://alliance.example/jwks"},
        {"lanes": ()},
        {"iss": ""},
        {"iss": "a b"},
        {"scope": "a" * 9000},
    ],
)
def test_an_issuer_must_be_named_and_have_keys(alliance: Alliance, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        alliance.trust(**changes)


def test_an_issuer_is_trusted_once(alliance: Alliance) -> None:
    alliance.trust()
    with pytest.raises(AlreadyExists):
        alliance.trust()


SERVICE: dict[str, Any] = {
    "client_name": "Registry export",
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["client_credentials"],
    "redirect_uris": None,
    "launch_uris": None,
    "scope": "system/*.rs",
    "jwks": key_set(theirs=KEYS["p384"]),
    "fhir_user_types": None,
}
GUILD = "https://guild.example"
STRANGERS = ECKey.generate_key("P-384")
NOTHING: dict[str, Any] = dict.fromkeys(STATED)
MINE: dict[str, Any] = {"jwks": key_set(ES384=STRANGERS)}


@pytest.mark.parametrize("more", [{}, {"software_id": "strangers"}], ids=["the name", "the name and a software_id"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "in two steps"])
def test_a_statement_that_says_less_approves_no_other_keys(
    alliance: Alliance, more: dict[str, str], *, later: bool
) -> None:
    """RG-18, RFC 7591 §5: a statement is public; who registers by it as somebody else has their name and no key.

    Then another trusted issuer says of an app how it is called, and nothing of keys.
    """
    alliance.trust(approves=True)
    alliance.trust(GUILD)
    answer = alliance.register(alliance.statement(**SERVICE), **SERVICE)
    assert answer["registration_state"] == "approved"
    sparse: dict[str, Any] = {**NOTHING, "iss": GUILD, "client_name": SERVICE["client_name"], **more}
    first = {"software_statement": alliance.statement(**sparse), "software_id": None, **({} if later else MINE)}
    changed = alliance.vendor().replace(answer, **first)
    assert (changed.status, changed.json()["registration_state"]) == (200, "requested")
    changed = alliance.vendor().replace({**answer, **changed.json()}, **MINE)
    assert (changed.status, changed.json()["registration_state"]) == (200, "requested")
    stranger = Backend(alliance.world, answer["client_id"], {"ES384": STRANGERS})
    assert (stranger.ask().status, stranger.ask().json()["error"]) == (400, "unauthorized_client")


def test_new_keys_that_are_stated_are_approved(alliance: Alliance) -> None:
    """SMART REG-06: their issuer speaks for them, as at registration."""
    alliance.trust(approves=True)
    answer = alliance.register(alliance.statement(**SERVICE), **SERVICE)
    new = alliance.statement(**{**SERVICE, **MINE})
    assert alliance.vendor().replace(answer, software_statement=new).json()["registration_state"] == "approved"
    assert Backend(alliance.world, answer["client_id"], {"ES384": STRANGERS}).ask().status == 200


def test_keys_that_no_statement_named_are_the_vendors_to_change(alliance: Alliance) -> None:
    """SMART REG-06: a person has approved the app, and its holder brought the keys."""
    alliance.trust()
    answer = alliance.register(alliance.statement(**{**NOTHING, "contacts": ["ann@maker.example"]}), **SERVICE)
    alliance.world.services.registration.review.approve(answer["client_id"], Reviewer("ann"))
    assert alliance.vendor().replace(answer, **MINE).json()["registration_state"] == "approved"
