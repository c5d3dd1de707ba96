"""glewlwyd, a server in C, with its OpenID Connect plugin: Debian's package on a PostgreSQL that syncs each commit.

It is set up through its REST API, by its first administrator. Its access tokens are JWTs signed with RS256, which it
keeps a row of. A client introspects only tokens of its own, so the FHIR server asks about one that it was given itself.
"""

from __future__ import annotations

import gzip
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import urllib3
from joserfc.jwk import RSAKey

from benchmarks.process import pinned
from benchmarks.questions import BACKEND, CALLBACK, FHIR_SERVER, LANES, SECRET, Server, key_set
from benchmarks.running import Running, running, serves
from tests.actors import FORM, basic, challenge, new_verifier
from tests.live import START_SECONDS
from tests.servers import free_port, postgres_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.questions import Code

SCHEMA = Path("/usr/share/doc/glewlwyd/database/init.postgre.sql.gz")
PATHS = {
    "introspect": "/api/oidc/introspect",
    "token": "/api/oidc/token",
    "audience": "/api/oidc/token",
    "jwks": "/api/oidc/jwks",
    "discovery": "/api/oidc/.well-known/openid-configuration",
}
PERSON, PASSWORD = "alice", "alice-password"
APP_SCOPE, BACKEND_SCOPE = ["openid", "patient/*.rs"], ["system/*.rs"]
CONFIGURATION = """
port = {port}
bind_address = "127.0.0.1"
external_url = "{issuer}"
api_prefix = "api"
log_mode = "file"
log_level = "ERROR"
log_file = "{folder}/glewlwyd.log"
cookie_domain = "127.0.0.1"
cookie_secure = 0
session_key = "session"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
user_middleware_module_path = "/usr/lib/glewlwyd/user_middleware"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA256"
database = {{ type = "postgre"; conninfo = "{database}" }};
"""


@dataclass
class Session:
    """A person who is signed in at the REST API."""

    issuer: str
    cookie: str = ""

    @classmethod
    def of(cls, issuer: str, name: str, password: str) -> Session:
        session = cls(issuer)
        answer = session.ask("POST", "/api/auth", {"username": name, "password": password})
        session.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return session

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> urllib3.BaseHTTPResponse:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        where = self.issuer + path
        answer = urllib3.request(method, where, json=body, headers=headers, redirect=False, retries=False, timeout=10)
        assert answer.status in {200, 302}, (path, answer.status, answer.data)
        return answer

    def code(self, scope: Sequence[str] = APP_SCOPE) -> Code:
        verifier = new_verifier()
        proof = {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
        about = {"response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": " ".join(scope)}
        query = urlencode(about | proof | {"state": "s", "nonce": secrets.token_hex(8), "g_continue": ""})
        sent_to = self.ask("GET", f"/api/oidc/auth?{query}").headers["Location"]
        (code,) = parse_qs(urlsplit(sent_to).query)["code"]
        return code, verifier

    def codes(self, count: int) -> list[Code]:
        return [self.code() for _ in range(count)]


def plugin(issuer: str) -> dict[str, Any]:
    pair = RSAKey.generate_key(2048)
    return {
        "module": "oidc",
        "name": "oidc",
        "display_name": "OpenID Connect",
        "parameters": {
            "iss": issuer,
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "key": pair.as_pem(private=True).decode(),
            "cert": pair.as_pem(private=False).decode(),
            "access-token-duration": 3600,
            "code-duration": 600,
            "allow-non-oidc": True,
            "auth-type-code-enabled": True,
            "auth-type-client-enabled": True,
            "auth-type-refresh-enabled": True,
            "refresh-token-one-use": "always",
            "pkce-allowed": True,
            "introspection-revocation-allowed": True,
            "introspection-revocation-allow-target-client": True,
            "request-parameter-allow": True,
            "request-maximum-exp": 3600,
            "client-jwks-parameter": "jwks",
            "jwks-show": True,
        },
    }


def clients() -> list[dict[str, Any]]:
    backend = {"confidential": True, "authorization_type": ["client_credentials"], "scope": BACKEND_SCOPE}
    by_secret = {"token_endpoint_auth_method": ["client_secret_basic"]}
    by_key = [
        {
            "client_id": f"bulk-{alg.lower()}",
            "token_endpoint_auth_method": ["private_key_jwt"],
            "token_endpoint_signing_alg": alg,
            "jwks": key_set(alg),
            **backend,
        }
        for alg in ("ES384", "RS384")
    ]
    app = {"authorization_type": ["code", "refresh_token"], "redirect_uri": [CALLBACK], "scope": []}
    return [
        {"client_id": FHIR_SERVER[0], "client_secret": FHIR_SERVER[1], **backend, **by_secret},
        {"client_id": "bulk-secret", "client_secret": SECRET, **backend, **by_secret},
        {"client_id": "app", "client_secret": SECRET, "confidential": True, **app, **by_secret},
        *by_key,
    ]


def set_up(issuer: str) -> Session:
    """What an administrator clicks; and the person who signs in at the app, and agrees."""
    admin = Session.of(issuer, "admin", "password")
    for scope in (APP_SCOPE[1], *BACKEND_SCOPE):
        admin.ask("POST", "/api/scope/", {"name": scope, "password_required": False})
    for client in clients():
        admin.ask("POST", "/api/client/", {"name": client["client_id"], "enabled": True, **client})
    person = {"username": PERSON, "password": PASSWORD, "scope": ["g_profile", *APP_SCOPE], "enabled": True}
    admin.ask("POST", "/api/user/", person)
    admin.ask("POST", "/api/mod/plugin/", plugin(issuer))
    session = Session.of(issuer, PERSON, PASSWORD)
    session.ask("PUT", "/api/auth/grant/app", {"scope": " ".join(APP_SCOPE)})
    return session


def token(issuer: str, form: Mapping[str, str], caller: tuple[str, str]) -> Any:
    headers, body = {"Content-Type": FORM, **basic(*caller)}, urlencode(form)
    answer = urllib3.request("POST", issuer + PATHS["token"], body=body, headers=headers, timeout=10)
    assert answer.status == 200, answer.data
    return answer.json()


def refresh_token(issuer: str, session: Session) -> str:
    """Without ``openid``, as the others' are: no id_token is signed for it again."""
    code, verifier = session.code(APP_SCOPE[1:])
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
    found: str = token(issuer, form, ("app", SECRET))["refresh_token"]
    return found


@contextmanager
def glewlwyd(folder: Path) -> Iterator[Running]:
    port, log, settings = free_port(), folder / "out.log", folder / "glewlwyd.conf"
    issuer = f"http://127.0.0.1:{port}"
    with postgres_server(is_durable=True) as database:
        url = database.url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pgcrypto")
            connection.execute(gzip.decompress(SCHEMA.read_bytes()))
        settings.write_text(CONFIGURATION.format(port=port, issuer=issuer, folder=folder, database=url))
        begun = time.perf_counter()
        with pinned(["glewlwyd", f"--config-file={settings}"], log) as process:
            wait_until(lambda: serves(process, port, log, "/config"), "glewlwyd", START_SECONDS)
            started = time.perf_counter() - begun
            session = set_up(issuer)
            own = token(issuer, BACKEND, FHIR_SERVER)["access_token"]
            refresh_tokens = [refresh_token(issuer, session) for _ in range(LANES)]
            yield running(process.pid, started, Server(port, issuer, PATHS, own, refresh_tokens, session.codes))
