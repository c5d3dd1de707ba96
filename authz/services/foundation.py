"""What everything else stands on: the stores, the keys, the audit trail, and who is known here."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from authz.audit.exporter import Exporter
from authz.audit.flood import Flood
from authz.audit.lifecycle import Lifecycle
from authz.audit.sealer import Sealer
from authz.audit.targets import target
from authz.audit.trail import Trail, local_trail
from authz.brands.registry import Brands
from authz.clients.logo import ClientLogos
from authz.clients.registry import Clients
from authz.fhir_servers.registry import Ehrs, FhirServers
from authz.fhir_servers.style import Styles
from authz.keyring.launch_keys import LaunchKeys
from authz.keyring.secrets import Secrets
from authz.keyring.signing import Keyring
from authz.limits import AuditedLimiter, Limits
from authz.outbound import Outbound
from authz.storage.limiter import Limiter
from authz.storage.timed import TimedBackend
from authz.strangers import LONGEST_KEPT, Room
from authz.users.registry import Users

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.settings import Settings
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend


class Foundation:
    def __init__(
        self, settings: Settings, db: Database, now: Callable[[], datetime], outbound: Outbound | None = None
    ) -> None:
        self.settings = settings
        self.db = db
        self.now = now
        self.store_hearers: list[Callable[[str, float | None], None]] = []  # see TimedBackend
        self.outbound = outbound or Outbound(settings.outbound_networks)
        # for addresses that whoever registers may name: their slow name servers hold up nobody who signs in
        self.outbound_for_strangers = outbound or Outbound(settings.outbound_networks)

    @cached_property
    def backend(self) -> Backend:
        """Timed, for whoever hears of it: metrics, traces."""
        return TimedBackend(self.plain_backend(), self.store_hearers)

    def plain_backend(self) -> Backend:
        """Redis where its address is set, else a SQLite file beside this server; the other is not loaded."""
        settings = self.settings
        if settings.redis_url:
            from authz.storage.redis import RedisBackend  # noqa: PLC0415  when the parts are wired, before any request

            return RedisBackend.from_url(settings.redis_url)
        settings.short_lived_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        from authz.storage.sqlite import SQLiteBackend  # noqa: PLC0415  likewise

        return SQLiteBackend(settings.short_lived_path)

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets.load(self.settings.keys_dir / "secrets.json")

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring(self.db, self.settings.keys_dir, self.now)

    @cached_property
    def launch_keys(self) -> LaunchKeys:
        return LaunchKeys(self.db, self.settings.keys_dir, self.now)

    @cached_property
    def trail(self) -> Trail:
        trail = local_trail(self.db, self.now)
        trail.flood = Flood(self.limiter, self.settings.people_per_address, self.now)
        return trail

    @cached_property
    def lifecycle(self) -> Lifecycle:
        return Lifecycle(self.trail, self.settings, self.secrets)

    @cached_property
    def limiter(self) -> Limiter:
        return Limiter(self.backend, self.now)

    @cached_property
    def limits(self) -> Limits:
        return Limits(AuditedLimiter(self.limiter, self.trail), self.settings.people_per_address)

    @cached_property
    def room(self) -> Room:
        settings = self.settings
        seconds = max(LONGEST_KEPT, settings.interaction_seconds)
        return Room(self.limits.limiter, settings.strangers_megabytes, seconds)

    @cached_property
    def sealer(self) -> Sealer:
        return Sealer(self.db, self.keyring, self.now)

    @cached_property
    def exporter(self) -> Exporter | None:
        """None where no second system is told."""
        found = target(self.settings, self.outbound)
        return Exporter(self.trail, found) if found else None

    @cached_property
    def fhir_servers(self) -> FhirServers:
        return FhirServers(self.db, self.secrets, self.now)

    @cached_property
    def ehrs(self) -> Ehrs:
        return Ehrs(self.db, self.secrets, self.now)

    @cached_property
    def styles(self) -> Styles:
        return Styles(self.db, self.settings.url, self.now)

    @cached_property
    def brands(self) -> Brands:
        return Brands(self.db, self.fhir_servers, self.now, self.settings.issuer)

    @cached_property
    def clients(self) -> Clients:
        return Clients(self.db, self.secrets, self.now)

    @cached_property
    def client_logos(self) -> ClientLogos:
        return ClientLogos(self.db)

    @cached_property
    def users(self) -> Users:
        grace = timedelta(seconds=self.settings.representation_grace_seconds)
        return Users(self.db, self.now, self.trail, grace)
