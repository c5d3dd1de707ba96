"""What the doctor can find: each kind with a stable id, a severity and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"  # somebody is refused, or gets in, who should not
    WARNING = "warning"  # it works, but not safely or not for long
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True)
class Kind:
    severity: Severity
    fix: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; ``about`` names the FHIR server, client, key or address."""

    id: str  # of KINDS
    about: str
    problem: str

    @property
    def severity(self) -> Severity:
        return KINDS[self.id].severity

    @property
    def fix(self) -> str:
        return KINDS[self.id].fix

    def as_dict(self) -> dict[str, str]:
        return {
            "id": self.id,
            "severity": self.severity.value,
            "about": self.about,
            "problem": self.problem,
            "fix": self.fix,
        }


def error(fix: str) -> Kind:
    return Kind(Severity.ERROR, fix)


def warning(fix: str) -> Kind:
    return Kind(Severity.WARNING, fix)


def note(fix: str) -> Kind:
    return Kind(Severity.NOTE, fix)


KINDS: dict[str, Kind] = {
    "settings.invalid": error("Correct the settings or the files they name; the server does not start like this."),
    "database.unreachable": error("Start the database, or correct database_url."),
    "database.revision": error("Run `authz db upgrade` with the version that serves, then restart it."),
    "database.plain": warning("Add sslmode=verify-full to database_url: audit trail and grants travel unencrypted."),
    "database.any_host": warning(
        "Add target_session_attrs=read-write to database_url: of several hosts the first that answers may be a replica."
    ),
    "database.readable": warning(
        "Take the rights of others away (chmod 0600): it holds hashes of passwords and the patients of the trail."
    ),
    "database.clock": error("Synchronise the clocks of this machine and the database (NTP)."),
    "database.owner": warning(
        "Make a role for the server with `authz db grant-service ROLE` and name it in database_url: whoever breaks into"
        " the server then can't rewrite the audit trail."
    ),
    "database.connections": warning(
        "Raise max_connections, or the limit of the role, or lower WEB_CONCURRENCY and WEB_THREADS: what is not given"
        " is an outage for whoever asks. Other machines of this server come on top."
    ),
    "audit.export_behind": error(
        "See why the second system does not take the audit trail (the log says it each minute); nothing is lost yet."
    ),
    "audit.export_mark": error(
        "Find out who wrote into the table audit_export, as for a break-in: records were kept from the second system."
        " What it may lack is sent again; compare `seq` there. A week after the last time this is found no more."
    ),
    "audit.unsealed": error(
        "See that a server runs and why its sealer fails (its log says); then `authz audit verify`."
    ),
    "store.unreachable": error("Start the short-lived store, or correct redis_url."),
    "store.policy": error(
        "Set `maxmemory-policy noeviction` in Redis: any other ends launches and sessions at random."
    ),
    "store.version": error("Use Redis 6.2 or later."),
    "store.strangers": warning(
        "Raise maxmemory in Redis or lower strangers_megabytes: else a flood of sign-in pages stops EHR launches too."
    ),
    "store.full": warning("Raise maxmemory in Redis: when it is full, nobody signs in and no app is launched."),
    "store.unbounded": warning(
        "Set maxmemory in Redis to what its machine can spare: a full one goes on, one without a limit may be killed."
    ),
    "store.persistence": note(
        "Nothing needs to be done: a restart of Redis ends launches and sessions. Set `appendonly yes` to keep them."
    ),
    "store.plain": warning("Use rediss:// for a Redis on another machine: launches and sessions travel unencrypted."),
    "store.unverified": error("Take ssl_cert_reqs=none out of redis_url: anybody could stand for Redis."),
    "store.one_machine": note("Set redis_url before a second machine serves: the SQLite store is this machine's own."),
    "keys.active": error("Run `authz keys generate`, or put the key's file (mode 0600) where keys_dir says."),
    "keys.next": warning(
        "Run `authz keys generate`: without a published next key a rotation takes the apps by surprise."
    ),
    "keys.file": error("Copy the key's file to this machine, with mode 0600; without it the next rotation fails here."),
    "keys.directory": error("Take the right to write away from group and others: chmod 0700 keys_dir."),
    "keys.rotation": warning("Run `authz keys rotate`; do so twice a year."),
    "keys.retired": note("Run `authz keys remove`: nothing that this key signed lives any more."),
    "keys.secrets": note("Run `authz keys secrets` and restart; the secret before stays valid."),
    "fhir.none": error("Register the FHIR server: `authz fhir-server add`. Without one no app gets anything."),
    "fhir.unreachable": error("Start the FHIR server, or correct its base URL (`authz fhir-server update`)."),
    "fhir.discovery_missing": error(
        "Have the FHIR server, or the proxy before it, serve the ready document at .well-known/smart-configuration."
    ),
    "fhir.discovery_differs": error(
        "Serve the document of this server as it is; look for a copy, a cache, or another FHIR server's document."
    ),
    "fhir.discovery_cors": error("Send one header Access-Control-Allow-Origin: * with the document."),
    "fhir.metadata_security": warning(
        "Put the ready rest.security (fhir-servers/…/oauth-uris) into the CapabilityStatement; older apps look there."
    ),
    "fhir.aud": error(
        "Add this spelling with `authz fhir-server update --alias`, or correct implementation.url: apps send it as aud."
    ),
    "fhir.version": warning("Correct the FHIR versions of this server: `authz fhir-server update --fhir-version`."),
    "fhir.alias": note("Remove the alias if no app uses it, or let the FHIR server answer there as well."),
    "fhir.open": error("Put the FHIR server behind /forward-auth, or have it introspect: anybody reads records now."),
    "fhir.any_token": error("Have the FHIR server introspect each token: it lets through one that nobody issued."),
    "fhir.introspection": error(
        "Give the FHIR server its introspection credential (`authz fhir-server rotate-secret`), and a way here."
    ),
    "fhir.who_is_who": warning(
        "Behind /forward-auth, name its upstream_url. A FHIR server that enforces by itself must refuse these writes"
        " (docs/how-to/representatives.md); or let nobody pass such scopes on (`authz fhir-server update --ceiling`)."
    ),
    "fhir.not_401": warning("Answer 401 to a request without a token, so that apps know they must ask for one."),
    "fhir.challenge": note("Send WWW-Authenticate: Bearer with the 401 (RFC 6750)."),
    "fhir.clock": error("Synchronise the clocks (NTP): tokens look expired, or live on, at the FHIR server."),
    "issuer.unreachable": error(
        "See that the public address leads to this server, from the FHIR server's side as well."
    ),
    "issuer.other": error("Set issuer to the public address, and have the proxy lead there: apps compare it."),
    "issuer.differs": error("Restart the servers with these settings and this version; empty the proxy's cache."),
    "issuer.well_known": error("Lead /.well-known/ of the host to this server too (RFC 8414 puts the path behind it)."),
    "issuer.cors": error("Let this server's own CORS headers through, once: no proxy may add or remove any."),
    "issuer.cors_token": error("Let OPTIONS and the CORS headers of /token through: browser apps can't get a token."),
    "issuer.cors_open": error("Take the CORS headers out of the proxy: pages of any origin read answers of /token."),
    "issuer.installation": error("Lead the public address to the servers with this database, store and version."),
    "issuer.clock": error("Synchronise the clocks (NTP): codes, tokens and assertions depend on them."),
    "jwks.unreachable": error("Let /jwks through: nobody can verify an id_token."),
    "jwks.differs": error("Empty the proxy's cache; the published keys are not those of the database."),
    "jwks.caching": warning("Let Cache-Control of /jwks through: kept longer, a rotated key is unknown to the apps."),
    "proxy.untrusted": warning(
        "Name the proxy in trusted_proxies: on the audit trail and in the limits everybody has its address."
    ),
    "proxy.spoofable": error(
        "Name only proxies in trusted_proxies, and have them append to X-Forwarded-For: any address can be pretended."
    ),
    "tls.certificate": error("Install a certificate that is in time, for this name, and of a known authority."),
    "tls.expires": warning("Renew the certificate, and see why that does not happen by itself."),
    "tls.old": warning("Switch TLS 1.0 and 1.1 off."),
    "client.jwks_uri": warning("Tell the app's makers: their key set can't be fetched, so the app can't sign in."),
    "client.legacy": warning("Ask the app's makers for a version that needs no switch, or say anew why it stays."),
    "sign_in.administrator": warning(
        "Have them set up an authenticator app (`authz user totp`), or take the role away: they can't work like this."
    ),
    "sign_in.local_accounts": warning(
        "Have them sign in at the hospital's provider (`authz sign-in-provider`), or give them an authenticator app."
    ),
    "sign_in.provider": error(
        "See `authz sign-in-provider check`, and ask who runs the provider: nobody can sign in there."
    ),
    "sign_in.claim": error(
        "Look at these people (`authz user explain`) and mend who is recorded as somebody else (`authz user update"
        " --fhir-user`, `unidentify`, `remove`); then have the provider tell URLs, or name its one `--fhir-server`."
    ),
    "registration.no_tests": note(
        "Add them (authz user add --sandbox, authz fhir-server update --sandbox-patient), or nobody can try an app."
    ),
    "registration.waiting": note("Decide about it: `authz registration show`, or /admin/registrations."),
    "doctor.unfinished": warning("Look at this part by hand: it took too long to answer."),
}
