"""The parts of registration, wired once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.clients.key_sets import KeySets
from authz.registration.admission import Admission
from authz.registration.automatic import Automatic
from authz.registration.case import Cases
from authz.registration.checks import Checks
from authz.registration.doors import Doors
from authz.registration.earlier import Earlier
from authz.registration.history import History
from authz.registration.initial_tokens import InitialTokens
from authz.registration.limits import Limits
from authz.registration.others import Others
from authz.registration.proposals import Proposals
from authz.registration.published import Published
from authz.registration.registrations import Registrations
from authz.registration.review import Review
from authz.registration.scope_words import ScopeWords
from authz.registration.sector import Sectors
from authz.registration.statements import Statements
from authz.registration.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.audit.trail import Trail
    from authz.brands.registry import Brands
    from authz.clients.registry import Clients
    from authz.consent.describe import Describer
    from authz.fhir_servers.registry import FhirServers
    from authz.keyring.signing import Keyring
    from authz.limits import AuditedLimiter
    from authz.notices.courier import Courier
    from authz.outbound import Outbound
    from authz.settings import Settings
    from authz.storage.database import Database
    from authz.tokens.revocation import Revocation


@dataclass(frozen=True, slots=True)
class Registration:
    initial_tokens: InitialTokens
    statements: Statements
    admission: Admission
    history: History
    limits: Limits
    registrations: Registrations
    checks: Checks
    review: Review
    proposals: Proposals
    automatic: Automatic
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Parts of the server that registration works with."""

    db: Database
    outbound: Outbound
    outbound_for_strangers: Outbound
    clients: Clients
    fhir_servers: FhirServers
    revocation: Revocation
    brands: Brands
    describer: Describer
    keyring: Keyring
    courier: Courier


def build(
    settings: Settings, limiter: AuditedLimiter, trail: Trail, now: Callable[[], datetime], around: Neighbours
) -> Registration:
    tokens = InitialTokens(now)
    statements = Statements(around.db, KeySets(around.outbound, trail, now), settings.issuer, now)
    earlier = Earlier(now)
    admission = Admission(tokens, statements, earlier, now, settings.registration_hold_seconds)
    webhook = Webhook(around.courier, settings.registration_webhook, settings.issuer, around.keyring)
    history = History(now, webhook)
    limits = Limits(limiter, settings.registrations_per_hour, settings.unapproved_apps)
    words = ScopeWords(around.describer)
    checks = Checks(
        db=around.db,
        now=now,
        fhir_servers=around.fhir_servers,
        cases=Cases(Others(now), around.fhir_servers, around.brands, words),
        published=Published(around.outbound_for_strangers),
        words=words,
        history=history,
    )
    review = Review(around.db, around.clients, around.revocation, history, checks, earlier, trail)
    return Registration(
        initial_tokens=tokens,
        statements=statements,
        admission=admission,
        history=history,
        limits=limits,
        registrations=Registrations(
            db=around.db,
            clients=around.clients,
            doors=Doors(around.db, around.fhir_servers, tokens),
            limits=limits,
            admission=admission,
            sectors=Sectors(around.outbound_for_strangers, trail),
            history=history,
            checks=checks,
            revocation=around.revocation,
            trail=trail,
        ),
        checks=checks,
        review=review,
        proposals=Proposals(review),
        automatic=Automatic(review),
        webhook=webhook,
    )
