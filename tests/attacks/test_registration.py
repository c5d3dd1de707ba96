"""Registration attacked (security.md 2.4), at a server as it runs in production, with a canary beside it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from markupsafe import escape
from sqlalchemy import func, select

from authz.clients.model import ClientRow
from authz.registration.initial_tokens import NewInitialToken
from authz.registration.model import RegistrationRow
from tests.actors import Browser
from tests.backend import KEYS, key_set, public_key
from tests.canary import FromAnywhere, canary
from tests.live import at_once, live_server
from tests.servers import postgres_server
from tests.transport import OverHttp
from tests.vendor import METADATA, Vendor, bearer
from tests.world import FHIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authz.services import Services
    from tests.canary import Canary
    from tests.live import Live
    from tests.transport import Reply

ADDRESSES = ("jwks_uri", "logo_uri", "policy_uri", "tos_uri", "client_uri", "sector_identifier_uri")
OTHER_ADDRESSES = ("initiate_login_uri", "backchannel_logout_uri", "logo_uri#fr")


@pytest.fixture(scope="module")
def bird() -> Iterator[Canary]:
    with canary() as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bird: Canary) -> Iterator[Live]:
    """Anybody may register at the FHIR server "main", the invited at "other"; nothing of ours calls the canary."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server()).new_database() if request.param == "postgres" else ""
        folder = tmp_path_factory.mktemp("live")
        made = stack.enter_context(live_server(folder, url, trusted_proxies="127.0.0.1/32"))
        stack.enter_context(made.app.app_context())
        for name, way in (("main", "open"), ("other", "invited")):
            with services(made).db.write() as session:
                services(made).fhir_servers.update(session, name, {"registration": way})
        yield made
    assert bird.heard == []


def services(live: Live) -> Services:
    made: Services = live.app.extensions["authz"]
    return made


@pytest.fixture
def vendor(live: Live) -> Vendor:
    return Vendor(FromAnywhere(live.public.transport))


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.refusal()["error"]


def count(live: Live) -> int:
    with services(live).db.read() as session:
        return session.scalar(select(func.count()).select_from(RegistrationRow)) or 0


def invitation(live: Live, **members: Any) -> str:
    own = services(live)
    with own.db.write() as session:
        new = NewInitialToken("a partner", own.now() + timedelta(hours=1), **members)
        return own.registration.initial_tokens.issue(session, new)[1]


def test_without_an_invitation_nobody_gets_in_where_one_is_needed(live: Live, vendor: Vendor) -> None:
    """RG-01: none, a made-up one, one for another FHIR server, one that is used up, one that is over."""
    before = count(live)
    other = Vendor(vendor.transport, "/fhir-servers/other/register")
    foreign, used = invitation(live, fhir_server="main"), invitation(live)
    other.register(used)
    with services(live).db.write() as session:
        new = NewInitialToken("late", services(live).now() + timedelta(seconds=1))
        row, over = services(live).registration.initial_tokens.issue(session, new)
        row.expires_at = services(live).now()
    assert refusal(other.send(METADATA)) == (401, "invalid_token")
    answers = [other.send(METADATA, bearer(token)) for token in ("x" * 43, foreign, used, over, "é".encode().hex())]
    assert {(*refusal(answer), answer.refusal()["error_description"]) for answer in answers} == {
        (
            401,
            "invalid_token",
            "the initial access token is unknown, expired, used up, revoked or for another FHIR server",
        )
    }
    assert refusal(vendor.send(METADATA, bearer("x" * 43))) == (401, "invalid_token")
    assert count(live) == before + 1


def test_an_invitation_that_is_wrong_is_told_before_anything_is_looked_at(vendor: Vendor, bird: Canary) -> None:
    """RG-01, RG-11: whoever was not let in makes this server ask nobody, and learns nothing about their metadata."""
    content = {"redirect_uris": 5, "sector_identifier_uri": bird.addresses()[0]}
    assert refusal(vendor.send(content, bearer("x" * 43))) == (401, "invalid_token")


