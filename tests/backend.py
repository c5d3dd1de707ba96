"""A backend service: it has keys of its own and signs for itself (SMART sections 15 and 16)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from authz.clients.assertion import ASSERTION_TYPE
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.outbound import Answer
from tests.actors import FORM
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

KEYS: dict[str, ECKey | RSAKey] = {"ES384": ECKey.generate_key("P-384"), "RS384": RSAKey.generate_key(2048)}
METADATA = {
    "client_name": "Bulk export",
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["client_credentials"],
    "scope": "system/*.rs __introspect __launch launch openid offline_access user/*.rs",
}


def public_key(key: ECKey | RSAKey, **members: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), **members}


def key_set(**keys: ECKey | RSAKey) -> dict[str, Any]:
    """The public keys by their names."""
    return {"keys": [public_key(key, kid=kid) for kid, key in keys.items()]}


def answered(jwks: dict[str, Any], cache: str | None = "max-age=600") -> Answer:
    """A key set as its publisher's web server gives it."""
    headers = {"content-type": "application/json", **({} if cache is None else {"cache-control": cache})}
    return Answer(200, headers, json.dumps(jwks).encode())


@dataclass
class Backend:
    """A service with one key of each kind that SMART names."""

    world: World
    client_id: str = "bulk"
    keys: dict[str, ECKey | RSAKey] = field(default_factory=lambda: dict(KEYS))

    def assertion(self, alg: str = "ES384", header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(self.world.clock().timestamp())
        members = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{ISSUER}/token",
            "exp": now + 300,
            "jti": secrets.token_hex(16),
            **claims,
        }
        head = {"alg": alg, "kid": alg, "typ": "JWT", **(header or {})}
        return jwt.encode(head, members, self.keys[alg], algorithms=[alg])

    def post(self, path: str, **form: str) -> Reply:
        fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(), **form}
        kept = {name: value for name, value in fields.items() if value}
        return self.world.transport.send("POST", ISSUER + path, {"Content-Type": FORM}, urlencode(kept).encode())

    def ask(self, scope: str = "system/*.rs", **form: str) -> Reply:
        return self.post("/token", grant_type="client_credentials", scope=scope, **form)

    def token(self, scope: str) -> str:
        reply = self.ask(scope)
        assert reply.status == 200, reply.text
        return str(reply.json()["access_token"])

    def launch(self, **record: object) -> str:
        """The handle of a launch that it makes for an EHR, by a token with ``__launch`` (decision 17)."""
        headers = {"Authorization": f"Bearer {self.token('__launch')}", "Content-Type": "application/json"}
        made = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A", **record}
        reply = self.world.transport.send("POST", f"{ISSUER}/launch", headers, json.dumps(made).encode())
        assert reply.status == 201, reply.text
        return str(reply.json()["launch"])


def register(world: World, client_id: str, fhir_servers: tuple[str, ...], **members: Any) -> Backend:
    """Register a service with its keys given inline, or as ``members`` say."""
    inline = {"jwks": {"keys": [public_key(key, kid=alg, alg=alg) for alg, key in KEYS.items()]}}
    metadata = {**METADATA, **({} if "jwks_uri" in members else inline), **members}
    with world.services.db.write() as session:
        _, secret = world.services.clients.add(
            session, ClientMetadata.load(metadata), HospitalDecisions(fhir_servers), client_id=client_id
        )
    assert secret is None
    return Backend(world, client_id)
