"""What people meet in their browsers: signing in, choosing, agreeing, what their apps may do, signing out."""

from __future__ import annotations

from functools import cached_property

from authz.authorize.at_provider import AtProvider, build_page
from authz.authorize.at_provider import build as build_at_provider
from authz.authorize.breaking_glass import BreakingGlass
from authz.authorize.choosing import Choosing
from authz.authorize.draft import Registries
from authz.authorize.front import FrontChannel as Authorization
from authz.authorize.guard import Guard
from authz.authorize.identifying import Identifying
from authz.authorize.logout import Logout
from authz.authorize.logout_records import LogoutRecords
from authz.authorize.naming import Naming
from authz.authorize.next_page import NextPage
from authz.authorize.own_pages import own_pages
from authz.authorize.pending import Interactions
from authz.authorize.picker import Picker
from authz.authorize.presence import Presence
from authz.authorize.respond import Responder
from authz.authorize.show import Consenting
from authz.authorize.signing_in import SigningIn
from authz.authorize.situation import Judge
from authz.consent.decide import Consents
from authz.consent.describe import Describer
from authz.consent.kinds_file import load as load_kinds
from authz.keyring.box import Box
from authz.login.admin_session import AdminSessions
from authz.login.administrators import Administrators
from authz.login.by_password import ByPassword
from authz.login.federated.federation import Federation
from authz.login.known_devices import KnownDevices
from authz.login.password import Passwords
from authz.login.second_factor import SecondFactor
from authz.login.session import Sessions
from authz.login.throttle import Throttle
from authz.my_apps.my_apps import MyApps
from authz.my_apps.reminder import Reminders
from authz.services.back_channel import BackChannel
from authz.tokens.logout_notices import LogoutNotices
from authz.tokens.sign_out import SignOut
from authz.users.recent import RecentPatients


class FrontChannel(BackChannel):
    @cached_property
    def passwords(self) -> Passwords:
        return Passwords(self.users, self.db, self.now)

    @cached_property
    def second_factor(self) -> SecondFactor:
        return SecondFactor(self.db, Box(self.secrets, "second factor"), self.settings.organization, self.now)

    @cached_property
    def by_password(self) -> ByPassword:
        devices = KnownDevices(self.users, self.secrets, self.now)
        throttle = Throttle(self.limiter, devices, self.settings.people_per_address)
        return ByPassword(self.passwords, self.second_factor, throttle, self.secrets, self.db, self.trail, self.now)

    @cached_property
    def administrators(self) -> Administrators:
        sessions = AdminSessions(self.db, self.backend, self.secrets, self.users, self.second_factor, self.now)
        return Administrators(self.by_password, sessions)

    @cached_property
    def federation(self) -> Federation:
        stores, keys = (self.db, self.backend), (self.secrets, self.keyring)
        return Federation.wire(self.settings, stores, keys, self.outbound, self.now)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.db, self.backend, self.secrets, self.users, self.now, self.settings.session_seconds)

    @cached_property
    def sign_out(self) -> SignOut:
        notices = LogoutNotices(self.courier, self.settings.issuer, self.keyring)
        return SignOut(self.sessions, self.revocation, notices, self.trail, self.federation.sessions)

    @cached_property
    def logout(self) -> Logout:
        records = LogoutRecords(self.backend, self.secrets)
        own = (self.clients, self.users, self.keyring)
        return Logout(records, self.room, own, self.sign_out, self.settings.issuer)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self.db, self.now, self.settings.consent_seconds)

    @cached_property
    def describer(self) -> Describer:
        return Describer(self.settings, load_kinds(self.settings.consent_kinds))

    @cached_property
    def consenting(self) -> Consenting:
        return Consenting(self.describer, self.consents, Naming(self.searching))

    @cached_property
    def my_apps(self) -> MyApps:
        return MyApps(self.db, self.refresh_tokens, self.last_seen, self.revocation, self.trail)

    @cached_property
    def authorization(self) -> Authorization:
        settings, now = self.settings, self.now
        recent = RecentPatients(self.db, now)
        interactions = Interactions(self.backend, Box(self.secrets, "interaction"), settings.interaction_seconds, now)
        sign_in_page = build_page(self.federation, Box(self.secrets, "sign-in door"))
        reminders = Reminders(self.my_apps, self.clients, now, settings.offline_reminder_seconds)
        picker = Picker(self.users, recent, self.searching)
        registries = Registries(self.clients, self.fhir_servers, self.keyring, settings.issuer, own_pages(settings.url))
        return Authorization(
            consenting=self.consenting,
            guard=Guard(registries, self.trail, self.limits),
            launches=self.launches,
            judge=Judge(
                self.users,
                Presence(self.users, self.sessions, sign_in_page.ways, self.federation.sessions, now),
                self.rights,
                self.consents,
                self.sensitivity,
                self.representing,
            ),
            responder=Responder(
                self.db,
                self.launches,
                self.consents,
                self.codes,
                self.handles,
                self.sessions,
                self.trail,
                recent,
                self.users,
                settings.issuer,
            ),
            interactions=interactions,
            room=self.room,
            next_page=NextPage(interactions, picker, self.consenting, sign_in_page, reminders),
        )

    @cached_property
    def signing_in(self) -> SigningIn:
        return SigningIn(self.authorization, self.sessions, self.by_password, self.sign_out)

    @cached_property
    def at_provider(self) -> AtProvider:
        identifying = Identifying(self.federation, self.users, self.searching, self.db, self.trail, self.now)
        return build_at_provider(self.signing_in, identifying, self.backend, Box(self.secrets, "sign-in arrival"))

    @cached_property
    def choosing(self) -> Choosing:
        return Choosing(self.authorization)

    @cached_property
    def breaking_glass(self) -> BreakingGlass:
        return BreakingGlass(self.authorization)
