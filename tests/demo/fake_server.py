"""A very small authorization server for the demo's tests: it says yes to everything, but keeps its promises.

Launches, codes and refresh tokens work once, PKCE is checked, a revoked token is dead at once.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Flask, Response, abort, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import RSAKey

from demo.config import EHR_CREDENTIAL, FHIR_CREDENTIAL, GROWTH_CHART, REFERRAL_CREDENTIAL

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from demo.config import Credential, DemoConfig

LIFETIME = 3600  # seconds
STANDALONE = {"patient": "child-1", "user": "RelatedPerson/rel-1"}


@dataclass
class FakeState:
    """What it knows; tests may look and meddle."""

    config: DemoConfig
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}))
    launches: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    refresh: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    handles: dict[str, dict[str, Any]] = field(default_factory=dict)  # web messaging: the whole answer about each
    windows: dict[str, str] = field(default_factory=dict)  # the window in which a handle was first used
    refuse_next: str = ""  # an error code for the next authorization request
    lie_next: dict[str, Any] = field(default_factory=dict)  # wrong claims for the next id_token
    forge_next: bool = False  # the next id_token is signed with a key that only bears the name of ours


def create_fake_server(state: FakeState) -> Flask:
    app = Flask("fake_authorization_server")
    _add_documents(app, state)
    _add_front(app, state)
    _add_token(app, state)
    _add_back(app, state)
    _add_messaging(app, state)

    @app.after_request
    def allow_the_app(answer: Response) -> Response:
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
        return answer

    return app


def _needs(credential: Credential) -> None:
    given = request.authorization
    if given is None or (given.username, given.password) != (credential.name, credential.secret):
        abort(401)


def _add_documents(app: Flask, state: FakeState) -> None:
    issuer = state.config.issuer
    document = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["launch-ehr", "launch-standalone", "client-public", "sso-openid-connect", "permission-v2"],
    }

    @app.get("/fhir-servers/demo/.well-known/smart-configuration")
    @app.get("/.well-known/openid-configuration")
    def configuration() -> ResponseReturnValue:
        return jsonify(document)

    @app.get("/fhir-servers/demo/oauth-uris")
    def oauth_uris() -> ResponseReturnValue:
        return jsonify(service=[{"text": "SMART-on-FHIR"}], extension=[])

    @app.get("/jwks")
    def jwks() -> ResponseReturnValue:
        return jsonify(keys=[state.key.as_dict(private=False)])


def _add_front(app: Flask, state: FakeState) -> None:
    @app.get("/authorize")
    def authorize() -> ResponseReturnValue:
        asked = request.args
        answer = {"state": asked["state"], "iss": state.config.issuer}
        if state.refuse_next:
            answer |= {"error": state.refuse_next, "error_description": "the test wanted it so"}
            state.refuse_next = ""
        elif asked["aud"] != state.config.fhir or asked["code_challenge_method"] != "S256":
            abort(400)
        else:
            context = state.launches.pop(asked["launch"]) if "launch" in asked else STANDALONE
            answer["code"] = secrets.token_urlsafe(24)
            state.codes[answer["code"]] = {"asked": asked.to_dict(), "context": context}
        return redirect(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)


def _add_token(app: Flask, state: FakeState) -> None:
    @app.post("/token")
    def token() -> ResponseReturnValue:
        form = request.form
        if form["grant_type"] == "refresh_token":
            grant = state.refresh.pop(form["refresh_token"], None)
        else:
            grant = state.codes.pop(form["code"], None)
            verifier = form["code_verifier"].encode()
            challenge = urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
            if grant and challenge != grant["asked"]["code_challenge"]:
                grant = None
        if grant is None:
            return jsonify(error="invalid_grant", error_description="it was used already"), 400
        if grant["asked"]["client_id"] == REFERRAL_CREDENTIAL.name:
            _needs(REFERRAL_CREDENTIAL)
        elif form["client_id"] != GROWTH_CHART:
            abort(401)
        return jsonify(_token_response(state, grant))


def _token_response(state: FakeState, grant: dict[str, Any]) -> dict[str, Any]:
    asked, context, now = grant["asked"], grant["context"], int(time.time())
    fhir_user = f"{state.config.fhir}/{context['user']}"
    access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    shared = {name: context[name] for name in ("patient", "encounter", "fhirContext") if name in context}
    state.tokens[access] = shared | {
        "active": True,
        "scope": asked["scope"],
        "client_id": asked["client_id"],
        "aud": state.config.fhir,
        "exp": now + LIFETIME,
        "fhirUser": fhir_user,
        "grant": id(grant),
    }
    state.refresh[refresh] = grant
    claims = {"iss": state.config.issuer, "aud": asked["client_id"], "sub": "s1", "iat": now, "exp": now + 300}
    claims |= {"nonce": asked["nonce"], "fhirUser": fhir_user}
    claims |= state.lie_next
    key = RSAKey.generate_key(2048) if state.forge_next else state.key
    state.lie_next, state.forge_next = {}, False
    shared |= _messaging(state, asked, context)
    banner = {"need_patient_banner": context["need_patient_banner"]} if "need_patient_banner" in context else {}
    return (
        shared
        | banner
        | {"access_token": access, "token_type": "Bearer", "expires_in": LIFETIME, "scope": asked["scope"]}
        | {"refresh_token": refresh, "id_token": jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)}
    )


def _messaging(state: FakeState, asked: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The two members of the token response, one handle for each launch (SMART Web Messaging "Scopes and Launch")."""
    scopes = asked["scope"].split()
    granted = [scope for scope in scopes if scope.startswith("messaging/")]
    if not granted or "web_messaging_origin" not in context:
        return {}
    handle = context.setdefault("handle", f"swm_{secrets.token_urlsafe(32)}")
    now = int(time.time())
    state.handles[handle] = {
        "active": True,
        "token_type": "smart_web_messaging_handle",
        "iss": state.config.issuer,
        "client_id": asked["client_id"],
        "client_name": "Growth Chart",
        "scope": " ".join(granted),
        "fhir_scope": " ".join(scope for scope in scopes if scope.startswith(("patient/", "user/"))),
        "app_origins": [state.config.app],
        "smart_web_messaging_origin": context["web_messaging_origin"],
        "aud": state.config.fhir,
        "sub": "s1",
        "fhirUser": f"{state.config.fhir}/{context['user']}",
        "patient": context["patient"],
        "launch_id": context["launch_id"],
        "ehr_session": context["session"],
        "grant_id": context["launch_id"],
        "iat": now,
        "exp": now + LIFETIME,
    }
    return {"smart_web_messaging_handle": handle, "smart_web_messaging_origin": context["web_messaging_origin"]}


