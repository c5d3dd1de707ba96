"""A launch that is a signed and encrypted JWT, made by a trusted EHR without calling us (requirements.md row 74).

The app carries it in ``launch`` like any handle. A JWS of type ``launch+jwt`` by a registered key of the EHR, within a
JWE to our launch key; its claims are a launch record and ``iss``, ``aud``, ``jti``. Single use by ``iss`` and ``jti``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError

from authz.errors import InsufficientScope, InvalidRequest
from authz.keyring.compact import NotCompact, read_jws
from authz.keyring.launch_keys import CanNotOpen
from authz.keyring.public_keys import ALGORITHMS, find_key
from authz.launch.admission import MAX_SECONDS
from authz.launch.launch import Launch, LaunchUnusable, Origin, Unusable, launch_id_of
from authz.launch.request import CLOCKS_APART_SECONDS, check_auth_time, load
from authz.launch.schema import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from joserfc.jwk import ECKey, RSAKey

    from authz.fhir_servers.registry import Ehr, Ehrs
    from authz.keyring.launch_keys import LaunchKeys
    from authz.launch.admission import Admission
    from authz.launch.directory import Directory

TYPE = "launch+jwt"  # RFC 8725 §3.11: nothing else that an EHR signs is a launch
MAX_BYTES = 8_192
MAX_JTI = 255
JWT_CLAIMS = ("iss", "aud", "jti", "iat", "nbf")  # beside the members of a launch record, of which exp is one


@dataclass(frozen=True, slots=True)
class Proved:
    """What an EHR signed and nobody has changed; whether it may be used is still to be seen."""

    digest: str  # of iss and jti: the same launch, however often it is signed or encrypted
    ehr: Ehr
    signed_by: str  # thumbprint of its key
    members: dict[str, Any]
    made_at: datetime  # as it says, and never ahead


@dataclass(frozen=True, slots=True)
class SignedLaunches:
    issuer: str
    keys: LaunchKeys
    ehrs: Ehrs
    directory: Directory
    admission: Admission
    now: Callable[[], datetime]

    def prove(self, token: str) -> Proved:
        """Who made it, and that nobody else did, for us and for now. Raises LaunchUnusable."""
        if len(token) > MAX_BYTES:
            raise LaunchUnusable(Unusable.MALFORMED, detail=f"longer than {MAX_BYTES} bytes")
        try:
            signed = self.keys.open(token)
            header, claims = read_jws(signed)
        except (CanNotOpen, NotCompact) as error:
            raise LaunchUnusable(Unusable.MALFORMED, detail=str(error)) from error
        ehr, key = self.signer(claims, header, signed)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
            raise LaunchUnusable(Unusable.MALFORMED, detail=f"jti must be a string of 1 to {MAX_JTI} characters")
        digest = sha256(f"signed-launch\0{ehr.client_id}\0{jti}".encode()).hexdigest()
        self.check_for_us_and_now(claims, launch_id_of(digest))
        members = {name: value for name, value in claims.items() if name not in JWT_CLAIMS}
        made_at = min(max(claims.get("iat", inf), 0), self.now().timestamp())
        return Proved(digest, ehr, key.thumbprint(), members, datetime.fromtimestamp(made_at, UTC))

    def signer(self, claims: dict[str, Any], header: dict[str, Any], signed: str) -> tuple[Ehr, RSAKey | ECKey]:
        """The EHR that ``iss`` names, and which of its registered keys made the signature."""
        name, algorithm, kid = claims.get("iss"), header.get("alg"), header.get("kid")
        if header.keys() != {"alg", "kid", "typ"} or header["typ"] != TYPE or algorithm not in ALGORITHMS:
            problem = f"the inner header must be alg {' or '.join(ALGORITHMS)}, typ {TYPE} and kid, and nothing else"
            raise LaunchUnusable(Unusable.UNTRUSTED, detail=problem)
        ehr = self.ehrs.get(name) if isinstance(name, str) else None
        if ehr is None or not ehr.enabled or ehr.jwks is None:
            raise LaunchUnusable(Unusable.UNTRUSTED, detail="iss is no EHR that may sign launches")
        key = find_key(ehr.jwks, kid, algorithm) if isinstance(kid, str) else None
        if key is None:
            raise LaunchUnusable(Unusable.UNTRUSTED, detail="kid names no key of the EHR for this alg")
        try:
            jws.deserialize_compact(signed, key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError) as error:
            raise LaunchUnusable(Unusable.UNTRUSTED, detail="the signature does not verify") from error
        return ehr, key

    def check_for_us_and_now(self, claims: dict[str, Any], launch_id: str) -> None:
        now = self.now().timestamp()
        audience, expires = claims.get("aud"), claims.get("exp")
        if audience not in (self.issuer, [self.issuer]):
            raise LaunchUnusable(Unusable.UNTRUSTED, launch_id, "aud must be this issuer, and nobody else")
        if type(expires) is not int or expires > now + MAX_SECONDS + CLOCKS_APART_SECONDS:
            raise LaunchUnusable(Unusable.LONG_LIVED, launch_id, f"exp must be at most {MAX_SECONDS} s ahead")
        if expires <= now:
            raise LaunchUnusable(Unusable.UNKNOWN, launch_id, "exp has passed")
        for name in ("iat", "nbf"):
            since = claims.get(name, 0)
            if type(since) not in (int, float) or since > now + CLOCKS_APART_SECONDS:
                raise LaunchUnusable(Unusable.MALFORMED, launch_id, f"{name} is not a time, or lies ahead")

    def admit(self, proved: Proved) -> Launch:
        """The launch, if everything it names is known here and is the EHR's to name. Raises LaunchUnusable."""
        launch_id = launch_id_of(proved.digest)
        try:
            asked = load(RECORD, proved.members)
            check_auth_time(asked, self.now())
        except InvalidRequest as cause:
            raise LaunchUnusable(Unusable.MALFORMED, launch_id, cause.description) from cause
        try:
            vetted = self.directory.vet(asked, proved.ehr)
        except (InvalidRequest, InsufficientScope) as cause:
            raise LaunchUnusable(Unusable.FOREIGN, launch_id, cause.description) from cause
        launch = self.admission.admit(proved.digest, vetted, proved.ehr.client_id, Origin.JWT, proved.made_at)
        return replace(launch, signed_by=proved.signed_by)


def is_signed(launch: str) -> bool:
    """Whether it looks like a JWE: five segments, the first a JSON object."""
    return launch.startswith("eyJ") and launch.count(".") == len("....")
