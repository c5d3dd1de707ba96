from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from authz.clients.client import Client
from authz.clients.metadata import InvalidRedirectURI
from authz.clients.model import ClientRow
from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.scopes import ScopeSet
from tests.registries import CALLBACK

if TYPE_CHECKING:
    from tests.registries import Registries


def test_a_registered_client_is_found_as_it_was_registered(made: Registries) -> None:
    """SMART REG-01, REG-02, REG-10, REQ-71."""
    made.add_fhir_server()
    made.add_client(
        "growth-chart",
        client_name="Growth chart",
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
        launch_uris=["https://app.example/launch"],
        scope="launch patient/*.read",
        fhir_servers=("main",),
        skip_consent_in_ehr_launch=True,
    )
    assert made.clients.find("growth-chart") == Client(
        client_id="growth-chart",
        client_name="Growth chart",
        token_endpoint_auth_method="none",
        application_type="web",
        grant_types=frozenset({"authorization_code", "refresh_token"}),
        redirect_uris=(CALLBACK,),
        launch_uris=("https://app.example/launch",),
        allowed_origins=frozenset({"https://app.example"}),
        scope=ScopeSet.parse("launch patient/*.read"),
        jwks=None,
        jwks_uri=None,
        about={},
        fhir_servers=("main",),
        skip_consent_in_ehr_launch=True,
        any_loopback_port=False,
        enabled=True,
        registered_at=made.clients.now(),
        web_messaging_origins=("https://app.example",),
    )


@pytest.mark.parametrize("client_id", ["unknown", "", "a" * 65, "x\0", "é", "a b", "\ud800"])
def test_an_id_that_nobody_has_is_unknown(made: Registries, client_id: str) -> None:
    assert made.clients.find(client_id) is None
    assert not made.clients.by_secret(client_id, "x")
    assert not made.clients.has_origin(f"https://{client_id}")


def test_a_generated_id_can_not_be_taken_for_a_persons(made: Registries) -> None:
    """RFC 9700 §4.15, oauth.md Part 22 row 17."""
    client, _ = made.add_client()
    assert client.client_id.startswith("c_")


def test_a_confidential_client_has_a_secret_of_256_bits_kept_as_a_mac(made: Registries) -> None:
    """requirements.md row 62; security.md KT-07; REQ-62."""
    client, secret = made.add_client()
    assert secret is not None
    assert len(secret) == 43
    assert made.clients.by_secret(client.client_id, secret)
    assert not made.clients.by_secret(client.client_id, secret[:-1])
    other, _ = made.add_client()
    assert not made.clients.by_secret(other.client_id, secret)
    with made.db.read() as session:
        assert secret not in str(vars(session.get_one(ClientRow, client.client_id)))


def test_a_public_client_has_no_secret(made: Registries) -> None:
    """security.md RG-09."""
    client, secret = made.add_client(token_endpoint_auth_method="none")
    assert secret is None
    assert client.is_public
    assert not made.clients.by_secret(client.client_id, "")
    with pytest.raises(InvalidValue), made.db.write() as session:
        made.clients.rotate_secret(session, client.client_id, timedelta(0))


