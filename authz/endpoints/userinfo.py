"""``GET`` and ``POST /userinfo`` (OIDC Core §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import HttpAnswer, HttpRequest, json_answer
from authz.endpoints.gate import bearer_token
from authz.endpoints.refusal import refusal
from authz.errors import InsufficientScope, InvalidRequest, InvalidToken, NoToken, OAuthError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("userinfo", __name__)


def userinfo(request: HttpRequest) -> HttpAnswer:
    """Who the user of a token is: ``sub``, ``fhirUser``, and ``name`` with scope ``profile`` (decision 22).

    The token comes in the Authorization header. Errors are those of RFC 6750 §3.1; too many of them are 429.
    """
    try:
        return json_answer(claims_of(request))
    except OAuthError as error:
        services().limits.refused(error, request.peer)
        services().trail.refused(refusal(EventName.CALLER_REFUSED, error, request.peer))
        raise


def claims_of(request: HttpRequest) -> dict[str, Any]:
    if "access_token=" in request.query:
        raise InvalidRequest("send the token in the Authorization header, never in a URL")
    token = bearer_token(request)
    if token is None:
        raise NoToken("send the access token in the Authorization header")
    facts = services().introspection.token_facts(token)
    if facts is None:
        raise InvalidToken("the access token is unknown, expired or revoked")
    if facts.sub is None or "openid" not in facts.scope:
        raise InsufficientScope("this token does not say who the user is", "openid", facts.named)
    claims: dict[str, Any] = {"sub": facts.sub}
    if facts.fhir_user is not None and "fhirUser" in facts.scope:
        claims["fhirUser"] = facts.fhir_user
    if "profile" in facts.scope:
        user = services().users.by_sub(facts.sub)
        claims |= {"name": user.display_name} if user and user.display_name else {}
    return claims


@bp.route("/userinfo", methods=["GET", "POST"])
def view() -> ResponseReturnValue:
    return answer(userinfo)
