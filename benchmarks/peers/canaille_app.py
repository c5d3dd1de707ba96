"""Canaille on PostgreSQL, its own schema and endpoints, in an environment of its own. ``PEER`` as for the other peers.

It takes no private_key_jwt for client_credentials. Its access tokens for people are JWTs without ``jti``: two that are
made for a person in one second collide with 500, so refresh and code exchange can not be measured.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from urllib.parse import urlsplit

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from flask import Flask, Response, jsonify
from joserfc.jwk import RSAKey

PEER = json.loads(os.environ["PEER"])
KEY = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256", "use": "sig"})
SCOPE = ["openid", "offline_access", "patient/*.rs"]
app: Flask = create_app(
    {
        "SECRET_KEY": secrets.token_hex(),
        "SERVER_NAME": urlsplit(PEER["issuer"]).netloc,
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "sql", "LOGGING": {"version": 1}},
        "CANAILLE_SQL": {"DATABASE_URI": PEER["database_url"]},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [KEY.as_dict(private=True)]},
    }
)


def tokens(count: int) -> list[tuple[str, str]]:
    alice = Backend.instance.get(models.User, user_name="alice")
    client, fhir_server = (Backend.instance.get(models.Client, client_id=name) for name in ("app", "rs-main"))
    pairs = [(secrets.token_urlsafe(32), secrets.token_urlsafe(32)) for _ in range(count)]
    for token, refresh_token in pairs:
        about = {"client": client, "subject": alice, "audience": [client, fhir_server], "scope": SCOPE[1:]}
        when = {"issue_date": datetime.now(UTC), "lifetime": 3600, "type": "Bearer"}
        ids = {"token_id": secrets.token_hex(16), "access_token": token, "refresh_token": refresh_token}
        Backend.instance.save(models.Token(**ids, **about, **when))
    return pairs


@app.get("/begin/<int:count>")
def begin(count: int) -> Response:
    """Not measured: what the lanes begin with."""
    made = tokens(count + 1)
    return jsonify(token=made[0][0], refreshTokens=[refresh for _, refresh in made[1:]])


with app.app_context(), Backend.instance.session():
    alice = models.User(user_name="alice", formatted_name="Alice", family_name="A", emails=["a@example.com"])
    Backend.instance.save(alice)
    for name, (secret, grant_types) in PEER["clients"].items():
        about = {"grant_types": grant_types, "scope": [*SCOPE, "system/*.rs"], "redirect_uris": [PEER["callback"]]}
        how = {"token_endpoint_auth_method": "client_secret_basic", "client_name": name, "response_types": ["code"]}
        client = models.Client(client_id=name, client_secret=secret, **about, **how)
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