@pytest.mark.parametrize(
    "uri",
    [
        "javascript://x/%0aalert(1)",
        "data://x/y",
        "file://h/x",
        "http://app.example/cb",
        "https://*.example/cb",
        "https://app.example/cb\r\nX:y",
        "https://app.example/../cb",
        "https://app.example:99999/",
        "https://a@b/",
        "//evil",
        "https://app.example/cb#f",
        "https://app.example\\@evil.example/cb",
        "https://APP.example/cb",
        "https://app.example/%2e%2e/cb",
        "",
        "https://app.example/cb?code=1",
        "https://app.example/cb?state=1",
        "https://app.example/cb?error=1",
        "https://app.example/cb?iss=1",
        "https://app.example/cb?x=1&%63ode=1",
        "com.example.app:/cb",
    ],
)
def test_a_redirect_uri_that_leads_astray_is_refused(vendor: Vendor, uri: str) -> None:
    """RG-02, RG-03, RG-05: schemes, wildcards, fragments, users, dot segments; parameters that are ours to add."""
    assert refusal(vendor.send({**METADATA, "redirect_uris": [uri]})) == (400, "invalid_redirect_uri")
    assert refusal(vendor.send({**METADATA, "redirect_uris": METADATA["redirect_uris"] + [uri]})) == (
        400,
        "invalid_redirect_uri",
    )


@pytest.mark.parametrize("uris", [5, "https://app.example/cb", [5], [None], {"0": "https://app.example/cb"}])
def test_redirect_uris_that_are_no_array_of_strings_are_refused(vendor: Vendor, uris: Any) -> None:
    """RG-02, security.md 0.8: no error of ours."""
    assert refusal(vendor.send({**METADATA, "redirect_uris": uris})) == (400, "invalid_redirect_uri")


def test_a_native_app_has_a_scheme_of_its_own(vendor: Vendor) -> None:
    """RG-05, REG-11: and may have claimed https addresses and loopback besides; nothing without a dot."""
    uris = ["com.example.app:/cb", "https://app.example/cb", "http://127.0.0.1:8000/cb"]
    assert vendor.register(application_type="native", redirect_uris=uris)["redirect_uris"] == uris
    for bad in ("app:/cb", "intent://x/y", "http://192.168.0.1/cb"):
        reply = vendor.send({**METADATA, "application_type": "native", "redirect_uris": [bad]})
        assert refusal(reply) == (400, "invalid_redirect_uri")


def test_a_stranger_gets_no_scope_of_the_system_or_of_ours(vendor: Vendor) -> None:
    """RG-06: refused, whatever else the app says it is."""
    for scope in ("system/*.cruds user/*.cruds", "__launch", "__introspect", "__swm_introspect"):
        assert refusal(vendor.send({**METADATA, "scope": scope})) == (400, "invalid_client_metadata")


def test_a_backend_service_of_a_stranger_gets_nothing_before_somebody_approves_it(live: Live, vendor: Vendor) -> None:
    """RG-06, decision 13: the registration stands, and says that it waits."""
    answer = vendor.register(
        token_endpoint_auth_method="private_key_jwt",
        grant_types=["client_credentials"],
        jwks=key_set(**KEYS),
        redirect_uris=None,
        launch_uris=None,
        scope="system/*.rs",
    )
    assert answer["registration_state"] == "requested"
    client = services(live).clients.find(answer["client_id"])
    assert client is not None
    assert not client.is_approved


