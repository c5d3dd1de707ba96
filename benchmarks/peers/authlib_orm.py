"""Authlib's Flask grants with its SQLAlchemy mixins, as its documentation shows them: what most would write in Python.

``PEER`` in the environment: database_url, issuer, clients (see ``benchmarks.peers.python``).
"""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    create_query_client_func,
    create_query_token_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import create_engine
from sqlalchemy.orm import scoped_session, sessionmaker

from benchmarks.peers.authlib_models import Base, Client, Code, Token, User
from tests.actors import challenge, new_verifier

PEER = json.loads(os.environ["PEER"])
KEY = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256", "use": "sig"})
SCOPE = "openid offline_access patient/*.rs"
session = scoped_session(sessionmaker(create_engine(PEER["database_url"])))
app = Flask(__name__)
app.config.update(OAUTH2_REFRESH_TOKEN_GENERATOR=True, OAUTH2_TOKEN_EXPIRES_IN={"client_credentials": 300})


class ByCode(grants.AuthorizationCodeGrant):
    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = session.query(Code).filter_by(code=code, client_id=client.client_id).first()
        return found if found and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        session.delete(authorization_code)
        session.commit()

    def authenticate_user(self, authorization_code: Code) -> User | None:
        return session.get(User, authorization_code.user_id)


class Refreshed(grants.RefreshTokenGrant):
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        found = session.query(Token).filter_by(refresh_token=refresh_token).first()
        return found if found and not found.is_revoked() else None

    def authenticate_user(self, refresh_token: Token) -> User | None:
        return session.get(User, refresh_token.user_id)

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.access_token_revoked_at = refresh_token.refresh_token_revoked_at = int(time.time())
        session.add(refresh_token)
        session.commit()


class Signed(OpenIDCode):
    def exists_nonce(self, nonce: str, _request: object) -> bool:
        return session.query(Code).filter_by(nonce=nonce).first() is not None

    def resolve_client_private_key(self, _client: Client) -> RSAKey:
        return KEY

    def get_client_algorithm(self, _client: Client) -> str:
        return "RS256"

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": PEER["issuer"], "aud": [client.client_id], "exp": int(time.time()) + 3600}

    def generate_user_info(self, user: User, _scope: str) -> Any:
        return UserInfo(sub=str(user.id), name=user.name)


class Introspection(IntrospectionEndpoint):
    query_token = staticmethod(create_query_token_func(session, Token))

    def check_permission(self, _token: Token, _client: Client, _request: object) -> bool:
        return True

    def introspect_token(self, token: Token) -> dict[str, Any]:
        is_active = not token.is_expired() and not token.is_revoked()
        about = {"client_id": token.client_id, "scope": token.scope, "token_type": "Bearer", "iss": PEER["issuer"]}
        about |= {"exp": token.issued_at + token.expires_in, "sub": str(token.user_id)}
        return {"active": True, **about} if is_active else {"active": False}


server = AuthorizationServer(
    app, query_client=create_query_client_func(session, Client), save_token=create_save_token_func(session, Token)
)
server.register_grant(ByCode, [CodeChallenge(required=True), Signed()])
server.register_grant(Refreshed)
server.register_grant(grants.ClientCredentialsGrant)
server.register_endpoint(Introspection)


@app.post("/token")
def token() -> Any:
    return server.create_token_response()


@app.post("/introspect")
def introspect() -> Any:
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.get("/jwks")
def jwks() -> Response:
    return jsonify(KeySet([KEY]).as_dict(private=False))


@app.get("/.well-known/openid-configuration")
def discovery() -> Response:
    named = {f"{name}_endpoint": f"{PEER['issuer']}/{name}" for name in ("authorize", "token", "introspect")}
    supported = {"scopes_supported": SCOPE.split(), "response_types_supported": ["code"]}
    return jsonify(issuer=PEER["issuer"], jwks_uri=f"{PEER['issuer']}/jwks", **named, **supported)


@app.get("/begin/<int:count>")
def begin(count: int) -> Response:
    """Not measured: what the lanes begin with."""
    made = [
        Token(
            client_id="app",
            user_id=1,
            token_type="Bearer",
            access_token=secrets.token_urlsafe(32),
            refresh_token=secrets.token_urlsafe(32),
            scope="offline_access patient/*.rs",
            expires_in=3600,
        )
        for _ in range(count + 1)
    ]
    pairs = [(one.access_token, one.refresh_token) for one in made]
    session.add_all(made)
    session.commit()
    return jsonify(token=pairs[0][0], refreshTokens=[refresh for _, refresh in pairs[1:]])


@app.get("/mint/<int:count>")
def mint(count: int) -> Response:
    """Not measured: codes as a browser would get them."""
    verifier, codes = new_verifier(), [secrets.token_urlsafe(32) for _ in range(count)]
    proof = {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
    about = {"client_id": "app", "user_id": 1, "redirect_uri": PEER["callback"], "scope": SCOPE}
    session.add_all([Code(code=code, response_type="code", **about, **proof) for code in codes])
    session.commit()
    return jsonify([[code, verifier] for code in codes])


@app.teardown_appcontext
def put_back(_error: BaseException | None) -> None:
    session.remove()


Base.metadata.create_all(session.get_bind())
session.add(User(id=1, name="alice"))
for name, (secret, grant_types) in PEER["clients"].items():
    client = Client(client_id=name, client_secret=secret, client_id_issued_at=int(time.time()))
    about = {"grant_types": grant_types, "scope": f"{SCOPE} system/*.rs", "redirect_uris": [PEER["callback"]]}
    client.set_client_metadata({**about, "token_endpoint_auth_method": "client_secret_basic"})
    session.add(client)
session.commit()
session.remove()
session.get_bind().dispose()  # type: ignore[union-attr]  # an engine: nothing is open when the worker is forked
