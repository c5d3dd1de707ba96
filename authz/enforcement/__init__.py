"""Enforcement in front of a FHIR server that knows nothing of SMART: what a request touches, and whether a token may.

``fhir_request`` reads a request into accesses, ``decide`` judges each of them by the token; both are plain functions.
Where only the FHIR server knows the answer (does this resource belong to that patient?) it is asked through the
``Records`` protocol. A proxy shows a request and is told yes or no, so what can't be decided before the FHIR server
answers is refused: nothing is filtered afterwards.
"""

from authz.enforcement.gateway import Gateway
from authz.enforcement.reach import UserReach
from authz.enforcement.upstream import Upstream

__all__ = ["Gateway", "Upstream", "UserReach"]