def test_what_is_the_hospitals_to_say_is_not_the_apps(live: Live, vendor: Vendor) -> None:
    """RG-07, REQ-24: no mass assignment; what comes back is what the server has."""
    wanted = {
        "client_id": "public",
        "client_secret": "mine",
        "client_id_issued_at": 1,
        "registration_access_token": "mine",
        "registration_state": "approved",
        "approved": True,
        "approves_at": 0,
        "enabled": False,
        "trusted": True,
        "skip_consent": True,
        "skip_consent_in_ehr_launch": True,
        "any_loopback_port": True,
        "fhir_servers": ["other"],
        "required_scope": "openid",
        "legacy": {"allow-missing-pkce": {}},
        "user_types": ["Practitioner"],
        "about": {"client_uri": "javascript:x"},
        "preferences": {},
        "secrets": [],
        "tenant": "x",
        "is_resource_server": True,
        "allowed_aud": "*",
        "id": 1,
        "user_id": 1,
        "js_to_load": "https://evil.example/x.js",
        "__class__": "x",
    }
    plain = vendor.register()
    answer = vendor.register(None, **wanted)
    own = ("client_id", "client_id_issued_at", "registration_access_token", "registration_client_uri")
    assert without(answer, own) == without(plain, own)
    assert vendor.read(answer).json() == answer
    with services(live).db.read() as session:
        kept = [
            {column.name: getattr(session.get_one(ClientRow, one["client_id"]), column.name) for column in columns()}
            for one in (plain, answer)
        ]
    times = ("client_id", "created_at", "updated_at", "approves_at", "enabled_at")
    assert without(kept[0], times) == without(kept[1], times)


def columns() -> Any:
    return ClientRow.__table__.columns


def without(members: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


RSA = RSAKey.generate_key(2048)


@pytest.mark.parametrize(
    "members",
    [
        {"jwks": key_set(**KEYS), "jwks_uri": "https://vendor.example/jwks"},
        {"jwks": {"keys": [RSA.as_dict(private=True) | {"kid": "1"}]}},
        {"jwks": {"keys": [OctKey.generate_key(256).as_dict() | {"kid": "1"}]}},
        {"jwks": {"keys": [public_key(RSA, kid="1"), public_key(RSA, kid="1")]}},
        {"jwks": {"keys": [public_key(RSA, kid="1") | {"n": "u2HP" * 43}]}},
        {"jwks": {"keys": [ECKey.generate_key("P-384").as_dict(private=False) | {"kid": 1}]}},
        {"jwks": 1},
        {"jwks": []},
        {"jwks": {}},
        {"jwks": {"keys": [[]]}},
    ],
)
@pytest.mark.filterwarnings("ignore:Key size should be")
def test_keys_that_are_none_to_be_registered_are_refused(vendor: Vendor, members: dict[str, Any]) -> None:
    """RG-10, CA-13, REG-08, REG-09: both at once, private, symmetric, one name twice, weak, no key set."""
    sent = {**METADATA, "token_endpoint_auth_method": "private_key_jwt", **members}
    assert refusal(vendor.send(sent)) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("member", [*ADDRESSES, *OTHER_ADDRESSES, "request_uris"])
def test_no_address_is_called_because_somebody_registers_it(vendor: Vendor, bird: Canary, member: str) -> None:
    """RG-11, RG-14, CA-39: refused, or kept and not called; also in an update."""
    known = vendor.register()
    inside = ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:6379/", "file:///etc/passwd", "gopher://h/"]
    for url in [*bird.addresses(), "https://169.254.169.254/", *inside]:
        changes = {member: [url] if member == "request_uris" else url}
        for reply in (vendor.send({**METADATA, **changes}), vendor.replace(known, **changes)):
            assert reply.status in {200, 201} or refusal(reply) == (400, "invalid_client_metadata"), url
            assert reply.status == 400 or not url.startswith(("file", "gopher", "http://169")), url
            assert reply.status == 400 or member not in {"sector_identifier_uri", "request_uris"}, url
    assert bird.heard == []


def test_a_login_is_not_started_from_a_plain_address(vendor: Vendor) -> None:
    """RG-14: https only, on loopback as well."""
    for url in ("http://vendor.example/login", "http://127.0.0.1/login"):
        reply = vendor.send({**METADATA, "initiate_login_uri": url})
        assert refusal(reply) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{7*7}}", "a' onmouseover='x", "${jndi:ldap://x}"])
def test_a_name_is_shown_as_text(live: Live, vendor: Vendor, name: str) -> None:
    """RG-15: stored as it is, and nothing but text on the page."""
    answer = vendor.register(client_name=name)
    assert answer["client_name"] == name
    with services(live).db.write() as session:
        services(live).clients.row(session, answer["client_id"]).approved = True
    app = vendor.app(answer, FHIR)
    browser = Browser(live.public.transport)
    page = browser.sign_in(browser.open(app.authorize_url(scope="patient/*.rs")), "alice", "alice-password")
    assert "Allow" in page.text
    assert str(escape(name)) in page.text
    assert page.text.count(name) == (page.text.count(escape(name)) if escape(name) == name else 0)


@pytest.mark.parametrize(
    "name",
    [
        "\u202eppA dehctaW",
        "Public\u200b App",
        "Public App\u3164",
        "Public\u00a0App",
        "a" * 10_240,
        "a\nb",
        " ",
        "A\u0301",
    ],
)
def test_a_name_that_looks_like_another_is_refused(vendor: Vendor, name: str) -> None:
    """RG-15: turned round, with what nobody sees, too long, in two lines; and in no language either."""
    for member in ("client_name", "client_name#fr"):
        assert refusal(vendor.send({**METADATA, member: name})) == (400, "invalid_client_metadata")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"redirect_uris=https://app.example/cb",
        b"[" * 5_000,
        b'{"client_name":"a","client_name":"b"}',
        b'{"default_max_age":NaN}',
        b'{"default_max_age":1e999}',
        b'{"default_max_age":9007199254740993}',
        json.dumps(METADATA).encode("utf-16"),
        b'{"client_name":"\\ud800"}',
        b'{"client_name":"\\u0000"}',
        b"\xef\xbb\xbf{}",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"redirect_uris":' + b"[" * 40 + b"]" * 40 + b"}",
        json.dumps({**METADATA, "contacts": [f"a{n}@x" for n in range(2_000)]}).encode(),
    ],
)
def test_what_is_no_strict_json_is_refused(vendor: Vendor, body: bytes) -> None:
    """RG-17, security.md 0.8: whatever is wrong with it, in a bounded time, and without an error of ours."""
    reply = vendor.send(body)
    assert reply.status == 400
    assert reply.refusal()["error"] in {"invalid_request", "invalid_client_metadata"}


