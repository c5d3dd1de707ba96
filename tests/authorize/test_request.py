from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from authz.authorize.draft import Registries as Against
from authz.authorize.refusal import ErrorRedirect, PageRefusal
from authz.authorize.request import AuthorizationRequest, parse
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.world import APP, FHIR, ISSUER, OTHER_FHIR, PUBLIC, World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # of RFC 7636 appendix B
GOOD = {
    "response_type": "code",
    "client_id": "public",
    "redirect_uri": f"{APP}/cb",
    "scope": "launch/patient patient/*.rs",
    "state": "af0ifjsldkj",
    "aud": FHIR,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all these tests, since parsing changes nothing; with some apps of its own."""
    made = build(settings_in(tmp_path_factory.mktemp("request")))
    with made.app.app_context():
        clients = made.services.clients
        with made.services.db.write() as session:
            for name in ("off", "elsewhere", "backend"):
                servers = ("other",) if name == "elsewhere" else ()
                clients.add(session, ClientMetadata.load(PUBLIC), HospitalDecisions(servers), client_id=name)
            clients.set_enabled(session, "off", enabled=False)
            clients.row(session, "backend").grant_types = ["client_credentials"]
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def against(world: World) -> Against:
    made = world.services
    return Against(made.clients, made.fhir_servers, made.keyring, made.settings.issuer)


def ask(world: World, *more: tuple[str, str], **changes: str | None) -> AuthorizationRequest:
    """Parse the good request with some parameters changed, left out (None), or sent besides."""
    parameters = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return parse([*parameters.items(), *more], against(world))


def refusal(world: World, *more: tuple[str, str], **changes: str | None) -> dict[str, str]:
    """The parameters of the error redirect, which goes to the registered address and nowhere else."""
    with pytest.raises(ErrorRedirect) as raised:
        ask(world, *more, **changes)
    location = raised.value.location(ISSUER)
    assert location.startswith(f"{APP}/cb?")
    sent = dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))
    code = raised.value.support_code
    assert sent["error_description"].endswith(f" (support code {code})")
    assert sent["iss"] == ISSUER
    return sent


def error(world: World, *more: tuple[str, str], **changes: str | None) -> str:
    return refusal(world, *more, **changes)["error"]


def test_a_good_request_is_understood_as_a_whole(world: World) -> None:
    """SMART 7.1: the required parameters, and those of OpenID Connect that change something."""
    request = ask(world, nonce="n", prompt="login consent", max_age="0", login_hint="alice", launch="handle")
    client = world.services.clients.find("public")
    server = world.services.fhir_servers.get("main")
    assert client is not None
    assert server is not None
    assert request.client == client
    assert request.redirect_uri == f"{APP}/cb"
    assert request.fhir_server == server
    assert str(request.scope) == GOOD["scope"]
    assert (request.state, request.code_challenge, request.nonce) == (GOOD["state"], CHALLENGE, "n")
    assert (request.prompt, request.max_age) == (frozenset({"login", "consent"}), 0)
    assert (request.login_hint, request.launch) == ("alice", "handle")
    assert (request.wanted_sub, request.essential_acr) == (None, None)


@pytest.mark.parametrize("client_id", [None, "", "nope", "' OR 1=1--", "\U0001f600", "x" * 300])
def test_an_unknown_client_gets_a_page_whatever_else_is_wrong(world: World, client_id: str | None) -> None:
    """security.md AZ-02, AZ-03, AZ-35."""
    with pytest.raises(PageRefusal):
        ask(world, client_id=client_id, redirect_uri="https://evil.example/", response_type="bogus")


def test_a_client_that_was_switched_off_gets_the_same_page_as_an_unknown_one(world: World) -> None:
    with pytest.raises(PageRefusal) as off:
        ask(world, client_id="off")
    with pytest.raises(PageRefusal) as unknown:
        ask(world, client_id="nope")
    assert off.value.description == unknown.value.description


REDIRECTS = {
    "AZ-05 absent": None,
    "AZ-05 empty": "",
    "AZ-06": "https://evil.example/cb",
    "AZ-07": f"{APP}/cb/",
    "AZ-09": f"{APP}/cb?foo=bar",
    "AZ-10 other value": f"{APP}/cb2?x=2",
    "AZ-10 more": f"{APP}/cb2?x=1&y=2",
    "AZ-10 none": f"{APP}/cb2",
    "AZ-11": f"{APP}/cb#frag",
    "AZ-13 case": "https://APP.example/cb",
    "AZ-13 port": "https://app.example:443/cb",
    "AZ-13 dot": "https://app.example./cb",
    "AZ-14": f"{APP}/CB",
    "AZ-15 escape": f"{APP}/%63b",
    "AZ-15 space": f"{APP}/cb%20",
    "AZ-17 user": "https://app.example@evil.example/cb",
    "AZ-17 backslash": "https://evil.example\\@app.example/cb",
    "AZ-18 suffix": "https://app.example.evil.example/cb",
    "AZ-18 dot": "https://appXexample/cb",
    "AZ-19": "https://\u0430pp.example/cb",
    "AZ-21": f" {APP}/cb",
    "AZ-22": "javascript:alert(1)",
    "AZ-25": "http://127.0.0.1:80@evil.example/cb",
}


@pytest.mark.parametrize("redirect_uri", REDIRECTS.values(), ids=REDIRECTS.keys())
def test_nobody_is_sent_to_an_address_that_is_not_registered(world: World, redirect_uri: str | None) -> None:
    """security.md AZ-05 to AZ-25, RFC 9700 §2.1: equal character by character, or a page."""
    with pytest.raises(PageRefusal):
        ask(world, redirect_uri=redirect_uri)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_second_client_or_address_makes_both_uncertain(world: World, name: str) -> None:
    """security.md AZ-26, AZ-27: in either order, and also when both are the same."""
    for value in ("https://evil.example/", GOOD[name]):
        with pytest.raises(PageRefusal):
            ask(world, (name, value))
        with pytest.raises(PageRefusal):
            parse([(name, value), *GOOD.items()], against(world))


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"client_id", "redirect_uri"} | {"nonce", "unknown"}))
def test_a_parameter_sent_twice_is_an_invalid_request(world: World, name: str) -> None:
    """RFC 6749 §3.1, AUTHZ-04; a doubtful state is not repeated; ERR-02."""
    sent = refusal(world, (name, "a"), (name, "b"))
    assert sent["error"] == "invalid_request"
    assert sent.get("state") == (None if name == "state" else GOOD["state"])


def test_only_one_resource_can_be_meant(world: World) -> None:
    """RFC 8707 §2."""
    assert error(world, ("resource", FHIR), ("resource", OTHER_FHIR)) == "invalid_target"


ERRORS: dict[str, tuple[dict[str, str | None], str]] = {
    "AZ-33": ({"response_type": None}, "invalid_request"),
    **{
        f"AZ-34 {value}": ({"response_type": value}, "unsupported_response_type")
        for value in ("token", "id_token", "id_token token", "code token", "code id_token", "none", "CODE", "code ")
    },
    "AZ-41": ({"code_challenge": None}, "invalid_request"),
    **{
        f"AZ-42 {value}": ({"code_challenge_method": value}, "invalid_request")
        for value in (None, "", "plain", "s256", "S512")
    },
    **{
        f"AZ-43 {name}": ({"code_challenge": value}, "invalid_request")
        for name, value in {
            "42": CHALLENGE[:42],
            "44": CHALLENGE + "a",
            "129": "a" * 129,
            "padding": CHALLENGE[:42] + "=",
            "plus": CHALLENGE[:42] + "+",
            "slash": CHALLENGE[:42] + "/",
            "line feed": CHALLENGE + "\n",
            "digit of another script": CHALLENGE[:42] + "\u0663",
        }.items()
    },
    "AZ-45": ({"aud": None}, "invalid_request"),
    "AZ-46": ({"aud": "https://evil.example/r4"}, "invalid_request"),
    "AZ-46 prefix": ({"aud": "https://fhir.example.evil/r4"}, "invalid_request"),
    "AZ-47 scheme": ({"aud": "http://fhir.example/r4"}, "invalid_request"),
    "AZ-47 query": ({"aud": f"{FHIR}?x"}, "invalid_request"),
    "AZ-47 dots": ({"aud": "https://fhir.example/r4/../r4"}, "invalid_request"),
    "AUTHZ-12 resource": ({"aud": None, "resource": "https://evil.example/r4"}, "invalid_target"),
    "AUTHZ-12 differ": ({"resource": OTHER_FHIR}, "invalid_request"),
    "AUTHZ-12 one is unknown": ({"resource": "https://evil.example/r4"}, "invalid_request"),
    "AZ-49 missing": ({"scope": None}, "invalid_scope"),
    "AZ-49 empty": ({"scope": ""}, "invalid_scope"),
    "AZ-49 blank": ({"scope": "  "}, "invalid_scope"),
    "AZ-62 minus": ({"max_age": "-1"}, "invalid_request"),
    "AZ-62 word": ({"max_age": "abc"}, "invalid_request"),
    "AZ-62 float": ({"max_age": "1e9"}, "invalid_request"),
    "AZ-62 huge": ({"max_age": "9" * 20}, "invalid_request"),
    "AZ-67 request": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    "AZ-67 request_uri": ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    **{
        f"AZ-69 {value}": ({"response_mode": value}, "invalid_request")
        for value in ("fragment", "query.jwt", "web_message", "form_post", "bogus")
    },
    "prompt none and another": ({"prompt": "none login"}, "invalid_request"),
    "prompt unknown": ({"prompt": "create"}, "invalid_request"),
    "prompt in capitals": ({"prompt": "Login"}, "invalid_request"),
    "id_token_hint": ({"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
    "AZ-66 words": ({"claims": "not-json"}, "invalid_request"),
    "AZ-66 deep": ({"claims": "[" * 3000}, "invalid_request"),
    "AZ-66 twice": ({"claims": '{"id_token":{},"id_token":{}}'}, "invalid_request"),
    "AZ-66 list": ({"claims": "[]"}, "invalid_request"),
    "AZ-66 inner list": ({"claims": '{"id_token":["sub"]}'}, "invalid_request"),
    "AZ-66 number": ({"claims": '{"id_token":{"sub":5}}'}, "invalid_request"),
    "claims sub is no text": ({"claims": '{"id_token":{"sub":{"value":5}}}'}, "login_required"),
}


@pytest.mark.parametrize(("changes", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_wrong_is_told_to_the_app_with_its_state(
    world: World, changes: dict[str, str | None], code: str
) -> None:
    """SMART 25, RFC 6749 §4.1.2.1, oauth.md 23.1: by redirect, once client and address are certain.

    AUTHZ-23, ERR-02, ERR-03, ERR-05, Q-09, REQ-92.
    """
    sent = refusal(world, **changes)
    assert (sent["error"], sent["state"]) == (code, GOOD["state"])
    assert set(sent) == {"error", "error_description", "error_uri", "state", "iss"}


def test_without_state_the_error_has_none_either(world: World) -> None:
    """AUTHZ-14, security.md AZ-39: no state is invented."""
    for state in (None, ""):
        sent = refusal(world, state=state)
        assert sent["error"] == "invalid_request"
        assert "state" not in sent


STATES = ['"><script>alert(1)</script>', "&code=attacker&iss=evil", "\U0001f600", "a+b c%20d", "x" * 4096]


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_state_comes_back_byte_for_byte(world: World, state: str) -> None:
    """AUTHZ-20, security.md AZ-37, AZ-38; REQ-82."""
    with pytest.raises(ErrorRedirect) as raised:
        ask(world, state=state, response_type="token")
    sent = parse_qsl(urlsplit(raised.value.location(ISSUER)).query, strict_parsing=True)
    assert [value for name, value in sent if name == "state"] == [state]
    assert sorted(name for name, _ in sent) == ["error", "error_description", "error_uri", "iss", "state"]


def test_a_query_of_the_redirect_uri_is_kept(world: World) -> None:
    """AUTHZ-24, security.md AZ-10."""
    with pytest.raises(ErrorRedirect) as raised:
        ask(world, redirect_uri=f"{APP}/cb2?x=1", response_type="token")
    assert raised.value.location(ISSUER).startswith(f"{APP}/cb2?x=1&error=unsupported_response_type&")


def test_an_error_description_has_only_what_oauth_allows(world: World) -> None:
    """RFC 6749 §4.1.2.1, security.md AZ-83: also where it repeats what was sent; ST-12."""
    for changes in ({"response_type": 'x"\\\u202e'}, {"prompt": 'x"\\'}, {"scope": "x" * 8001}):
        description = refusal(world, **changes)["error_description"]
        assert all(c in " !" or "#" <= c <= "[" or "]" <= c <= "~" for c in description)


def test_one_slash_or_capital_letters_of_the_host_do_not_change_the_audience(world: World) -> None:
    """AUTHZ-11, security.md AZ-47; ``resource`` is a synonym; Q-08."""
    main = ask(world).fhir_server
    assert ask(world, aud=f"{FHIR}/").fhir_server == main
    assert ask(world, aud="HTTPS://FHIR.example:443/r4").fhir_server == main
    assert ask(world, aud=None, resource=FHIR).fhir_server == main
    assert ask(world, resource=f"{FHIR}/").fhir_server == main


def test_an_app_gets_no_code_for_a_fhir_server_that_it_may_not_use(world: World) -> None:
    """REG-10."""
    assert error(world, client_id="elsewhere") == "invalid_request"
    assert ask(world, client_id="elsewhere", aud=OTHER_FHIR).fhir_server.name == "other"


def test_an_app_that_is_not_registered_for_codes_gets_none(world: World) -> None:
    """ERR-04."""
    assert error(world, client_id="backend") == "unauthorized_client"


def test_optional_values_that_nobody_knows_change_nothing(world: World) -> None:
    """security.md AZ-65, AZ-71, oauth.md 23.1."""
    plain = ask(world)
    more = {"ui_locales": "../../etc/passwd", "display": "x", "acr_values": "x", "claims_locales": "tlh", "foo": "bar"}
    assert ask(world, **more) == plain
    assert ask(world, claims='{"userinfo":{"email":null},"id_token":{"auth_time":{"essential":true}}}') == plain
    assert ask(world, claims='{"id_token":{"acr":{"essential":true}}}') == plain
    assert ask(world, claims='{"id_token":{"acr":{"values":["x"]},"sub":null}}') == plain
    assert ask(world, response_mode="query", prompt="", max_age="", nonce="") == plain


def test_claims_can_demand_a_person_and_a_way_to_sign_in(world: World) -> None:
    """OIDC Core §5.5.1 and §5.5.1.1; OID-05."""
    claims = {"id_token": {"sub": {"value": "s"}, "acr": {"essential": True, "values": ["a", "b"]}}}
    request = ask(world, claims=json.dumps(claims))
    assert (request.wanted_sub, request.essential_acr) == ("s", frozenset({"a", "b"}))
    assert ask(world, claims='{"id_token":{"acr":{"essential":true,"value":"a"}}}').essential_acr == frozenset("a")


def hint(world: World, **changes: object) -> str:
    now = int(world.clock().timestamp())
    claims = {"iss": ISSUER, "sub": "s", "aud": "public", "iat": now - 9000, "exp": now - 5000, **changes}
    return world.services.keyring.sign(claims)


def test_an_id_token_hint_says_who_the_user_must_be_even_after_it_expired(world: World) -> None:
    """oauth.md 23.1, OIDC Core §3.1.2.1; FIELD authorize.id_token_hint."""
    assert ask(world, id_token_hint=hint(world)).wanted_sub == "s"
    assert error(world, id_token_hint=hint(world, iss="https://other.example")) == "invalid_request"
    assert error(world, id_token_hint=hint(world, aud="confidential")) == "invalid_request"
    other = '{"id_token":{"sub":{"value":"t"}}}'
    assert error(world, id_token_hint=hint(world), claims=other) == "login_required"


def test_the_order_of_the_checks_is_part_of_the_contract(world: World) -> None:
    """SMART 25: of several mistakes the first in this order is told."""
    wrong: list[tuple[dict[str, str | None], str]] = [
        ({"scope": None}, "invalid_scope"),
        ({"aud": None, "resource": "https://evil.example"}, "invalid_target"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"request": "x"}, "request_not_supported"),
    ]
    changes: dict[str, str | None] = {}
    for more, code in wrong:
        changes |= more
        assert error(world, **changes) == code
