"""From a proof of a provider to a person here: known, the same as one known already, or new (decision 19)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.errors import AlreadyExists
from authz.fhir_servers.bundle import SearchFailed
from authz.fhir_servers.records import shown
from authz.login.federated.why import UpstreamFailed, Why
from authz.tokens.own import OnBehalf
from authz.users.fhir_user import Known, Resolver, answer
from authz.users.registry import find_by_fhir_user
from authz.users.user import from_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.authorize.came import Came
    from authz.authorize.searching import Searching
    from authz.fhir_servers.server import FhirServer
    from authz.login.federated.federation import Federation
    from authz.login.federated.provider import Provider
    from authz.storage.database import Database
    from authz.users.fhir_user import Candidate, Finding
    from authz.users.registry import User, Users
    from authz.users.upstream import UpstreamIdentity

TAKEN, UNKNOWN, AWAY = "fhir_user_taken", "fhir_user_unknown", "fhir_server_away"
ELSEWHERE = "known_by_another_fhir_server"


@dataclass(frozen=True, slots=True)
class Identifying:
    federation: Federation
    users: Users
    searching: Searching
    db: Database
    trail: Trail
    now: Callable[[], datetime]

    def claims(self, provider: Provider, server: FhirServer) -> tuple[str, ...]:
        """What has to be known of people who sign in there, to be found."""
        return tuple(sorted({*provider.own_claims, *self.federation.rulebook.of(server.name).claims(provider.name)}))

    def person(self, came: Came) -> User | tuple[Candidate, ...]:
        """Who it is, as known when they came; or the resources they have to choose from.

        Raises UpstreamFailed if they may not enter.
        """
        user = self.known(came)
        if user is not None and self.is_somebody(user, came):
            return self.become(came, user, None, "")
        try:
            found = answer(list(self.steps(came)))
        except SearchFailed as failure:
            if user is None:  # who is created now would be another person than the one that is found later
                raise UpstreamFailed(Why.SEARCH_FAILED, str(failure)) from failure
            return self.become(came, user, None, AWAY)
        free = tuple(one for one in found if self.is_free(one, user, came))
        if len(free) > 1:
            return free
        if not free:
            return self.become(came, user, None, TAKEN if found else UNKNOWN)
        return self.become(came, user, free[0], "fhir_user_found")

    def chosen(self, came: Came, candidate: Candidate) -> User:
        """The person who said which resource they are; remembered, so that the first answer counts."""
        user = self.known(came)
        if user is not None and self.is_somebody(user, came):
            return self.become(came, user, None, "")
        if not self.is_free(candidate, user, came):
            raise UpstreamFailed(Why.UNTRUSTED, "somebody else has become this resource meanwhile")
        return self.become(came, user, candidate, "fhir_user_chosen")

    def known(self, came: Came) -> User | None:
        """Who came before under this name. Raises UpstreamFailed if they are switched off."""
        user = self.federation.identities.find(came.proof.issuer, came.proof.subject)
        if user is not None and not user.enabled:
            raise UpstreamFailed(Why.DISABLED, "this person is switched off")
        return user

    def is_somebody(self, user: User, came: Came) -> bool:
        return self.users.fhir_user(user.sub, came.server.name) is not None

    def steps(self, came: Came) -> Iterator[Finding]:
        """How it is found out which resource they are, step by step. Raises SearchFailed."""
        provider, proof = came.provider, came.proof
        only = self.federation.providers.only_fhir_server(provider)
        known = Known(provider.name, proof.subject, proof.claims, provider.fhir_user_claim, only)
        return self.resolver(came).steps(known)

    def resolver(self, came: Came) -> Resolver:
        who = OnBehalf("", None, came.client_id, came.server, came.peer, came.launch_id)

        def look(resource_type: str, asked: list[tuple[str, str]]) -> Sequence[dict[str, Any]]:
            return self.searching.people(who, resource_type, asked)

        rulebook = self.federation.rulebook
        return Resolver(came.server, rulebook.of(came.server.name), rulebook.listed, look)

    def is_free(self, candidate: Candidate, user: User | None, came: Came) -> bool:
        """Whether it can be theirs: nobody's, or of a person who is not known yet at this issuer."""
        owner = self.users.by_fhir_user(came.server.name, candidate.reference)
        if owner is None:
            return True
        issuers = [identity.issuer for identity in self.federation.identities.of(owner.sub)]
        return user is None and came.proof.issuer not in issuers and self.is_only_here(owner, came)

    def is_only_here(self, owner: User, came: Came) -> bool:
        """Whether an account is all of this FHIR server: whose it is besides, no word of one FHIR server says."""
        return not owner.is_administrator and self.users.somebody_at(owner.sub) == {came.server.name}

    def become(self, came: Came, user: User | None, candidate: Candidate | None, reason: str) -> User:
        """Write down who they are, and what has been found out about them."""
        with self.db.write() as session:
            if user is None:
                user = self.newcomer(session, came, candidate)
            self.federation.identities.seen(session, came.identity)
            if candidate is not None:
                self.link(session, came, user, candidate, reason)
            elif reason:
                self.trail.record(session, came.event(EventName.USER_UNIDENTIFIED, reason, user.sub))
        return user

    def newcomer(self, session: Session, came: Came, candidate: Candidate | None) -> User:
        """Whoever is this resource already; else a new person, where the FHIR server allows it."""
        owner = None if candidate is None else find_by_fhir_user(session, came.server.name, candidate.reference)
        if owner is not None and not owner.enabled:
            raise UpstreamFailed(Why.DISABLED, "this person is switched off")
        if owner is not None and not self.is_only_here(from_row(self.users.row(session, owner.sub)), came):
            raise UpstreamFailed(Why.FAILED, "this person has become somebody elsewhere meanwhile")
        if owner is None and not came.server.vouched_users:
            raise UpstreamFailed(Why.UNKNOWN_PERSON, "nobody here is this person, and nobody is created")
        name = shown(came.proof.claims.get(came.provider.name_claim, "")) or (candidate.name if candidate else "")
        user = owner or self.users.insert(session, None, name or came.provider.label)
        if not self.federation.identities.attach(session, user.sub, by_its_word(came, candidate)):
            raise UpstreamFailed(Why.FAILED, "the same person signed in twice at once")
        event = EventName.USER_CHANGED if owner else EventName.USER_CREATED
        self.trail.record(session, came.event(event, "first_sign_in", user.sub))
        return user

    def link(self, session: Session, came: Came, user: User, candidate: Candidate, reason: str) -> None:
        """Say who somebody is of whom that was not known; of two answers at once the first counts."""
        self.users.row(session, user.sub)
        if self.is_somebody(user, came):
            return
        before = self.users.somebody_at(user.sub)
        if not self.is_theirs_alone(session, user, came, before):
            self.trail.record(session, came.event(EventName.USER_UNIDENTIFIED, ELSEWHERE, user.sub))
            return
        self.federation.identities.tell(session, by_its_word(came, candidate))
        try:
            self.users.link(session, user.sub, came.server.name, candidate.reference)
        except AlreadyExists:
            self.trail.record(session, came.event(EventName.USER_UNIDENTIFIED, TAKEN, user.sub))
        else:
            self.trail.record(session, came.event(EventName.USER_CHANGED, reason, user.sub))

    def is_theirs_alone(self, session: Session, user: User, came: Came, before: frozenset[str]) -> bool:
        """Whether a word about who came makes nobody else somebody at a second FHIR server.

        By the word of the first one others may come in as this account, rightly or not: that says nothing of them here.
        """
        elsewhere = self.federation.identities.told_elsewhere(session, user.sub, came.server.name)
        if not before or not elsewhere:
            return True
        return user.name is None and len(self.federation.identities.of(user.sub)) == 1


def by_its_word(came: Came, candidate: Candidate | None) -> UpstreamIdentity:
    """Who came, and whether it is the FHIR server that says who that is, or the provider and the hospital."""
    is_told = candidate is not None and candidate.is_searched
    return replace(came.identity, told_by=came.server.name) if is_told else came.identity
