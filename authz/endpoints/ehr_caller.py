"""Which EHR calls: by its own credential, or by a token with ``__launch`` (decision 17)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from authz.audit.support_code import new_support_code
from authz.clients.speakers import ehr_name
from authz.endpoints.current import services
from authz.endpoints.gate import basic_credentials, bearer_token
from authz.endpoints.refusal import refusal
from authz.endpoints.unreadable import count_refusal
from authz.errors import InsufficientScope, InvalidClient, InvalidToken, NotFound, NoToken, OAuthError, printable
from authz.fhir_servers.registry import Ehr
from authz.launch.directory import LAUNCH_SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.audit.event import EventName
    from authz.endpoints.exchange import HttpAnswer, HttpRequest


def authenticated_ehr(request: HttpRequest) -> Ehr:
    """Raises InvalidClient, InvalidToken, InsufficientScope, or NoToken if the request says nothing."""
    if (readings := basic_credentials(request)) is not None:
        found = [ehr for name, secret in readings if (ehr := services().ehrs.authenticate(name, secret)) is not None]
        if not found:
            raise InvalidClient
        return found[0]
    token = bearer_token(request)
    if token is None:
        raise NoToken("say who you are: HTTP Basic of the EHR, or a token with scope __launch")
    facts = services().introspection.token_facts(token)
    if facts is None:
        raise InvalidToken("the access token is unknown, expired or revoked")
    if LAUNCH_SCOPE not in facts.scope:
        raise InsufficientScope("this token may not speak for an EHR", LAUNCH_SCOPE, facts.named)
    return Ehr(ehr_name(facts.client_id), frozenset({facts.fhir_server}), enabled=True)


def for_ehr(request: HttpRequest, refused: EventName, serve: Callable[[Ehr], HttpAnswer]) -> HttpAnswer:
    """Serve an EHR; a refusal goes to the audit trail with the sentence that the EHR is told."""
    ehr = None
    try:
        ehr = authenticated_ehr(request)
        return serve(ehr)
    except OAuthError as error:
        if ehr is None:
            count_refusal(request, error)
        error.support_code = None if isinstance(error, NotFound) else new_support_code()
        detail = {"ehr": ehr.client_id if ehr else None, "problem": printable(error.description)}
        event = refusal(refused, error, request.peer)
        is_known = event.one_by_one or ehr is not None
        event = replace(event, support_code=error.support_code, one_by_one=is_known, detail=detail)
        services().trail.refused(event)
        raise
