"""A hospital's OpenID Connect provider without a network, which tells the truth, or lies as a test wants it to."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, KeyParameters, OctKey, RSAKey

from authz.outbound import Answer, FetchFailed, Outbound
from tests.world import FHIR, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.outbound import Limits
    from authz.outbound.client import Sent
    from tests.world import Clock

IDP = "https://idp.example/oidc"
CLIENT_ID, SECRET = "authz-at-idp", "secret-at-the-idp-of-the-hospital"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
Json = dict[str, Any]


@cache
def key(kid: str, kind: str = "RSA") -> RSAKey | ECKey:
    """Made once: RSA takes its time."""
    parameters: KeyParameters = {"kid": kid, "use": "sig"}
    if kind == "RSA":
        return RSAKey.generate_key(2048, parameters, private=True)
    return ECKey.generate_key(kind, parameters, private=True)


@dataclass
class FakeProvider:
    """``document``, ``claims`` and ``header`` are what it says instead; None takes a member away."""

    clock: Clock | None = None
    issuer: str = IDP
    person: Json = field(default_factory=lambda: {"sub": "idp-alice", "name": "Alice at the provider"})
    document: Json = field(default_factory=dict)
    claims: Json = field(default_factory=dict)
    header: Json = field(default_factory=dict)
    userinfo: Json | None = None
    keys: list[str] = field(default_factory=lambda: ["key-1"])  # published
    signs_with: str = "key-1"
    answers: dict[str, Answer] = field(default_factory=dict)  # by the end of the path, instead of its own
    is_down: bool = False
    asked: list[str] = field(default_factory=list)  # methods and paths
    forms: list[dict[str, str]] = field(default_factory=list)  # at the token endpoint
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # -> the authorization request
    sid: str = "idp-session-1"
    auth_time: int | None = None

    def now(self) -> int:
        assert self.clock is not None
        return int(self.clock().timestamp())

    def discovery(self) -> Json:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
        }
        return without_none(document | self.document)

    def visited(self, location: str, **changes: str | None) -> str:
        """Somebody's browser comes, they sign in; where it is sent back to. ``changes`` are of the answer."""
        assert location.startswith(f"{self.issuer}/authorize?"), location
        pairs = parse_qsl(urlsplit(location).query, strict_parsing=True)
        request = dict(pairs)
        assert len(request) == len(pairs)
        code = secrets.token_urlsafe(16)
        self.codes[code] = request
        answer = without_none({"code": code, "state": request["state"], "iss": self.issuer, **changes})
        return f"{request['redirect_uri']}?{urlencode(answer)}"

    def id_token(self, request: dict[str, str]) -> str:
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": self.now(),
            "exp": self.now() + 300,
            "nonce": request["nonce"],
            "sid": self.sid,
            "auth_time": self.now() if self.auth_time is None else self.auth_time,
            "amr": ["mfa", "hwk"],
            **self.person,
            **self.claims,
        }
        return self.sign(without_none(claims))

    def sign(self, claims: Json, **header: Any) -> str:
        made = without_none({"alg": "RS256", "kid": self.signs_with, "typ": "JWT", **self.header, **header})
        payload = json.dumps(claims)
        if made["alg"] == "none":
            parts = (json.dumps(made).encode(), payload.encode())
            return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
        if made["alg"] == "HS256":
            return jws.serialize_compact(made, payload, OctKey.import_key(SECRET), algorithms=["HS256"])
        kinds = {"ES256": "P-256", "ES384": "P-384"}
        signer = key(self.signs_with, kinds.get(made["alg"], "RSA"))
        return jws.serialize_compact(made, payload, signer, algorithms=[made["alg"]])

    def logout_token(self, header: Json | None = None, **changes: Any) -> str:
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": self.now(),
            "exp": self.now() + 120,
            "jti": secrets.token_hex(8),
            "events": {LOGOUT_EVENT: {}},
            "sid": self.sid,
            **changes,
        }
        return self.sign(without_none(claims), **{"typ": "logout+jwt", **(header or {})})

    def exchange(self, url: str, sent: Sent) -> Answer:
        path = url.removeprefix(self.issuer)
        self.asked.append(f"{sent.method} {path}")
        if self.is_down:
            raise FetchFailed("out of time")
        if path in self.answers:
            return self.answers[path]
        match path:
            case "/.well-known/openid-configuration":
                return as_json(self.discovery())
            case "/jwks":
                kinds = {"ec": "P-256"}
                found = [key(kid, kinds.get(kid.partition("-")[0], "RSA")).as_dict(private=False) for kid in self.keys]
                return as_json({"keys": found})
            case "/token":
                return self.token(sent)
            case "/userinfo":
                assert sent.headers["Authorization"] == "Bearer idp-access-token"
                return as_json(self.userinfo or {"sub": self.person["sub"]})
        raise FetchFailed("status 404")

    def token(self, sent: Sent) -> Answer:
        """The code once, with the verifier and the address of its request, to whom it was given."""
        assert sent.body is not None
        form = dict(parse_qsl(sent.body.decode(), strict_parsing=True))
        self.forms.append(form)
        request = self.codes.pop(form["code"], None)
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        proved = b64decode(sent.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if proved != f"{CLIENT_ID}:{SECRET}" and "client_assertion" not in form:
            return as_json({"error": "invalid_client"}, 401)
        if request is None or (challenge, form["redirect_uri"]) != (request["code_challenge"], request["redirect_uri"]):
            return as_json({"error": "invalid_grant"}, 400)
        return as_json({"access_token": "idp-access-token", "token_type": "Bearer", "id_token": self.id_token(request)})


KNOWN = frozenset({"_id", "_count", "identifier", "active"})  # search parameters of the FHIR server


@dataclass
class Network(Outbound):
    """What this server asks of others: of the providers, and of the main FHIR server, who somebody is."""

    provider: FakeProvider
    others: list[FakeProvider] = field(default_factory=list)
    people: list[Json] = field(default_factory=list)
    introspect: Callable[[str], Json] | None = None
    searches: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    fhir_is_down: bool = False

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        assert trusted, url
        assert limits.seconds <= 8
        for provider in (self.provider, *self.others):
            if url.startswith(f"{provider.issuer}/"):
                return provider.exchange(url, sent)
        assert url.startswith(f"{FHIR}/"), url
        if self.fhir_is_down:
            raise FetchFailed("no connection")
        type_ = url.removeprefix(f"{FHIR}/").removesuffix("/_search")
        assert sent.body is not None
        assert self.introspect is not None
        asked = dict(parse_qsl(sent.body.decode()))
        self.searches.append((type_, asked))
        if asked.keys() - KNOWN and sent.headers.get("Prefer") == "handling=strict":
            return Answer(400, {}, b"")  # without that word it does what the FHIR search leaves to a server: ignores it
        told = self.introspect(sent.headers["Authorization"].removeprefix("Bearer "))
        assert (told["active"], told["scope"], told.get("sub")) == (True, f"system/{type_}.rs", None)
        found = [one for one in self.people if one["resourceType"] == type_ and fits(one, asked)]
        entries = [{"fullUrl": f"{FHIR}/{type_}/{one['id']}", "resource": one} for one in found]
        return as_json({"resourceType": "Bundle", "type": "searchset", "entry": entries[: int(asked["_count"])]})


def fits(resource: Json, asked: dict[str, str]) -> bool:
    identifiers = [f"{one['system']}|{one['value']}" for one in resource.get("identifier", [])]
    return asked.get("_id", resource["id"]) == resource["id"] and asked.get("identifier") in {None, *identifiers}


def practitioner(key: str, number: str, family: str = "Who", **more: Any) -> Json:
    return {
        "resourceType": "Practitioner",
        "id": key,
        "identifier": [{"system": "http://staff.example", "value": number}],
        "name": [{"family": family, "given": ["Dana"]}],
        **more,
    }


def as_json(content: Json, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(content).encode())


def without_none(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}


CALLBACK = f"{ISSUER}/sign-in/hospital/callback"