def test_other_types_of_body_and_large_ones_are_refused(live: Live) -> None:
    """RG-17: a form, a charset, a megabyte; the server hangs up on that, so the connection is one of its own."""
    vendor = Vendor(FromAnywhere(OverHttp(live.settings.issuer)))
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-16", ""):
        assert refusal(vendor.send(METADATA, {"Content-Type": kind})) == (400, "invalid_request")
    large = json.dumps({**METADATA, "client_uri": "x" * 2**20}).encode()
    assert refusal(vendor.send(large)) == (413, "invalid_request")


def b64(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "statement",
    [
        f"{b64({'alg': 'none'})}.{b64({'iss': 'https://trust.example', 'scope': 'system/*.cruds'})}.",
        f"{b64({'alg': 'RS256', 'jwk': key_set(**KEYS)['keys'][0]})}.{b64({'iss': 'https://trust.example'})}.AAAA",
        "a.b.c",
        "",
        "x" * 20_000,
    ],
    ids=["none", "its own key", "nothing", "empty", "long"],
)
def test_a_statement_that_nobody_trusted_signed_is_refused(vendor: Vendor, statement: str) -> None:
    """RG-18: also where anybody may register without one."""
    status, error = refusal(vendor.send({**METADATA, "software_statement": statement}))
    assert status == 400
    assert error in {"invalid_software_statement", "unapproved_software_statement"}
    assert refusal(vendor.send({**METADATA, "software_statement": 5})) == (400, "invalid_client_metadata")


def test_a_flood_of_registrations_ends_by_itself(live: Live) -> None:
    """RG-19, RL-02: at the documented quota, with a time to wait; nobody else is kept out, and nothing is kept."""
    flood = Vendor(FromAnywhere(live.public.transport, address="198.51.100.7"))
    replies = [flood.send({**METADATA, "client_name": ""}) for _ in range(40)]
    assert [reply.status for reply in replies].count(400) == 30
    assert (replies[-1].status, int(replies[-1].header("retry-after") or 0) > 0) == (429, True)
    before = count(live)
    assert flood.send(METADATA).status == 429
    assert count(live) == before
    Vendor(FromAnywhere(live.public.transport, address="203.0.113.9")).register()


