from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.fhir_servers.model import EhrRow, FhirServerRow

if TYPE_CHECKING:
    from tests.registries import Registries


def test_an_aud_finds_the_enabled_server_it_names(made: Registries) -> None:
    """SMART AUTHZ-11, AUTHZ-12."""
    main, _ = made.add_fhir_server()
    made.add_fhir_server("other")
    assert made.fhir_servers.by_aud("https://main.example/fhir/") == main
    assert made.fhir_servers.by_aud("https://unknown.example/fhir") is None
    with made.db.write() as session:
        made.fhir_servers.set_enabled(session, "main", enabled=False)
    assert made.fhir_servers.by_aud("https://main.example/fhir") is None


def test_the_introspection_credential_is_kept_as_a_mac_only(made: Registries) -> None:
    """Decision 6; requirements.md row 62: at least 256 bits, shown once."""
    server, secret = made.add_fhir_server()
    assert len(secret) == 43
    with made.db.read() as session:
        row = session.get_one(FhirServerRow, "main")
        assert secret not in str(vars(row))
    assert made.fhir_servers.authenticate(server.introspection_client_id, secret) == server
    assert made.fhir_servers.authenticate(server.introspection_client_id, secret + "x") is None
    assert made.fhir_servers.authenticate("unknown", secret) is None


def test_a_disabled_server_does_not_introspect(made: Registries) -> None:
    server, secret = made.add_fhir_server()
    with made.db.write() as session:
        made.fhir_servers.set_enabled(session, "main", enabled=False)
    assert made.fhir_servers.authenticate(server.introspection_client_id, secret) is None


def test_a_rotated_secret_works_beside_the_new_one_for_the_overlap(made: Registries) -> None:
    """requirements.md row 62: rotation with overlap."""
    server, old = made.add_fhir_server()
    with made.db.write() as session:
        new = made.fhir_servers.rotate_secret(session, "main", timedelta(hours=1))
    made.clock.move(minutes=59)
    assert made.fhir_servers.authenticate(server.introspection_client_id, old) == server
    made.clock.move(minutes=1)
    assert made.fhir_servers.authenticate(server.introspection_client_id, old) is None
    assert made.fhir_servers.authenticate(server.introspection_client_id, new) == server


