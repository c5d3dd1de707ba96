"""Everything about signing in at the hospital's providers, wired together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.authorize.arrival import Arrivals
from authz.authorize.beside import Beside
from authz.authorize.coming_back import ComingBack
from authz.authorize.doors import Doors
from authz.authorize.leaving import Leaving
from authz.authorize.sign_in_page import SignInPage
from authz.authorize.told_to_end import ToldToEnd
from authz.authorize.ways import Ways

if TYPE_CHECKING:
    from authz.authorize.identifying import Identifying
    from authz.authorize.signing_in import SigningIn
    from authz.keyring.box import Box
    from authz.login.federated.federation import Federation
    from authz.storage.short_lived import Backend


@dataclass(frozen=True, slots=True)
class AtProvider:
    federation: Federation
    identifying: Identifying
    leaving: Leaving
    coming_back: ComingBack
    beside: Beside
    told_to_end: ToldToEnd


def build(signing_in: SigningIn, identifying: Identifying, backend: Backend, box: Box) -> AtProvider:
    """``box`` closes what waits for somebody who has come back."""
    front, federation = signing_in.front, identifying.federation
    db, trail, now = identifying.db, identifying.trail, identifying.now
    return AtProvider(
        federation=federation,
        identifying=identifying,
        leaving=Leaving(front, federation, now),
        coming_back=ComingBack(front, federation, identifying, Arrivals(backend, box), signing_in, now),
        beside=Beside(front, signing_in),
        told_to_end=ToldToEnd(federation, signing_in.sign_out, db, trail, front.guard.limits, now),
    )


def build_page(federation: Federation, box: Box) -> SignInPage:
    """``box`` closes what the links to providers hold."""
    return SignInPage(Ways(federation), Doors(box))
