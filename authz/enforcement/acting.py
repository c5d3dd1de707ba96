"""What acts by being there: the FHIR server goes on with it of itself, whatever becomes of the token and its app.

A Subscription sends what fits it to an address, past the proxy; a SearchParameter says what ``patient=`` means, by
which it is decided here. So only ``system/`` scopes that name the type write it, never ``*`` (SMART SCP-01, SCP-02).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.enforcement.parameters import ANY, TYPE, Parameter
from authz.enforcement.reserved import WRITES
from authz.enforcement.routes import Kind
from authz.enforcement.url import Undecidable, pairs

if TYPE_CHECKING:
    from authz.enforcement.compartment import Resource
    from authz.enforcement.fhir_request import Access
    from authz.enforcement.search import Search

SENDING = "Subscription"
ACTING = frozenset(
    {
        SENDING,
        "SubscriptionTopic",
        "SearchParameter",
        "CompartmentDefinition",
        "OperationDefinition",
        "StructureMap",
        "Permission",
    }
)
LEVELS_THAT_WRITE_IT = ("system",)
# what is known to send no more than its criteria find (FHIR R4 "Subscription"): extensions may, and so may a topic
OF_A_SUBSCRIPTION = frozenset(
    {"resourceType", "id", "meta", "status", "contact", "end", "reason", "criteria", "error", "channel"}
)
OF_A_CHANNEL = frozenset({"type", "endpoint", "payload", "header"})


def acting(access: Access) -> str:
    """Why it takes a ``system/`` scope for the type; empty for everything else."""
    if access.kind not in WRITES or access.type not in ACTING:
        return ""
    return f"a {access.type} acts by being there: only system/ scopes that name {access.type}, not *, write it"


def acting_problem(search: Search) -> str:
    """What is missing, seen from a level that may write it; empty if nothing is."""
    access = search.access
    why, type_ = acting(access), str(access.type)
    for letter in access.letters & frozenset("cud"):
        if not any(scope.type == type_ for scope in search.token.held(search.level, type_, letter)):
            return why
    if not why or type_ != SENDING or access.kind is Kind.DELETE:
        return ""
    for sent in sorted(sent_by(access.body.resource)):
        if not search.is_whole(sent, "rs"):
            return (
                f"this Subscription may send {'all types' if sent == ANY else sent}, which no scope lets this app read"
            )
    return ""


def sent_by(subscription: Resource | None) -> frozenset[str]:
    """The types whose resources a Subscription sends or looks into; ANY: can't be told."""
    if subscription is None or not subscription.keys() <= OF_A_SUBSCRIPTION:
        return frozenset({ANY})
    criteria, channel = subscription.get("criteria"), subscription.get("channel")
    if not isinstance(criteria, str) or not isinstance(channel, dict) or not channel.keys() <= OF_A_CHANNEL:
        return frozenset({ANY})
    type_, _, query = criteria.partition("?")
    try:
        looked_into = [Parameter.parse(pair).looks_into() for pair in pairs(query)]
    except Undecidable:
        return frozenset({ANY})
    return frozenset({type_ if TYPE.fullmatch(type_) else ANY}).union(*looked_into)