def _add_messaging(app: Flask, state: FakeState) -> None:
    @app.post("/web-messaging/introspect")
    def introspect_handle() -> ResponseReturnValue:
        _needs(EHR_CREDENTIAL)
        form = request.form
        answer = state.handles.get(form["handle"])
        if (
            answer is None
            or form["origin"] not in answer["app_origins"]
            or form["ehr_session"] != answer["ehr_session"]
            or ("window" in form and state.windows.setdefault(form["handle"], form["window"]) != form["window"])
        ):
            return jsonify(active=False)
        group = form["message_type"].partition(".")[0]
        return jsonify(answer | {"allowed": group == "status" or f"messaging/{group}" in answer["scope"].split()})

    @app.post("/web-messaging/revoke")
    def revoke_handle() -> ResponseReturnValue:
        _needs(EHR_CREDENTIAL)
        state.handles.pop(request.form["handle"], None)
        return Response(status=200)


def _add_back(app: Flask, state: FakeState) -> None:
    @app.post("/introspect")
    def introspect() -> ResponseReturnValue:
        _needs(FHIR_CREDENTIAL)
        return jsonify(state.tokens.get(request.form["token"], {"active": False}))

    @app.post("/revoke")
    def revoke() -> ResponseReturnValue:
        token = request.form["token"]
        grant = state.refresh.pop(token, None)
        state.tokens.pop(token, None)
        for access, members in list(state.tokens.items()):
            if grant is not None and members["grant"] == id(grant):
                del state.tokens[access]
        return Response(status=200)

    @app.post("/launch")
    def launch() -> ResponseReturnValue:
        _needs(EHR_CREDENTIAL)
        body = request.get_json()
        handle = secrets.token_urlsafe(32)
        launch_id = f"L{secrets.token_hex(4)}"
        state.launches[handle] = body | {"launch_id": launch_id}
        url = f"{body['launch_url']}?{urlencode({'iss': body['fhir_server'], 'launch': handle})}"
        return jsonify(launch=handle, launch_id=launch_id, launch_url=url, expires_in=300), 201

    @app.post("/ehr-session/<what>")
    def session(what: str) -> ResponseReturnValue:
        _needs(EHR_CREDENTIAL)
        if what == "end":
            state.ended.append(request.get_json()["session"])
            state.tokens.clear()
            state.handles.clear()
        return Response(status=204)
