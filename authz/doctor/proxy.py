"""Whether the public address leads to this installation, and whose word about an address it believes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from authz.doctor.finding import Finding
from authz.doctor.outside import CLOCK_SECONDS, Outside, json_object
from authz.outbound import FetchFailed
from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from authz.settings import Settings
    from authz.support.self_test import SelfTests

PRETENDED = "192.0.2.1"  # for documentation only (RFC 5737): nobody comes from there
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class ProxyCheck:
    outside: Outside
    settings: Settings
    self_tests: SelfTests
    version: str
    now: Callable[[], datetime]

    def run(self) -> Iterator[Finding]:
        try:
            plain, pretending = self.ask({}), self.ask({"X-Forwarded-For": PRETENDED})
        except (FetchFailed, StoreUnavailable):
            return  # told already: issuer.unreachable, store.unreachable
        if plain is None or pretending is None:
            yield self.found("issuer.installation", "a ticket of this installation's store is not known there")
            return
        if plain["version"] != self.version:
            told = f"version {plain['version']} answers, this is {self.version}"
            yield self.found("issuer.installation", told)
        apart = abs(plain["at"] - self.now().timestamp())
        if apart > CLOCK_SECONDS:
            yield self.found("issuer.clock", f"its clock and this machine's are {apart:.0f} s apart")
        if plain["peer"] == plain["remote"] and self.came_from_elsewhere(plain):
            yield self.found(
                "proxy.untrusted", f"requests come from the proxy at {plain['remote']}, which is not trusted"
            )
        if pretending["peer"] == PRETENDED and pretending["forwarded_for"] == PRETENDED:
            told = f"X-Forwarded-For is believed from {pretending['remote']}, which passes it on as it came"
            yield self.found("proxy.spoofable", told)

    def came_from_elsewhere(self, told: dict[str, Any]) -> bool:
        """Whether a proxy passed on what another machine asked; ours may come from the machine of the proxy."""
        forwarded = told["forwarded_for"]
        return forwarded is not None and forwarded.rpartition(",")[2].strip() != told["remote"]

    def ask(self, headers: dict[str, str]) -> dict[str, Any] | None:
        body = urlencode({"ticket": self.self_tests.ticket()}).encode()
        return json_object(self.outside.send("POST", self.settings.url("/self-test"), FORM | headers, body))

    def found(self, id_: str, problem: str) -> Finding:
        return Finding(id_, self.settings.issuer, problem)