def test_the_token_of_one_registration_opens_no_other(vendor: Vendor) -> None:
    """RG-21, RFC 7592 §2: neither to read, nor to change, nor to delete; one that there is not answers the same."""
    mine, other = vendor.register(client_name="Mine"), vendor.register(client_name="Other")
    token = {"registration_access_token": mine["registration_access_token"]}
    nowhere = mine["registration_client_uri"][:-3] + "000"
    for uri in (other["registration_client_uri"], nowhere):
        stolen = {**other, **token, "registration_client_uri": uri}
        for reply in (vendor.read(stolen), vendor.replace(stolen, client_name="Stolen"), vendor.delete(stolen)):
            assert (reply.status, reply.refusal()) == (
                401,
                {
                    "error": "invalid_token",
                    "error_description": "the registration access token is not one of this client",
                },
            )
    assert vendor.read(other).json() == other
    assert vendor.read(mine).json() == mine


def test_nobody_finds_out_which_clients_there_are(vendor: Vendor, live: Live) -> None:
    """RG-22, RFC 7592 §2.1: unknown id and wrong token are one answer, whose support code tells no name either."""
    known = vendor.register(client_name="Hidden Name")
    answers = []
    ids = (known["client_id"], "public", "c_0000000000000000", "x" * 300, "a%00b", "%ff")
    for client_id in ids:
        url = f"{live.settings.issuer}/register/{client_id}"
        reply = vendor.transport.send("GET", url, bearer("x" * 43))
        answers.append((reply.status, reply.refusal(), reply.header("www-authenticate"), reply.header("cache-control")))
        code = reply.json()["error_uri"]
        assert "Hidden Name" not in vendor.transport.send("GET", code).text
    assert answers == [answers[0]] * len(ids)
    assert answers[0][0] == 401
    url = known["registration_client_uri"]
    in_url = vendor.transport.send("GET", f"{url}?access_token={known['registration_access_token']}")
    none = vendor.transport.send("GET", url)
    for reply in (in_url, none):
        assert (reply.status, reply.header("www-authenticate")) == (401, 'Bearer realm="authz"')


def test_a_deleted_client_leaves_nothing_that_works(vendor: Vendor) -> None:
    """RG-25: the registration, a second time, and a new one does not get its id."""
    gone = vendor.register()
    assert vendor.delete(gone).status == 204
    for reply in (vendor.read(gone), vendor.replace(gone), vendor.delete(gone)):
        assert refusal(reply) == (401, "invalid_token")
    assert vendor.register()["client_id"] != gone["client_id"]


def test_of_updates_at_once_none_is_lost_unseen(vendor: Vendor, live: Live) -> None:
    """RFC 7592 §2.2, security.md 0.1: whoever did not win is told to read again, and what was told is what is kept."""
    known = vendor.register()
    mine = [Vendor(FromAnywhere(OverHttp(live.settings.issuer))) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [partial(one.replace, known, client_name=f"Name {number}") for number, one in enumerate(mine)]
        replies = at_once(jobs, pool)
    won = [reply.json() for reply in replies if reply.status == 200]
    told = {reply.refusal()["error_description"] for reply in replies if reply.status != 200}
    assert told <= {"the client was changed at the same time: read it, and try again"}
    assert won
    assert vendor.read(known).json() in won


def test_an_app_that_is_deleted_while_it_is_changed_is_gone(vendor: Vendor, live: Live) -> None:
    """RG-25, RFC 7592 §2.3: in whatever order, the last word is that there is none."""
    for _ in range(5):
        known = vendor.register()
        mine = [Vendor(FromAnywhere(OverHttp(live.settings.issuer))) for _ in range(6)]
        jobs: list[Callable[[], Reply]] = [partial(one.replace, known, client_name="Other") for one in mine[1:]]
        jobs.append(partial(mine[0].delete, known))
        with ThreadPoolExecutor(6) as pool:
            replies = at_once(jobs, pool)
        assert replies.pop().status == 204
        assert {reply.status for reply in replies} <= {200, 400, 401}
        assert refusal(vendor.read(known)) == (401, "invalid_token")
