"""Bodies made from the OpenAPI description, whole and spoilt: no error of ours, nothing kept that it forbids."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from authz.clients.metadata import ClientMetadata
from authz.clients.model import ClientRow
from docs.openapi import openapi
from tests.backend import KEYS, key_set
from tests.canary import FromAnywhere
from tests.outside import FakeOutbound, Outside
from tests.vendor import METADATA, Vendor, said
from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport import Reply

BODIES = int(os.environ.get("REGISTRATION_BODIES", "300"))
DESCRIPTION = openapi()
SCHEMAS: dict[str, Any] = DESCRIPTION["components"]["schemas"]
METADATA_SCHEMA = SCHEMAS["ClientMetadata"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
SPOILING: st.SearchStrategy[Any] = st.sampled_from(
    [
        *("javascript:alert(1)", "https://a@b/", "http://169.254.169.254/", "\u202ex", "x" * 2_049, "\ud800", "\0"),
        *([], {}, [[]], 2**53, -1, 1e308, True, None, ["https://app.example/cb"] * 2, [None], "system/*.cruds"),
    ]
)
OTHER_NAMES = st.sampled_from(
    [
        *("client_id", "client_secret", "approved", "enabled", "fhir_servers", "skip_consent_in_ehr_launch", "secrets"),
        *("registration_state", "client_name#fr", "tos_uri#zh-Hant", "client_name#", "about", "legacy", "__proto__"),
    ]
)


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**DESCRIPTION, "$ref": f"#/components/schemas/{name}"})


ANSWER, REFUSAL = validator("Registration"), validator("Error")


def from_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the description allows, or nearly."""
    if "$ref" in schema:
        return st.just(key_set(**KEYS))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    made: st.SearchStrategy[Any]
    match schema["type"]:
        case "array":
            most = min(schema.get("maxItems", 3), 3)
            made = st.lists(from_schema(schema["items"]), max_size=most)
        case "boolean":
            made = st.booleans()
        case "integer":
            made = st.integers(schema["minimum"], schema["maximum"])
        case _:
            pattern = schema.get("pattern")
            longest = min(schema.get("maxLength", 60), 60)
            made = st.from_regex(pattern).map(str.strip) if pattern else st.text(max_size=longest)
    examples = schema.get("examples", [])
    return st.sampled_from(examples) | made if examples else made


MEMBERS = {name: from_schema(schema) for name, schema in METADATA_SCHEMA["properties"].items()}
GOOD = {name: strategy for name, strategy in MEMBERS.items() if name != "software_statement"}
NEEDED = {"client_name", "redirect_uris"}
WHOLE = st.fixed_dictionaries(
    {name: st.sampled_from(METADATA_SCHEMA["properties"][name]["examples"]) for name in sorted(NEEDED)},
    optional={name: strategy for name, strategy in GOOD.items() if name not in NEEDED},
)
LIKELY = st.builds(
    lambda members, names: {name: value for name, value in members.items() if name in names},
    WHOLE,
    st.sets(st.sampled_from(sorted(GOOD)), max_size=4).map(lambda names: names | NEEDED),
)
SPOILT = st.builds(
    lambda body, changes, gone: {name: value for name, value in {**body, **changes}.items() if name not in gone},
    LIKELY | WHOLE,
    st.dictionaries(st.sampled_from(sorted(MEMBERS)) | OTHER_NAMES, JSON | SPOILING, max_size=3),
    st.sets(st.sampled_from(sorted(MEMBERS)), max_size=2),
)
CUT = st.builds(lambda body, at: json.dumps(body).encode()[:at], LIKELY, st.integers(0, 400))
BODY = LIKELY | LIKELY | SPOILT | SPOILT | JSON | CUT | st.binary(max_size=200)
RUN = settings(
    max_examples=BODIES,
    deadline=None,
    derandomize="REGISTRATION_BODIES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    changes = {"unapproved_apps": str(10**9), "trusted_proxies": "127.0.0.1/32"}
    made = build(settings_in(tmp_path_factory.mktemp("openapi"), **changes), FakeOutbound(Outside()))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def check_answer(world: World, vendor: Vendor, reply: Reply) -> None:
    """Whole, as described, and what is kept is what was told."""
    answer = reply.json()
    ANSWER.validate(answer)
    secret_gone = {name: value for name, value in answer.items() if name != "client_secret"}
    assert vendor.read(answer).json() == secret_gone
    again = ClientMetadata.load(said(answer))
    with world.services.db.read() as session:
        row = session.get_one(ClientRow, answer["client_id"])
        for name in ClientMetadata.__slots__:
            wanted = getattr(again, name)
            kept = getattr(row, name)
            if name == "preferences":  # the answer has the defaults besides
                wanted = {member: value for member, value in wanted.items() if member in kept}
            assert kept == (list(wanted) if isinstance(wanted, tuple) else wanted), name
        decided = (row.approved, row.skip_consent_in_ehr_launch, row.any_loopback_port, row.enabled, row.fhir_servers)
    assert decided == (False, False, False, True, ["main"])


def check_refusal(reply: Reply) -> None:
    assert reply.status in {400, 413}, reply.text
    REFUSAL.validate(reply.json())


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture(scope="module")
def vendor(world: World) -> Vendor:
    return Vendor(FromAnywhere(world.transport))


@RUN
@given(body=BODY)
def test_no_body_makes_an_error_of_ours_or_is_kept_against_its_description(
    world: World, vendor: Vendor, body: Any
) -> None:
    """REG-03, RG-02, RG-07, RG-10, RG-15, RG-17, security.md 0.8: at the registration endpoint."""
    reply = vendor.send(encoded(body))
    event(f"registered: {reply.status}")
    if reply.status == 201:
        check_answer(world, vendor, reply)
    else:
        check_refusal(reply)


@pytest.fixture(scope="module")
def registered(vendor: Vendor) -> dict[str, Any]:
    return vendor.register()


@RUN
@given(body=BODY)
def test_no_update_does_either(world: World, vendor: Vendor, registered: dict[str, Any], body: Any) -> None:
    """RG-23, RFC 7592 §2.2: checked as at registration."""
    content = {**body, "client_id": registered["client_id"]} if isinstance(body, dict) else body
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {registered['registration_access_token']}"}
    reply = vendor.transport.send("PUT", registered["registration_client_uri"], headers, encoded(content))
    event(f"replaced: {reply.status}")
    if reply.status == 200:
        check_answer(world, vendor, reply)
    else:
        check_refusal(reply)


def test_the_description_is_one() -> None:
    """OpenAPI 3.1: each schema is a JSON Schema, and a good answer and a good body are what they say."""
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    validator("ClientMetadata").validate({**METADATA, "client_name#pt-BR": "Gráfico"})
    spoilt = ({"client_name": 5}, {"redirect_uris": ["//evil"]}, {"subject_type": "pairwise"}, {"tos_uri#fr": "x"})
    for members in spoilt:
        assert not validator("ClientMetadata").is_valid({**METADATA, **members}), members
    assert not ANSWER.is_valid({**METADATA, "trusted": True})