def test_the_same_work_is_done_for_an_unknown_client(made: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 30: the mechanism; an unknown client is compared with a MAC that matches nothing."""
    compared: list[str] = []
    matches = type(made.secrets).matches

    def counted(self: Any, purpose: str, text: str, expected: str) -> bool:
        compared.append(text)
        return matches(self, purpose, text, expected)

    monkeypatch.setattr(type(made.secrets), "matches", counted)
    client, _ = made.add_client()
    made.clients.by_secret(client.client_id, "a")
    made.clients.by_secret("unknown", "b")
    made.clients.by_secret("not an id", "c")
    assert compared == ["a", "b", "c"]


def test_a_secret_rotates_with_an_overlap(made: Registries) -> None:
    """requirements.md row 62; REQ-62."""
    client, old = made.add_client()
    assert old is not None
    with made.db.write() as session:
        new = made.clients.rotate_secret(session, client.client_id, timedelta(days=1))
    assert made.clients.by_secret(client.client_id, old)
    made.clock.move(days=1)
    assert not made.clients.by_secret(client.client_id, old)
    assert made.clients.by_secret(client.client_id, new)


def test_a_preflight_is_for_origins_of_registered_clients(made: Registries) -> None:
    """SMART CORS-03: the registered list, else the origins of the redirect URIs; enabled clients only."""
    client, _ = made.add_client()
    made.add_client("pages", allowed_origins=["https://pages.example"], redirect_uris=["https://cb.example/cb"])
    asked = ["https://app.example", "https://pages.example", "https://cb.example", "https://evil.example", "null"]
    assert [made.clients.has_origin(origin) for origin in asked] == [True, True, False, False, False]
    with made.db.write() as session:
        made.clients.set_enabled(session, client.client_id, enabled=False)
        made.clients.update(session, "pages", {"allowed_origins": []}, {})
    assert [made.clients.has_origin(origin) for origin in asked] == [False, False, True, False, False]


def test_a_client_may_be_bound_to_fhir_servers(made: Registries) -> None:
    """SMART REG-10; a bound client never becomes free because its FHIR server goes."""
    made.add_fhir_server()
    bound, _ = made.add_client(fhir_servers=("main",))
    free, _ = made.add_client()
    assert [bound.may_use("main"), bound.may_use("other"), free.may_use("other")] == [True, False, True]
    with made.db.write() as session:
        made.fhir_servers.remove(session, "main")
    still_bound = made.clients.find(bound.client_id)
    assert still_bound is not None
    assert not still_bound.may_use("other")


def test_a_change_is_checked_as_a_whole(made: Registries) -> None:
    """security.md RG-23: full re-validation as at creation."""
    made.add_client("app", scope="openid", client_uri="https://app.example/")
    with made.db.write() as session:
        changed = made.clients.update(session, "app", {"client_name": "New"}, {"skip_consent_in_ehr_launch": True})
    assert (changed.client_name, str(changed.scope), changed.skip_consent_in_ehr_launch) == ("New", "openid", True)
    assert changed.about == {"client_uri": "https://app.example/"}
    assert made.clients.find("app") == changed
    with pytest.raises(InvalidRedirectURI), made.db.write() as session:
        made.clients.update(session, "app", {"redirect_uris": ["http://evil.example/"]}, {})
    assert made.clients.find("app") == changed


def test_a_client_that_becomes_public_loses_its_secret(made: Registries) -> None:
    client, secret = made.add_client()
    assert secret is not None
    with made.db.write() as session:
        made.clients.update(session, client.client_id, {"token_endpoint_auth_method": "none"}, {})
        made.clients.update(session, client.client_id, {"token_endpoint_auth_method": "client_secret_basic"}, {})
    assert not made.clients.by_secret(client.client_id, secret)


def test_any_loopback_port_is_for_native_apps(made: Registries) -> None:
    """RFC 8252 §7.3; VER-12, AMB-03."""
    with pytest.raises(InvalidValue):
        made.add_client(any_loopback_port=True)
    native, _ = made.add_client(application_type="native", any_loopback_port=True)
    assert native.any_loopback_port


def test_an_app_can_not_need_what_it_may_not_ask_for(made: Registries) -> None:
    """REQ-122: what is required is a decision about this app's own scope."""
    with pytest.raises(InvalidValue, match="required_scope must lie within scope"):
        made.add_client(scope="patient/Patient.rs", required_scope="patient/Patient.cruds")
    client, _ = made.add_client(scope="patient/*.rs", required_scope="patient/Patient.r")
    assert str(client.required_scope) == "patient/Patient.r"


def test_an_id_and_a_fhir_server_must_be_right(made: Registries) -> None:
    made.add_client("app")
    with pytest.raises(AlreadyExists):
        made.add_client("app")
    with pytest.raises(InvalidValue):
        made.add_client("a:b")
    with pytest.raises(NotFound):
        made.add_client(fhir_servers=("unknown",))
    with pytest.raises(NotFound), made.db.write() as session:
        made.clients.update(session, "unknown", {}, {})
    assert [client.client_id for client in made.clients.all()] == ["app"]


def test_a_removed_client_is_unknown(made: Registries) -> None:
    """RFC 7592 §2.3."""
    client, secret = made.add_client("app")
    assert secret is not None
    with made.db.write() as session:
        made.clients.remove(session, client.client_id)
    assert made.clients.find("app") is None
    assert not made.clients.by_secret("app", secret)
    assert not made.clients.has_origin("https://app.example")


def test_the_metadata_has_the_names_of_the_standard(made: Registries) -> None:
    """RFC 7591 §2, §3.2.1."""
    made.add_client("app", scope="openid", logo_uri="https://app.example/logo.png")
    with made.db.read() as session:
        assert made.clients.metadata(session, "app") == {
            "client_id": "app",
            "client_id_issued_at": 1772355600,
            "client_name": "An app",
            "token_endpoint_auth_method": "client_secret_basic",
            "application_type": "web",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "redirect_uris": [CALLBACK],
            "scope": "openid",
            "logo_uri": "https://app.example/logo.png",
            "fhir_servers": [],
            "skip_consent_in_ehr_launch": False,
            "any_loopback_port": False,
            "required_scope": "",
            "enabled": True,
        }


def test_who_authenticates_as_a_client_is_known_as_it_was_within_the_last_second(made: Registries) -> None:
    """Issue 9.3: a change by another process counts within a second, one by this process at once."""
    client, secret = made.add_client()
    assert secret is not None
    made.clients.rows.monotonic = time = Time()
    assert made.clients.by_secret(client.client_id, secret) == made.clients.recent(client.client_id) == client
    with made.db.write() as session:
        session.execute(update(ClientRow).values(enabled=False))  # as another process does it: this one is not told
    time.seconds = 0.99
    assert made.clients.by_secret(client.client_id, secret) == client
    time.seconds = 1
    found = made.clients.by_secret(client.client_id, secret)
    assert found is not None
    assert not found.enabled
    with made.db.write() as session:
        new = made.clients.rotate_secret(session, client.client_id, timedelta(0))
    assert made.clients.by_secret(client.client_id, secret) is None
    assert made.clients.by_secret(client.client_id, new) is not None


def test_nothing_that_can_be_no_id_is_remembered(made: Registries) -> None:
    """security.md 3.5: whoever sends long names fills no memory."""
    assert made.clients.recent("x" * 60_000) is None
    assert made.clients.rows.known == {}


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds
