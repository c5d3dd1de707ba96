"""What clients, EHRs and FHIR servers talk to: launches, tokens, introspection, the handles of web messaging."""

from __future__ import annotations

from functools import cached_property

from authz.authorize.representing import Representing
from authz.authorize.searching import Searching
from authz.clients.key_sets import KeySets
from authz.clients.speakers import Speakers
from authz.enforcement import Gateway, Upstream, UserReach
from authz.fhir_servers.search import FhirSearch
from authz.grants.base import GrantServices
from authz.grants.caller import HANDLE_SCOPE, INTROSPECT_SCOPE, Callers
from authz.grants.registered import EhrCredentials, FhirServerCredentials
from authz.grants.server import TokenServer
from authz.keyring.box import Box
from authz.keyring.seal import Seal
from authz.launch.admission import Admission
from authz.launch.direct import DirectWrites
from authz.launch.directory import LAUNCH_SCOPE, Directory
from authz.launch.ehr_session import EhrSessions
from authz.launch.own import OwnLaunches
from authz.launch.signed import SignedLaunches
from authz.launch.store import Launches
from authz.notices.courier import Courier
from authz.services.rules import Rules
from authz.tokens.answer import ending
from authz.tokens.code import Codes
from authz.tokens.handle_check import HandleCheck
from authz.tokens.handle_revocation import HandleRevocation
from authz.tokens.handles import Handles
from authz.tokens.hot import HotAnswers
from authz.tokens.hot_copy import CopySeal
from authz.tokens.id_token import IdTokens
from authz.tokens.introspection import Introspection
from authz.tokens.issuer import Issuer
from authz.tokens.last_seen import LastSeen
from authz.tokens.launched import Launched
from authz.tokens.live_handles import Description
from authz.tokens.own import OwnTokens
from authz.tokens.purge import Purge
from authz.tokens.refresh import RefreshTokens
from authz.tokens.revocation import Revocation
from authz.tokens.scan_alarm import ScanAlarm
from authz.tokens.store import AccessTokens
from authz.users.sign_in_rules import SignInRulebook


class BackChannel(Rules):
    @cached_property
    def ehr_sessions(self) -> EhrSessions:
        return EhrSessions(self.db, self.now)

    @cached_property
    def launches(self) -> Launches:
        settings, now = self.settings, self.now
        directory = Directory(self.fhir_servers, self.clients, self.users, self.styles, self.representing)
        admission = Admission(self.db, self.backend, directory, self.trail)
        return Launches(
            db=self.db,
            backend=self.backend,
            secrets=self.secrets,
            directory=directory,
            direct=DirectWrites(self.backend, directory, admission, now, possible=bool(settings.redis_url)),
            signed=SignedLaunches(settings.issuer, self.launch_keys, self.ehrs, directory, admission, now),
            ehr_sessions=self.ehr_sessions,
            speakers=Speakers(self.ehrs, now),
            trail=self.trail,
            now=now,
            seconds=settings.launch_seconds,
        )

    @cached_property
    def launched(self) -> Launched:
        return Launched(OwnLaunches(self.launches), self.handles)

    @cached_property
    def purge(self) -> Purge:
        return Purge(self.db, self.backend, self.now)

    @cached_property
    def codes(self) -> Codes:
        return Codes(self.settings, self.now)

    @cached_property
    def hot(self) -> HotAnswers:
        seal = CopySeal(Seal(self.secrets, "hot answer"), ending(self.settings.issuer))
        return HotAnswers(self.db, self.backend, seal, self.now)

    @cached_property
    def revocation(self) -> Revocation:
        return Revocation(self.db, self.now, self.hot, self.trail)

    @cached_property
    def last_seen(self) -> LastSeen:
        return LastSeen(self.backend, Seal(self.secrets, "last seen"), self.now)

    @cached_property
    def refresh_tokens(self) -> RefreshTokens:
        return RefreshTokens(self.settings, self.now, self.ehr_sessions)

    @cached_property
    def alarm(self) -> ScanAlarm:
        return ScanAlarm(self.trail)

    @cached_property
    def introspection(self) -> Introspection:
        tokens = AccessTokens(self.now)
        return Introspection(self.db, tokens, self.refresh_tokens, self.hot, self.last_seen, self.alarm)

    @cached_property
    def handle_box(self) -> Box:
        return Box(self.secrets, "messaging handle")

    @cached_property
    def handles(self) -> Handles:
        return Handles(self.settings, self.now, self.handle_box, self.hot, self.trail)

    @cached_property
    def handle_check(self) -> HandleCheck:
        description = Description(self.policy, self.now, self.settings.issuer, self.handle_box)
        return HandleCheck(self.db, self.now, description, self.hot, self.alarm)

    @cached_property
    def handle_revocation(self) -> HandleRevocation:
        return HandleRevocation(self.db, self.now, self.revocation, self.trail)

    @cached_property
    def issuer(self) -> Issuer:
        return Issuer(self.settings, self.now, IdTokens(self.settings, self.keyring), self.handles, self.trail)

    @cached_property
    def searching(self) -> Searching:
        tokens = OwnTokens(self.db, self.now, self.issuer, self.revocation)
        return Searching(self.db, FhirSearch(self.outbound), tokens, self.trail, self.limits)

    @cached_property
    def representing(self) -> Representing:
        return Representing(self.users, self.searching, self.revocation, self.now)

    @cached_property
    def token_server(self) -> TokenServer:
        return TokenServer(
            GrantServices(
                settings=self.settings,
                db=self.db,
                now=self.now,
                clients=self.clients,
                key_sets=KeySets(self.outbound, self.trail, self.now, self.outbound_for_strangers),
                fhir_servers=self.fhir_servers,
                codes=self.codes,
                refresh_tokens=self.refresh_tokens,
                handles=self.handles,
                handle_revocation=self.handle_revocation,
                issuer=self.issuer,
                hot=self.hot,
                revocation=self.revocation,
                trail=self.trail,
                limits=self.limits,
                policy=self.policy,
                representing=self.representing,
            )
        )

    @cached_property
    def callers(self) -> Callers:
        return self.callers_with(INTROSPECT_SCOPE, FhirServerCredentials(self.fhir_servers))

    @cached_property
    def by_ehr(self) -> EhrCredentials:
        return EhrCredentials(self.ehrs, self.settings, self.db, self.now)

    @cached_property
    def handle_callers(self) -> Callers:
        return self.callers_with(HANDLE_SCOPE, self.by_ehr)

    @cached_property
    def ehr_callers(self) -> Callers:
        return self.callers_with(LAUNCH_SCOPE, self.by_ehr)

    def callers_with(self, scope: str, credentials: EhrCredentials | FhirServerCredentials) -> Callers:
        return Callers(scope, credentials, self.introspection, self.token_server.authenticate, self.clients)

    @cached_property
    def gateway(self) -> Gateway:
        reach, rulebook = UserReach(self.users, self.clients, self.rights), SignInRulebook(self.db)
        return Gateway(self.introspection, self.fhir_servers, Upstream(self.outbound), reach, self.trail, rulebook)

    @cached_property
    def courier(self) -> Courier:
        return Courier(self.db, self.now, self.outbound, self.trail)
