"""Everything wired once: which part uses which. No rule lives here."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from authz.audit.sealer import Sealer
from authz.audit.trail import Trail
from authz.authorize.at_provider import AtProvider, build_page
from authz.authorize.at_provider import build as build_at_provider
from authz.authorize.breaking_glass import BreakingGlass
from authz.authorize.choosing import Choosing
from authz.authorize.draft import Registries
from authz.authorize.front import FrontChannel
from authz.authorize.guard import Guard
from authz.authorize.identifying import Identifying
from authz.authorize.logout import Logout
from authz.authorize.naming import Naming
from authz.authorize.next_page import NextPage
from authz.authorize.own_pages import own_pages
from authz.authorize.pending import Interactions
from authz.authorize.picker import Picker
from authz.authorize.respond import Responder
from authz.authorize.searching import Searching
from authz.authorize.show import Consenting
from authz.authorize.signing_in import SigningIn
from authz.authorize.situation import Judge
from authz.brands.registry import Brands
from authz.clients.key_sets import KeySets
from authz.clients.logo import ClientLogos
from authz.clients.registry import Clients
from authz.consent.decide import Consents
from authz.consent.describe import Describer
from authz.consent.kinds_file import load as load_kinds
from authz.developers import front as developers
from authz.discovery.documents import Discovery
from authz.enforcement import Gateway, Upstream, UserReach
from authz.fhir_servers.registry import Ehrs, FhirServers
from authz.fhir_servers.search import FhirSearch
from authz.fhir_servers.style import Styles
from authz.grants.base import GrantServices
from authz.grants.caller import HANDLE_SCOPE, INTROSPECT_SCOPE, Callers
from authz.grants.registered import EhrCredentials, FhirServerCredentials
from authz.grants.server import TokenServer
from authz.keyring.box import Box
from authz.keyring.launch_keys import LaunchKeys
from authz.keyring.secrets import Secrets
from authz.keyring.signing import Keyring
from authz.launch.admission import Admission
from authz.launch.direct import DirectWrites
from authz.launch.directory import LAUNCH_SCOPE, Directory
from authz.launch.ehr_session import EhrSessions
from authz.launch.own import OwnLaunches
from authz.launch.signed import SignedLaunches
from authz.launch.store import Launches
from authz.login.admin_session import AdminSessions
from authz.login.administrators import Administrators
from authz.login.by_password import ByPassword
from authz.login.federated.federation import Federation
from authz.login.password import Passwords
from authz.login.second_factor import SecondFactor
from authz.login.session import Sessions
from authz.login.throttle import Throttle
from authz.my_apps.my_apps import MyApps
from authz.my_apps.reminder import Reminders
from authz.notices.courier import Courier
from authz.outbound import Outbound
from authz.policy.policy import Policy
from authz.policy.rights import user_rights
from authz.policy.sensitive import sensitivity
from authz.registration import parts as registration
from authz.storage.redis import RedisBackend
from authz.storage.sqlite import SQLiteBackend
from authz.support.case import Cases
from authz.support.self_test import SelfTests
from authz.tokens.code import Codes
from authz.tokens.handle_check import HandleCheck
from authz.tokens.handle_revocation import HandleRevocation
from authz.tokens.handles import Handles
from authz.tokens.hot import HotAnswers
from authz.tokens.id_token import IdTokens
from authz.tokens.introspection import Introspection
from authz.tokens.issuer import Issuer
from authz.tokens.last_seen import LastSeen
from authz.tokens.launched import Launched
from authz.tokens.logout_notices import LogoutNotices
from authz.tokens.own import OwnTokens
from authz.tokens.refresh import RefreshTokens
from authz.tokens.revocation import Revocation
from authz.tokens.scan_alarm import ScanAlarm
from authz.tokens.sign_out import SignOut
from authz.tokens.store import AccessTokens
from authz.users.recent import RecentPatients
from authz.users.registry import Users

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.settings import Settings
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend


@dataclass(frozen=True, slots=True)
class Services:
    """One server's parts."""

    settings: Settings
    db: Database
    backend: Backend
    now: Callable[[], datetime]
    outbound: Outbound
    secrets: Secrets
    keyring: Keyring
    launch_keys: LaunchKeys
    styles: Styles
    trail: Trail
    sealer: Sealer
    fhir_servers: FhirServers
    ehrs: Ehrs
    clients: Clients
    client_logos: ClientLogos
    users: Users
    passwords: Passwords
    second_factor: SecondFactor
    administrators: Administrators
    ehr_sessions: EhrSessions
    launches: Launches
    codes: Codes
    hot: HotAnswers
    revocation: Revocation
    introspection: Introspection
    last_seen: LastSeen
    callers: Callers
    handle_callers: Callers
    ehr_callers: Callers
    handle_check: HandleCheck
    handle_revocation: HandleRevocation
    launched: Launched
    gateway: Gateway
    token_server: TokenServer
    discovery: Discovery
    brands: Brands
    authorization: FrontChannel
    sign_out: SignOut
    logout: Logout
    cases: Cases
    self_tests: SelfTests
    choosing: Choosing
    breaking_glass: BreakingGlass
    developers: developers.Developers
    signing_in: SigningIn
    registration: registration.Registration
    at_provider: AtProvider
    my_apps: MyApps


