"""How large everything may be that comes in: below its bound, at it, above it, and ten times as large.

The bounds are those of `docs/reference/limits.md`; each of them is tried here, or by the test that is named here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from docs.bounds import BOUNDS
from tests.actors import FORM, basic
from tests.backend import register as register_backend
from tests.vendor import METADATA, Vendor
from tests.world import EHR_ORIGIN, FHIR, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from docs.bounds import Bound
    from tests.backend import Backend
    from tests.transport import Reply
    from tests.world import World

TESTS = Path(__file__).resolve().parent.parent
TOO_MUCH = re.compile(r"must not be (?:longer|larger) than|must not have more than|more than \d+ parameters")
TURNS = "enforcement/test_turns.py"
BY_ANOTHER_TEST = {  # which sends them to a running gunicorn, or looks at what is not an answer
    "line": "test_server.py::test_a_long_but_legal_request_line_is_served_and_a_longer_one_is_414",
    "headers": "test_server.py::test_too_many_or_too_large_headers_are_431",
    "header": "test_server.py::test_too_many_or_too_large_headers_are_431",
    "read": "attacks/test_strangers.py::test_what_is_read_of_a_request_is_bounded_together",
    "password": "login/test_password.py::test_an_absurd_password_is_wrong_and_never_hashed",
    "hashes": "login/test_password.py::test_at_most_four_hashes_run_at_once",
    "drawn": "attacks/test_names_at_a_cost.py::test_a_name_is_short_also_when_each_of_its_signs_is_written_out",
    "names": "attacks/test_names_at_a_cost.py::test_an_app_has_a_name_in_thirty_languages_and_in_no_more",
    "JWKS": "outbound/test_client.py::test_the_largest_answer_is_the_limit_to_the_byte",
    "JWKS seconds": "outbound/test_client.py::test_a_slow_peer_gets_no_more_than_the_whole_time",
    "keys": "clients/test_key_sets.py::test_what_is_no_key_set_proves_nothing",
    "JWKS at once": "clients/test_key_sets.py::test_slow_sets_of_all_clients_together_leave_threads_for_everybody_else",
    "JWKS of strangers": "clients/test_key_sets.py::test_slow_sets_of_apps_that_nobody_has_approved_hold_two_threads",
    "decision": "endpoints/test_forward_auth_bounds.py::test_a_decision_takes_two_seconds_at_most",
    "decisions": f"{TURNS}::test_a_slow_fhir_server_leaves_one_turn_and_all_half_of_the_threads",
    "decisions, one server": f"{TURNS}::test_a_slow_fhir_server_leaves_one_turn_and_all_half_of_the_threads",
    "decisions, one person": f"{TURNS}::test_one_person_has_two_decisions_that_ask",
    "records": "enforcement/test_decide.py::test_a_request_is_allowed_only_within_patient_type_letters_and_constraints",
}


def form(path: str, text: str) -> Callable[[World], Reply]:
    return lambda world: world.transport.send("POST", ISSUER + path, {"Content-Type": FORM}, text.encode())


def post(world: World, path: str, text: str) -> Reply:
    return form(path, text)(world)


def authorize(world: World, name: str, size: int) -> Reply:
    value = "x" * size
    if name in {"redirect_uri", "aud", "resource", "post_logout_redirect_uri", "request_uri"}:
        value = f"https://app.example/{value}"[:size]
    request = world.public.authorization_request(scope="launch openid", **{name: value})
    return world.transport.send("GET", f"{ISSUER}/authorize?{urlencode(request)}")


def body(path: str) -> Callable[[World, int], Reply]:
    """Of so many bytes, in parameters that are none too long."""

    def send(world: World, size: int) -> Reply:
        parts = [f"p{number}={'x' * 9_000}" for number in range(size // 9_000 + 1)]
        return post(world, path, "&".join(parts)[:size])

    return send


def padded(path: str, headers: dict[str, str]) -> Callable[[World, int], Reply]:
    """JSON of so many bytes."""

    def send(world: World, size: int) -> Reply:
        sent = {"Content-Type": "application/json", **headers}
        return world.transport.send("POST", ISSUER + path, sent, b"{}".ljust(size))

    return send


def launch(content: Callable[[int], str]) -> Callable[[World, int], Reply]:
    """What an EHR writes; ``content`` is JSON."""

    def send(world: World, size: int) -> Reply:
        headers = {**basic("ehr-main", "ehr-main-secret"), "Content-Type": "application/json"}
        return world.transport.send("POST", f"{ISSUER}/launch", headers, content(size).encode())

    return send


def fhir_context(size: int) -> str:
    items = [{"reference": f"ImagingStudy/{number}"} for number in range(size)]
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}
    return json.dumps({**record, "fhirContext": items})


def register(**members: Callable[[int], Any]) -> Callable[[World, int], Reply]:
    def send(world: World, size: int) -> Reply:
        return Vendor(world.transport).send({**METADATA, **{name: made(size) for name, made in members.items()}})

    return send


SENDERS: dict[str, Callable[[World, int], Reply]] = {
    "body": body("/token"),
    "body of /register": padded("/register", {}),
    "body of /launch": padded("/launch", basic("ehr-main", "ehr-main-secret")),
    "parameters": lambda world, size: post(world, "/token", "&".join(f"p{n}=1" for n in range(size))),
    "boxes": lambda world, size: post(world, "/consent", "&".join(["keep=a"] * size)),
    "name": lambda world, size: post(world, "/token", f"{'n' * size}=1"),
    "value": lambda world, size: post(world, "/token", f"code={'x' * size}"),
    "scope": lambda world, size: post(world, "/token", f"scope={'x' * size}"),
    "scopes": lambda world, size: post(world, "/token", f"scope={'+'.join(['a'] * size)}"),
    "redirect_uris": register(redirect_uris=lambda size: [f"https://vendor.example/{n}" for n in range(size)]),
    "redirect URI": register(redirect_uris=lambda size: ["https://vendor.example/".ljust(size, "x")]),
    "statement": register(software_statement=lambda size: "x" * size),
    "depth": launch(lambda size: '{"a":' + "[" * (size - 1) + "]" * (size - 1) + "}"),
    "nodes": launch(lambda size: '{"a":[' + ",".join(["1"] * (size - 2)) + "]}"),
    "integer": launch(lambda size: f'{{"a":{size}}}'),
    "fhirContext": launch(fhir_context),
}
AT_AUTHORIZE = (
    "state",
    "nonce",
    "login_hint",
    "ui_locales",
    "redirect_uri",
    "aud",
    "resource",
    "request_uri",
    "launch",
    "client_id",
)
AT_TOKEN = ("client_assertion",)
AT_LOGOUT = ("id_token_hint", "post_logout_redirect_uri")


def sender(name: str) -> Callable[[World, int], Reply]:
    if name in AT_AUTHORIZE:
        return lambda world, size: authorize(world, name, size)
    if name in AT_TOKEN:
        return lambda world, size: post(world, "/token", f"grant_type=x&{name}={'x' * size}")
    if name in AT_LOGOUT:
        return lambda world, size: world.transport.send("GET", f"{ISSUER}/logout?{name}={'x' * size}")
    return SENDERS[name]


def told(reply: Reply) -> str:
    """Status, and what is said that depends on the size alone."""
    if reply.header("content-type") == "application/json" and reply.status != 201:
        answer = reply.json()
        return f"{reply.status} {answer['error']}: {answer['error_description']}"
    if reply.status == 303:
        return f"303 {reply.location_parameters.get('error', '')}"
    said = TOO_MUCH.search(reply.text) if reply.status >= 400 else None
    return f"{reply.status} {said.group() if said else ''}"


TRIED = sorted(BOUNDS.keys() - BY_ANOTHER_TEST.keys())


@pytest.fixture
def opened(world: World) -> World:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    return world


@pytest.mark.parametrize("name", TRIED)
def test_up_to_its_bound_it_is_read_and_above_it_is_refused(opened: World, name: str) -> None:
    """security.md 3.5, HP-13, LA-07, RG-02, AZ-38: at bound-1, bound, bound+1 and 10 x, with the documented answer."""
    bound, send = BOUNDS[name], sender(name)
    within = {told(send(opened, size)) for size in (bound.most - 1, bound.most)}
    above = [send(opened, size) for size in (bound.most + 1, bound.most * 10)]
    assert len(within) == 1, within
    for reply in above:
        assert told(reply) not in within
        check_as_documented(bound, reply)


def check_as_documented(bound: Bound, reply: Reply) -> None:
    """Of several answers, that of the place it was sent to."""
    status, _, words = bound.above.partition(" ")
    assert reply.status in {int(status.rstrip(",")), 413}, reply.text
    code = re.search(r"`(\w+)`", words)
    if reply.header("content-type") == "application/json":
        assert code is not None
        assert reply.json()["error"] in {code.group(1), "invalid_request"}
    else:
        assert "page" in words
        assert reply.header("location") is None


@pytest.mark.parametrize("test", BY_ANOTHER_TEST.values(), ids=list(BY_ANOTHER_TEST))
def test_what_is_not_tried_here_is_tried_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text()


@pytest.mark.parametrize(
    "path", ["/token", "/introspect", "/revoke", "/web-messaging/introspect", "/web-messaging/revoke"]
)
def test_every_form_of_programs_has_the_bound_of_a_body(world: World, path: str) -> None:
    """security.md 3.5."""
    most = BOUNDS["body"].most
    replies = [body(path)(world, size) for size in (most - 1, most, most + 1, most * 10)]
    assert [reply.status == 413 for reply in replies] == [False, False, True, True]
    assert replies[-1].refusal() == {
        "error": "invalid_request",
        "error_description": f"the body must not be larger than {most} bytes",
    }


@pytest.mark.parametrize(
    "path", ["/login", "/consent", "/authorize", "/select-patient", "/developers/register", "/admin/sign-in"]
)
def test_every_form_of_people_has_it_too(opened: World, path: str) -> None:
    """security.md 3.5: a page says so."""
    most = BOUNDS["body"].most
    replies = [body(path)(opened, size) for size in (most, most + 1, most * 10)]
    assert [reply.status == 413 for reply in replies] == [False, True, True]
    assert replies[-1].header("content-type") == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '{"a":NaN}', '{"a":-Infinity}', '{"a":1e999}', '{"a":"\\ud800"}', "{'a':1}"]
)
@pytest.mark.parametrize("path", ["/launch", "/register", "/ehr-session/end"])
def test_json_that_two_readers_read_differently_is_refused(opened: World, path: str, text: str) -> None:
    """security.md 3.5, 0.8; RFC 7493."""
    headers = {
        **(basic("ehr-main", "ehr-main-secret") if path != "/register" else {}),
        "Content-Type": "application/json",
    }
    reply = opened.transport.send("POST", ISSUER + path, {**headers, "Origin": EHR_ORIGIN}, text.encode())
    assert reply.status == 400
    assert reply.refusal()["error_description"].startswith("the body can not be read: ")


def with_header(bulk: Backend, segment: int) -> str:
    """A good assertion whose first segment has so many characters."""
    bare = len(bulk.assertion(header={"cty": ""}).partition(".")[0])
    made = bulk.assertion(header={"cty": "x" * ((segment - bare) * 3 // 4)})
    assert abs(len(made.partition(".")[0]) - segment) <= 1
    return made


@pytest.mark.parametrize(("segment", "status"), [(510, 200), (512, 200), (515, 401), (2_050, 401), (5_120, 401)])
def test_the_header_of_an_assertion_is_short(world: World, segment: int, status: int) -> None:
    """security.md 3.5, CA-19: 512 characters are more than `alg`, `kid`, `typ` and `jku` take."""
    bulk = register_backend(world, "bulk", ("main",))
    assert bulk.ask(client_assertion=with_header(bulk, segment)).status == status


@pytest.mark.parametrize(("size", "status"), [(16_000, 200), (16_384, 200), (16_386, 400), (163_840, 413)])
def test_an_assertion_may_be_as_long_as_a_parameter(world: World, size: int, status: int) -> None:
    """security.md 3.5: a good one of 16 KB is read; a longer one is no assertion at all."""
    bulk = register_backend(world, "bulk", ("main",))
    spare = (size - len(bulk.assertion(more=""))) * 3 // 4
    made = bulk.assertion(more="x" * spare)
    assert 0 <= size - len(made) <= 1
    assert bulk.ask(client_assertion=made).status == status
