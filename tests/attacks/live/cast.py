"""Who is registered at the server under attack (security.md 2.0), beside those of ``tests/world``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.clients.assertion import ASSERTION_TYPE
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.actors import SmartApp
from tests.attacks.live.jose import Keys, claims, compact
from tests.messaging import MESSAGES
from tests.world import CONFIDENTIAL, EVERYTHING, PUBLIC, populate

if TYPE_CHECKING:
    from flask import Flask

    from authz.services import Services
    from tests.attacks.live.clock import SharedClock
    from tests.transport import Reply

AFTER = "https://app.example/signed-out"
ASKER_SECRET = "ZZ9-secret-of-the-asking-client"
OFF_SECRET = "ZZ9-secret-of-the-disabled-client"
PEOPLE = {"bob": "Patient/B", "gone": "Patient/G"}
BY_KEY = {
    **CONFIDENTIAL,
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": f"{EVERYTHING} __introspect",
}
BULK = {
    "client_name": "Bulk",
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["client_credentials"],
    "scope": "system/Observation.rs system/Patient.rs __introspect __launch",
}


@dataclass
class KeyedApp(SmartApp):
    """An app that proves itself by a key, which it publishes; each of its requests carries a new assertion."""

    keys: Keys | None = None
    clock: SharedClock | None = None

    def claims(self, **changes: Any) -> dict[str, Any]:
        assert self.clock is not None
        return claims(self.client_id, self.clock.seconds(), **{"aud": f"{self.transport.issuer}/token", **changes})

    def assertion(self, alg: str = "ES384", header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Good but for the changes; ``header`` adds to, or with None takes from, the JOSE header."""
        assert self.keys is not None
        head = {"alg": alg, "kid": alg, "typ": "JWT", **(header or {})}
        kept = {name: value for name, value in head.items() if value is not None}
        return compact(kept, self.claims(**changes), self.keys.sign(alg))

    def proof(self, assertion: str | None = None) -> dict[str, str]:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion or self.assertion()}

    def post(self, path: str, form: Any, headers: Any = None) -> Reply:
        return super().post(path, {**self.proof(), **form}, headers)


def register_all(app: Flask, published: str, bulk: Keys) -> None:
    """``published``: where the keys of ``key`` and ``key2`` are to be had."""
    populate(app)
    made: Services = app.extensions["authz"]
    with app.app_context():
        with made.db.write() as session:
            made.fhir_servers.update(session, "main", {"registration": "open"})
            for client_id in ("public", "confidential"):
                more = {"scope": f"{EVERYTHING} {MESSAGES}", "post_logout_redirect_uris": [AFTER, f"{AFTER}?x=1"]}
                made.clients.update(session, client_id, more if client_id == "public" else {"scope": more["scope"]}, {})
        add_clients(made, published, bulk)
        add_people(made)
        made.db.engine.dispose()


def add_clients(made: Services, published: str, bulk: Keys) -> None:
    asking = {**CONFIDENTIAL, "scope": f"{EVERYTHING} __introspect"}
    native = {
        **PUBLIC,
        "client_name": "Native App",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"],
        "launch_uris": [],
    }
    new: list[tuple[str, dict[str, Any], HospitalDecisions, str | None]] = [
        ("native", native, HospitalDecisions(any_loopback_port=True), None),
        ("asking", {**asking, "client_name": "Asking App"}, HospitalDecisions(), ASKER_SECRET),
        ("posting", {**asking, "token_endpoint_auth_method": "client_secret_post"}, HospitalDecisions(), ASKER_SECRET),
        ("off", {**CONFIDENTIAL, "client_name": "Retired App"}, HospitalDecisions(), OFF_SECRET),
        ("key", {**BY_KEY, "client_name": "Key App", "jwks_uri": f"{published}/key"}, HospitalDecisions(), None),
        ("key2", {**BY_KEY, "client_name": "Key App 2", "jwks_uri": f"{published}/key2"}, HospitalDecisions(), None),
        ("bulk", {**BULK, "jwks": {"keys": bulk.public()}}, HospitalDecisions(("main",)), None),
    ]
    for client_id, metadata, decisions, secret in new:
        with made.db.write() as session:
            made.clients.add(session, ClientMetadata.load(metadata), decisions, client_id, secret)
    with made.db.write() as session:
        made.clients.set_enabled(session, "off", enabled=False)


def add_people(made: Services) -> None:
    for name, reference in PEOPLE.items():
        with made.db.write() as session:
            user = made.users.add(session, name, f"ZZ9-{name}")
            made.users.link(session, user.sub, "main", reference)
            made.passwords.set_password(session, user.sub, f"{name}-password")
            made.users.set_enabled(session, user.sub, enabled=name != "gone")
