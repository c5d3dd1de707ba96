"""What a client may do, in the words of SMART App Launch 2.2 §"Scopes": parse, compare, narrow, explain.

Owns the grammar of every kind of scope, whether one set of scopes covers another, what is left of a request within a
limit, and the verdict a developer reads about each requested scope. Does not own who may have what: that is for the
access policy, which passes its limits to :func:`judge`. There is no registry of scopes: a scope is understood from its
spelling, and the spelling asked for is the spelling answered.
"""

from authz.scopes.extension import ExtensionScope
from authz.scopes.fhir_types import RESOURCE_TYPES, resource_types
from authz.scopes.launch import LaunchScope
from authz.scopes.limits import only_constraints_on, only_levels, only_types
from authz.scopes.messaging import MessagingScope, message_scope
from authz.scopes.named import NamedScope
from authz.scopes.parts import distinct, fits
from authz.scopes.reason import Reason
from authz.scopes.resource import ResourceScope
from authz.scopes.scope import Scope
from authz.scopes.scope_set import KINDS, MAX_BYTES, MAX_SCOPES, ScopeSet, parse_scope
from authz.scopes.unknown import UnknownScope
from authz.scopes.verdict import Judgement, Limit, Verdict, judge, keep_one_refresh_scope, without_repetition

__all__ = [
    "KINDS",
    "MAX_BYTES",
    "MAX_SCOPES",
    "RESOURCE_TYPES",
    "ExtensionScope",
    "Judgement",
    "LaunchScope",
    "Limit",
    "MessagingScope",
    "NamedScope",
    "Reason",
    "ResourceScope",
    "Scope",
    "ScopeSet",
    "UnknownScope",
    "Verdict",
    "distinct",
    "fits",
    "judge",
    "keep_one_refresh_scope",
    "message_scope",
    "only_constraints_on",
    "only_levels",
    "only_types",
    "parse_scope",
    "resource_types",
    "without_repetition",
]
