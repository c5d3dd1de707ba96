"""A certified OpenID Connect provider (npm oidc-provider) as the hospital's, over real HTTP."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authz.login.federated.registry import NewProvider
from tests.actors import Browser
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live import Live

FOLDER = Path(__file__).resolve().parent / "clients" / "foreign"
CLIENT_ID, SECRET = "authz", "secret-of-authz-at-the-provider"
PEOPLE = {
    "idp-alice": {"name": "Alice Anders", "fhirUser": "Patient/A"},
    "idp-doctor": {"name": "Dr Who", "fhirUser": "Practitioner/dr"},
}


@dataclass
class Hospital:
    live: Live
    issuer: str

    def person(self) -> Browser:
        """Somebody's browser, as far as it is at the provider."""
        return Browser(OverHttp(self.issuer))

    def sign_in(self, at: Browser, url: str, login: str) -> str:
        """Sign in with the provider's own pages; where it sends the browser back to."""
        page = at.open(url)
        if 'name="login"' in page.text:
            page = at.submit(page, {"login": login, "password": "any"})
        if page.status == 200:
            page = at.submit(page)  # its own consent
        assert page.status in {302, 303}, page.text
        return page.location


@contextmanager
def provider(live: Live, **metadata: Any) -> Iterator[Hospital]:
    """The provider, which knows this server, and this server, which knows the provider."""
    base = live.settings.issuer
    client = {
        "client_id": CLIENT_ID,
        "redirect_uris": [f"{base}/sign-in/hospital/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "backchannel_logout_uri": f"{base}/back-channel-logout/hospital",
        "backchannel_logout_session_required": True,
        **metadata,
    }
    with subprocess.Popen(
        ["node", "oidc_provider.mjs"],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"client": client, "people": PEOPLE}))
            process.stdin.close()
            yield Hospital(live, process.stdout.readline().strip())
        finally:
            process.terminate()
            process.wait(10)


def know(hospital: Hospital, secret: str | None = SECRET, **changes: Any) -> None:
    made = hospital.live.app.extensions["authz"]
    federation = made.at_provider.federation
    with hospital.live.app.app_context(), made.db.write() as session:
        if federation.providers.get("hospital") is not None:
            federation.providers.remove(session, "hospital")
        new = NewProvider(
            "hospital", hospital.issuer, CLIENT_ID, fhir_user_claim="fhirUser", fhir_servers=("main",), **changes
        )
        federation.providers.add(session, new, secret)
        federation.rulebook.update(session, "main", {"local_accounts": False})