def short_lived(settings: Settings) -> Backend:
    """Redis where its address is set, else a SQLite file beside this server."""
    if settings.redis_url:
        return RedisBackend.from_url(settings.redis_url)
    settings.short_lived_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SQLiteBackend(settings.short_lived_path)


def wire(settings: Settings, db: Database, now: Callable[[], datetime], outbound: Outbound | None = None) -> Services:
    """Build a server's parts; opens no connection.

    Raises ConfigurationError if there is no usable secrets file, or what a setting names can't be used.
    """
    outbound = outbound or Outbound(settings.outbound_networks)
    secrets = Secrets.load(settings.keys_dir / "secrets.json")
    backend = short_lived(settings)
    keyring = Keyring(db, settings.keys_dir, now)
    trail = Trail(db, now, node=socket.gethostname(), version=version("authz"))
    fhir_servers = FhirServers(db, secrets, now)
    clients = Clients(db, secrets, now)
    users = Users(db, now, trail)
    ehr_sessions = EhrSessions(db, now)
    styles = Styles(db, settings.url, now)
    directory = Directory(fhir_servers, clients, users, styles)
    admission = Admission(db, backend, directory, trail)
    ehrs = Ehrs(db, secrets, now)
    launch_keys = LaunchKeys(db, settings.keys_dir, now)
    launches = Launches(
        db=db,
        backend=backend,
        secrets=secrets,
        directory=directory,
        direct=DirectWrites(backend, directory, admission, now, possible=bool(settings.redis_url)),
        signed=SignedLaunches(settings.issuer, launch_keys, ehrs, directory, admission, now),
        ehr_sessions=ehr_sessions,
        trail=trail,
        now=now,
        seconds=settings.launch_seconds,
    )
    rights = user_rights(settings.user_rights, users)
    codes = Codes(settings, now)
    hot = HotAnswers(db, backend, now)
    revocation = Revocation(db, now, hot, trail)
    last_seen = LastSeen(backend, now)
    refresh_tokens = RefreshTokens(settings, now, ehr_sessions)
    alarm = ScanAlarm(trail)
    introspection = Introspection(db, AccessTokens(now), refresh_tokens, hot, last_seen, alarm)
    box = Box(secrets, "messaging handle")
    handles = Handles(settings, now, box, hot, trail)
    grants = GrantServices(
        settings=settings,
        db=db,
        now=now,
        clients=clients,
        key_sets=KeySets(outbound, trail, now),
        fhir_servers=fhir_servers,
        codes=codes,
        refresh_tokens=refresh_tokens,
        handles=handles,
        issuer=Issuer(settings, now, IdTokens(settings, keyring), handles, trail),
        hot=hot,
        revocation=revocation,
        trail=trail,
        policy=Policy(users, fhir_servers, rights),
    )
    token_server = TokenServer(grants)
    by_ehr = EhrCredentials(ehrs, settings, db, now)
    passwords = Passwords(users, db, now)
    sessions = Sessions(db, backend, users, now, settings.session_seconds)
    courier = Courier(db, now, outbound, trail)
    federation = Federation.wire(settings, (db, backend), (secrets, keyring), outbound, now)
    sign_out = SignOut(
        sessions, revocation, LogoutNotices(courier, settings.issuer, keyring), trail, federation.sessions
    )
    consents = Consents(db, now, settings.consent_seconds)
    recent = RecentPatients(db, now)
    searching = Searching(db, FhirSearch(outbound), OwnTokens(db, now, grants.issuer, revocation), trail)
    interactions = Interactions(backend, Box(secrets, "interaction"), settings.interaction_seconds)
    describer = Describer(settings, load_kinds(settings.consent_kinds))
    consenting = Consenting(describer, consents, Naming(searching))
    my_apps = MyApps(db, refresh_tokens, last_seen, revocation, trail)
    reminders = Reminders(my_apps, clients, now, settings.offline_reminder_seconds)
    discovery = Discovery(settings, token_server.grant_types)
    sign_in_page = build_page(federation, backend, Box(secrets, "sign-in door"), settings.interaction_seconds)
    authorization = FrontChannel(
        consenting=consenting,
        guard=Guard(Registries(clients, fhir_servers, keyring, settings.issuer, own_pages(settings.url)), trail),
        launches=launches,
        judge=Judge(users, sessions, rights, consents, sensitivity(settings.sensitivity), sign_in_page.ways, now),
        responder=Responder(
            db, launches, ehr_sessions, consents, codes, handles, sessions, trail, recent, settings.issuer
        ),
        interactions=interactions,
        next_page=NextPage(interactions, Picker(users, recent, searching), consenting, sign_in_page, reminders),
    )
    second_factor = SecondFactor(db, Box(secrets, "second factor"), settings.organization, now)
    by_password = ByPassword(passwords, second_factor, Throttle(backend, secrets, now), secrets, db, trail, now)
    brands = Brands(db, fhir_servers, now, settings.issuer)
    around = registration.Neighbours(
        db, outbound, clients, fhir_servers, revocation, brands, consenting.describer, keyring, courier
    )
    signing_in = SigningIn(authorization, sessions, by_password, sign_out)
    return Services(
        settings=settings,
        db=db,
        backend=backend,
        now=now,
        outbound=outbound,
        secrets=secrets,
        keyring=keyring,
        launch_keys=launch_keys,
        styles=styles,
        trail=trail,
        sealer=Sealer(db, keyring, now),
        fhir_servers=fhir_servers,
        ehrs=ehrs,
        clients=clients,
        client_logos=ClientLogos(db),
        users=users,
        passwords=passwords,
        second_factor=second_factor,
        administrators=Administrators(by_password, AdminSessions(db, backend, users, second_factor, now)),
        ehr_sessions=ehr_sessions,
        launches=launches,
        codes=codes,
        hot=hot,
        revocation=revocation,
        introspection=introspection,
        last_seen=last_seen,
        callers=Callers(
            INTROSPECT_SCOPE, FhirServerCredentials(fhir_servers), introspection, token_server.authenticate
        ),
        handle_callers=Callers(HANDLE_SCOPE, by_ehr, introspection, token_server.authenticate),
        ehr_callers=Callers(LAUNCH_SCOPE, by_ehr, introspection, token_server.authenticate),
        handle_check=HandleCheck(db, now, settings.issuer, box, hot, alarm),
        handle_revocation=HandleRevocation(db, now, revocation, trail),
        launched=Launched(OwnLaunches(launches), handles),
        gateway=Gateway(introspection, fhir_servers, Upstream(outbound), UserReach(users, clients, rights), trail),
        token_server=token_server,
        discovery=discovery,
        brands=brands,
        authorization=authorization,
        sign_out=sign_out,
        logout=Logout(backend, clients, users, keyring, sign_out, settings.issuer),
        cases=Cases(db, backend, (clients, fhir_servers), now),
        self_tests=SelfTests(backend),
        developers=developers.build(db, launches, discovery, describer, now),
        choosing=Choosing(authorization),
        breaking_glass=BreakingGlass(authorization),
        signing_in=signing_in,
        registration=registration.build(settings, backend, trail, now, around),
        at_provider=build_at_provider(
            signing_in,
            Identifying(federation, users, searching, db, trail, now),
            backend,
            Box(secrets, "sign-in arrival"),
        ),
        my_apps=my_apps,
    )
