"""Everything wired once: which part uses which. No rule lives here.

A part is made when it is first asked for, and there is one of each; ``wire`` asks for all of them, so a server that
starts has them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from authz.developers import front as developers
from authz.discovery.documents import Discovery
from authz.discovery.ready import ReadyDocuments
from authz.registration import parts as registration
from authz.services.front_channel import FrontChannel
from authz.support.case import Cases
from authz.support.self_test import SelfTests
from authz.wording import offered

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.outbound import Outbound
    from authz.settings import Settings
    from authz.storage.database import Database


class Services(FrontChannel):
    """One server's parts: these, and those of the layers below."""

    @cached_property
    def discovery(self) -> Discovery:
        return Discovery(self.settings, self.token_server.grant_types, tuple(offered(self.settings.translations_dir)))

    @cached_property
    def documents(self) -> ReadyDocuments:
        return ReadyDocuments(self.discovery, self.fhir_servers, self.brands)

    @cached_property
    def registration(self) -> registration.Registration:
        around = registration.Neighbours(
            self.db,
            self.outbound,
            self.outbound_for_strangers,
            self.clients,
            self.fhir_servers,
            self.revocation,
            self.brands,
            self.describer,
            self.keyring,
            self.courier,
        )
        return registration.build(self.settings, self.limits.limiter, self.trail, self.now, around)

    @cached_property
    def developers(self) -> developers.Developers:
        return developers.build(self.db, self.launches, self.discovery, self.describer, self.now)

    @cached_property
    def cases(self) -> Cases:
        return Cases(self.db, (self.clients, self.fhir_servers), self.now)

    @cached_property
    def self_tests(self) -> SelfTests:
        return SelfTests(self.backend, self.secrets)


def wire(settings: Settings, db: Database, now: Callable[[], datetime], outbound: Outbound | None = None) -> Services:
    """Build a server's parts; opens no connection.

    Raises ConfigurationError if there is no usable secrets file, or what a setting names can't be used.
    """
    services = Services(settings, db, now, outbound)
    for layer in Services.__mro__:
        for name, part in vars(layer).items():
            if isinstance(part, cached_property):
                getattr(services, name)
    return services