def test_an_overlap_of_nothing_ends_the_old_secret_at_once(made: Registries) -> None:
    server, old = made.add_fhir_server()
    with made.db.write() as session:
        made.fhir_servers.rotate_secret(session, "main", timedelta(0))
    assert made.fhir_servers.authenticate(server.introspection_client_id, old) is None


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("other", {"base_url": "https://main.example/fhir/"}),
        ("other", {"aliases": ("https://MAIN.example:443/fhir",)}),
        ("main", {"base_url": "https://other.example/fhir"}),
        ("other", {"introspection_client_id": "taken"}),
    ],
)
def test_no_aud_and_no_name_means_two_servers(made: Registries, name: str, given: dict[str, str]) -> None:
    """SMART AUTHZ-11: a token is for one FHIR server."""
    made.add_fhir_server(introspection_client_id="taken")
    with pytest.raises(AlreadyExists):
        made.add_fhir_server(name, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"base_url": "http://main.example/fhir"},
        {"aliases": ("main",)},
        {"upstream_url": "127.0.0.1:8080/fhir"},
        {"upstream_url": "http://127.0.0.1:8080/fhir?tenant=1"},
        {"ehr_origins": ("https://ehr.example/",)},
        {"fhir_versions": ()},
        {"fhir_versions": ("3.0.2",)},
        {"scope_ceilings": {"Device": "patient/*.rs"}},
        {"scope_ceilings": {"Patient": "openid"}},
        {"scope_ceilings": {"Patient": "system/*.rs"}},
        {"scope_ceilings": {"Patient": "patient/*.sr"}},
        {"name": "Main"},
        {"name": ""},
        {"introspection_client_id": "a:b"},
    ],
)
def test_a_server_with_a_bad_value_is_refused(made: Registries, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        made.add_fhir_server(**{"name": "main", **given})
    assert made.fhir_servers.all() == ()


def test_what_users_may_delegate_is_small_by_default(made: Registries) -> None:
    """Decision 16."""
    server, _ = made.add_fhir_server(scope_ceilings={"Patient": "patient/*.cruds"})
    assert {name: str(scopes) for name, scopes in server.scope_ceilings.items()} == {
        "Patient": "patient/*.cruds",
        "RelatedPerson": "patient/*.rs",
        "Person": "patient/*.rs",
        "Practitioner": "patient/*.cruds user/*.cruds",
        "PractitionerRole": "patient/*.cruds user/*.cruds",
    }


def test_a_change_is_checked_as_a_whole_and_kept(made: Registries) -> None:
    made.add_fhir_server()
    with made.db.write() as session:
        made.fhir_servers.update(session, "main", {"aliases": ("https://alias.example/fhir",), "reauthenticate": True})
    server = made.fhir_servers.get("main")
    assert server is not None
    assert (server.aliases, server.reauthenticate) == (("https://alias.example/fhir",), True)
    with pytest.raises(InvalidValue), made.db.write() as session:
        made.fhir_servers.update(session, "main", {"base_url": "ftp://x"})
    assert made.fhir_servers.get("main") == server
    with pytest.raises(NotFound), made.db.write() as session:
        made.fhir_servers.update(session, "unknown", {})


def test_an_ehr_is_good_for_its_fhir_servers_only(made: Registries) -> None:
    made.add_fhir_server()
    made.add_fhir_server("other")
    with made.db.write() as session:
        ehr, secret = made.ehrs.add(session, ["main"], "epic")
    assert made.ehrs.authenticate("epic", secret) == ehr
    assert ehr.fhir_servers == {"main"}
    assert made.ehrs.authenticate("epic", secret[:-1]) is None
    assert made.ehrs.authenticate("unknown", secret) is None
    with made.db.write() as session:
        made.ehrs.bind(session, "epic", ["other"])
    assert made.ehrs.all()[0].fhir_servers == {"other"}
    with made.db.write() as session:
        made.fhir_servers.remove(session, "other")
    assert made.ehrs.all()[0].fhir_servers == set()


def test_a_disabled_or_removed_ehr_is_refused(made: Registries) -> None:
    made.add_fhir_server()
    with made.db.write() as session:
        ehr, secret = made.ehrs.add(session, ["main"])
    with made.db.write() as session:
        made.ehrs.set_enabled(session, ehr.client_id, enabled=False)
    assert made.ehrs.authenticate(ehr.client_id, secret) is None
    with made.db.write() as session:
        made.ehrs.remove(session, ehr.client_id)
    assert made.ehrs.get(ehr.client_id) is None


def test_an_ehr_secret_rotates_with_an_overlap(made: Registries) -> None:
    made.add_fhir_server()
    with made.db.write() as session:
        ehr, old = made.ehrs.add(session, ["main"])
        new = made.ehrs.rotate_secret(session, ehr.client_id, timedelta(seconds=10))
    assert made.ehrs.authenticate(ehr.client_id, old) == made.ehrs.authenticate(ehr.client_id, new) == ehr
    made.clock.move(seconds=10)
    assert made.ehrs.authenticate(ehr.client_id, old) is None
    with made.db.read() as session:
        stored = str([vars(row) for row in session.scalars(select(EhrRow))])
    assert old not in stored
    assert new not in stored


@pytest.mark.parametrize("text", ["", "\0", "a\0", "é", "a" * 5000, "\ud800", "%00", "' OR 1=1"])
def test_any_text_may_be_asked_for_and_is_nobody(made: Registries, text: str) -> None:
    """G-1: what an outsider sends is unknown, never a failure; PostgreSQL can't even compare with some of it."""
    _, secret = made.add_fhir_server()
    assert made.fhir_servers.get(text) is None
    assert made.fhir_servers.by_aud(text) is None
    assert made.fhir_servers.authenticate(text, secret) is None
    assert made.fhir_servers.authenticate("rs", text) is None
    assert made.ehrs.authenticate(text, text) is None


def test_an_ehr_needs_a_known_fhir_server_and_a_free_name(made: Registries) -> None:
    made.add_fhir_server()
    with pytest.raises(NotFound), made.db.write() as session:
        made.ehrs.add(session, ["unknown"], "epic")
    assert made.ehrs.all() == []
    with pytest.raises(InvalidValue), made.db.write() as session:
        made.ehrs.add(session, ["main"], "a:b")
    with made.db.write() as session:
        made.ehrs.add(session, ["main"], "epic")
    with pytest.raises(AlreadyExists), made.db.write() as session:
        made.ehrs.add(session, ["main"], "epic")
