"""Where the demo's four sites listen, and the names and secrets they know each other by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_PORT, LAST_PORT = 1024, 65532  # three more ports follow the first one


@dataclass(frozen=True, slots=True)
class Credential:
    """A name and a secret for HTTP Basic. The demo's secrets are published on purpose."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """The demo's addresses, all following from one port number.

    The EHR is at ``localhost`` and the others at ``127.0.0.1``: to a browser these are two sites, so an app in the
    EHR's frame meets the same storage rules as in a real hospital.
    """

    port_base: int = 9000
    state_dir: Path = Path(".demo")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> DemoConfig:
        """Read ``PORT_BASE`` and ``DEMO_STATE`` (the folder of the demo's state, ``.demo``).

        Raises ValueError with a sentence for the person at the keyboard.
        """
        text = env.get("PORT_BASE", "9000")
        if not (text.isascii() and text.isdigit() and FIRST_PORT <= int(text) <= LAST_PORT):
            raise ValueError(f"PORT_BASE must be a port number from {FIRST_PORT} to {LAST_PORT}, not {text!r}")
        return cls(port_base=int(text), state_dir=Path(env.get("DEMO_STATE", ".demo")))

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port_base}"

    @property
    def ehr_port(self) -> int:
        return self.port_base + 1

    @property
    def app_port(self) -> int:
        return self.port_base + 2

    @property
    def fhir_port(self) -> int:
        return self.port_base + 3

    @property
    def ehr(self) -> str:
        """The EHR's origin; its home page is this and a slash."""
        return f"http://localhost:{self.ehr_port}"

    @property
    def app(self) -> str:
        """The sample apps' origin."""
        return f"http://127.0.0.1:{self.app_port}"

    @property
    def stranger(self) -> str:
        """An origin that is nobody's: the same port as the apps, under a name that they don't go by."""
        return f"http://lookalike.localhost:{self.app_port}"

    @property
    def fhir(self) -> str:
        """The FHIR server's base URL: what apps call ``iss`` and ``aud``."""
        return f"http://127.0.0.1:{self.fhir_port}/fhir"

    @property
    def fhir_server(self) -> str:
        """The authorization server's pages about this FHIR server."""
        return f"{self.issuer}/fhir-servers/demo"


EHR_CREDENTIAL = Credential("demo-ehr", "demo-ehr-secret")
FHIR_CREDENTIAL = Credential("demo-fhir", "demo-fhir-secret")
REFERRAL_CREDENTIAL = Credential("referral", "referral-demo-secret")
GROWTH_CHART = "growth-chart"
