"""One campaign: load, a fault in the middle of it, then every token is looked at and the history is checked."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.checker import violations
from tests.faults.families import Families
from tests.faults.ledger import History, Ledger, Outcome
from tests.faults.load import OneByOne, Recorder, hospitals, load
from tests.world import FHIR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site

SECONDS = float(os.environ.get("FAULT_SECONDS", "20"))
QUIET_SECONDS = 2.0  # before the fault and after it
RATE = 25.0
TOLD: list[dict[str, Any]] = []  # a line for the table of ``make faults``, which takes it away


@dataclass(frozen=True)
class Campaign:
    """``fault`` is called over and over with the site until the time is over, and ends what it began itself."""

    name: str
    seed: int
    may_cut: bool = False
    not_asked: frozenset[str] = frozenset()  # invariants that do not follow from this fault, e.g. of a wrong clock
    rate: float = RATE

    def run(self, site: Site, fault: Callable[[Site], None], seconds: float = SECONDS) -> History:
        ledger, before = Ledger(), site.use()
        with load(site.issuer, ledger, site.keys, self.seed, self.rate):
            time.sleep(QUIET_SECONDS)
            calm_until = time.time()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                fault(site)
            recovered = site.seconds_to_heal()
            time.sleep(QUIET_SECONDS)
        self.look_at_everything(site, ledger)
        history = History(ledger, site.truth(), recovered, before, site.use(), self.may_cut, calm_until)
        self.check(site, history)
        return history

    def look_at_everything(self, site: Site, ledger: Ledger) -> None:
        """Once the dust has settled, and a second later than the last revocation."""
        time.sleep(1.2)
        places = hospitals(OneByOne(site.issuer))
        families, recorder = Families(ledger.operations), Recorder(ledger)
        for token in families.access_tokens:
            fhir_server = places[families.issued[token].arguments.get("aud", FHIR)].fhir_server
            looked = recorder.do(
                "introspect",
                token,
                families.issued[token].family,
                partial(fhir_server.ask, token),
            )
            assert looked.outcome is Outcome.OK, f"the fault is over, and still: {looked}"

    def check(self, site: Site, history: History) -> None:
        """Raise AssertionError with the ledger if an invariant broke, or nothing was tried."""
        found = {name: each for name, each in violations(history).items() if name not in self.not_asked}
        counted = Counter(f"{each.op} {each.outcome}" for each in history.ledger.operations)
        errors = site.errors()
        self.tell(history, found)
        assert not found, f"{self.name}: {json.dumps(found, indent=1)}\n{history.ledger}"
        assert errors == [], f"{self.name}: {errors[:3]}"
        assert counted["redeem ok"] >= 3, f"{self.name}: too little was tried: {counted}"

    def tell(self, history: History, found: dict[str, list[str]]) -> None:
        """One line for the table of ``make faults``."""
        outcomes = Counter(each.outcome.value for each in history.ledger.operations)
        line: dict[str, Any] = {
            "name": self.name,
            "operations": len(history.ledger.operations),
            **outcomes,
            "p95": history.p95_seconds(),
            "recovered": round(history.recovered_seconds, 2),
            "violations": {name: len(each) for name, each in found.items()},
        }
        TOLD.append(line)
