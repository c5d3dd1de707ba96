"""Schemathesis on each described JSON endpoint, with each kind of credential: ``python -m tests.fuzz.endpoints``.

No failure of ours, every answer as it is described, and no body that the description forbids is taken.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as described

from docs.openapi import openapi
from tests.actors import basic
from tests.canary import DICE, FromAnywhere
from tests.outside import FakeOutbound, Outside
from tests.vendor import Vendor, bearer
from tests.world import FHIR, SECRET, World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

EXAMPLES = 25
ANY = [
    not_a_server_error,
    described.status_code_conformance,
    described.content_type_conformance,
    described.response_schema_conformance,
]
STRICT = [*ANY, described.negative_data_rejection]
OPEN = ("/register", "/fhir-servers/{name}/register", "/register/{client_id}")  # members they can't take are left out
RUN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


BASIC = {
    "a stranger": basic("nobody", "guess"),
    "an EHR": basic("ehr-main", "ehr-main-secret"),
    "a FHIR server": basic("rs-main", "rs-main-secret"),
    "an app": basic("confidential", SECRET),
}


@dataclass(frozen=True)
class Attempt:
    operation: Any  # of Schemathesis
    who: str
    mode: GenerationMode
    headers: dict[str, str]
    path: dict[str, str]  # of something that is there
    likely: dict[str, str]  # members of a body that would be right


@dataclass
class Campaign:
    world: World
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    findings: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.vendor = Vendor(FromAnywhere(self.world.transport))
        self.schema = schemathesis.openapi.from_dict(openapi())
        self.schema.app = self.from_anywhere
        code = self.world.standalone(self.world.public, "openid launch/patient patient/*.rs", "alice")
        self.token = self.world.public.redeem(code).json()["access_token"]

    def from_anywhere(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """As from another address each time, so no limit of an address ends the campaign."""
        environ["REMOTE_ADDR"] = ".".join(str(DICE.randrange(1, 250)) for _ in range(4))
        return self.world.app(environ, start)

    def attempts(self, number: int) -> Iterator[Attempt]:
        """One for each operation, kind of credential and kind of data; what they know is fresh each time."""
        for operation in (found.ok() for found in self.schema.get_all_operations() if isinstance(found, Ok)):
            bodiless = operation.method.upper() in {"GET", "DELETE"}
            for mode in (GenerationMode.POSITIVE,) if bodiless else (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for who in (*BASIC, "a registration", "an access token", "nobody"):
                    yield self.attempt(operation, who, mode, number)

    def attempt(self, operation: Any, who: str, mode: GenerationMode, number: int) -> Attempt:
        app = self.vendor.register()
        launch = self.world.ehr.launch("public", "doctor", patient="A")
        sent = {
            "a registration": bearer(app["registration_access_token"]),
            "an access token": bearer(self.token),
            **BASIC,
        }
        there = {"client_id": app["client_id"], "launch_id": launch["launch_id"], "name": "main"}
        path = {name: value for name, value in there.items() if f"{{{name}}}" in operation.path}
        likely = {"client_id": "public", "fhir_server": FHIR, "user": "doctor", "token": self.token}
        return Attempt(operation, who, mode, sent.get(who, {}), path if number % 2 == 0 else {}, likely)

    def run(self, attempt: Attempt, number: int) -> None:
        operation, mode = attempt.operation, attempt.mode
        checks = STRICT if mode is GenerationMode.NEGATIVE and operation.path not in OPEN else ANY

        @RUN
        @seed(number)
        @given(case=operation.as_strategy(generation_mode=mode), is_likely=st.booleans())
        def every(case: Any, is_likely: bool) -> None:  # noqa: FBT001  hypothesis gives it by name
            case.path_parameters |= attempt.path
            if is_likely and mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                case.body = {name: attempt.likely[name] for name in case.body if name in attempt.likely} or case.body
            answer = case.call(headers=attempt.headers)
            self.answers[operation.label][answer.status_code] += 1
            case.validate_response(answer, checks=checks)

        try:
            every()
        except (Failure, FailureGroup) as found:
            name = f"{operation.label} by {attempt.who}"
            if name not in self.findings:
                print(f"FOUND {name}, {mode.name}: {found}\n", flush=True)  # noqa: T201  its output
            self.findings.add(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    ends_at = monotonic() + parser.parse_args().seconds
    changes = {"unapproved_apps": str(10**9), "registrations_per_hour": str(10**9), "trusted_proxies": "127.0.0.1/32"}
    world = build(settings_in(Path(mkdtemp()), **changes), FakeOutbound(Outside()))
    load_all_checks()
    with world.app.app_context():
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", {"registration": "open"})
        campaign = Campaign(world)
        for number in count():
            if monotonic() > ends_at:
                break
            for attempt in campaign.attempts(number):
                if monotonic() > ends_at:
                    break
                campaign.run(attempt, number)
    for name, answers in campaign.answers.items():
        print(f"{name}: " + ", ".join(f"{status} x {times}" for status, times in sorted(answers.items())))  # noqa: T201  its output
    return min(1, len(campaign.findings))


if __name__ == "__main__":
    sys.exit(main())
