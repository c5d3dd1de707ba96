"""What a client, a browser or an administrator is told when something is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_DESCRIPTION = 400


def printable(text: str) -> str:
    """Keep only what RFC 6749 §4.1.2.1 and §5.2 allow in ``error_description``: %x20-21 / %x23-5B / %x5D-7E."""
    kept = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)
    return kept[:MAX_DESCRIPTION]


class AuthzError(Exception):
    """Root of everything this package raises on purpose."""


class Unavailable(AuthzError):
    """A dependency is missing: answered with 503 and ``Retry-After``, never with a wrong yes or no."""


class OAuthError(AuthzError):
    """A failure the client is told about; ``description`` must hold no secret.

    ``code`` is the registered error code, ``status`` the HTTP status of a direct (not redirected) answer.
    """

    code: ClassVar[str]
    status: ClassVar[int] = 400

    support_code: str | None = None  # finds it on the audit trail
    launch_id: str | None = None  # of the launch it came of
    by_ehr: bool = False  # an EHR's launch says who is there
    why: str | None = None  # a machine's word for the audit trail, where the code does not say enough
    verdicts: tuple[dict[str, Any], ...] = ()  # what became of each requested scope, where that is why

    def __init__(self, description: str) -> None:
        super().__init__(f"{self.code}: {description}")
        self.description = description

    def explained(self, verdicts: Iterable[dict[str, Any]]) -> Self:
        """This refusal, with the verdicts that it follows from."""
        self.verdicts = tuple(verdicts)
        return self

    def body(self) -> dict[str, str]:
        return {"error": self.code, "error_description": printable(self.description)}

    def headers(self) -> dict[str, str]:
        """Headers that belong to this answer, such as ``WWW-Authenticate``."""
        return {}


class InvalidRequest(OAuthError):
    code = "invalid_request"


class PayloadTooLarge(InvalidRequest):
    status = 413


class MethodNotAllowed(InvalidRequest):
    status = 405

    def __init__(self, description: str, allow: str) -> None:
        super().__init__(description)
        self.allow = allow

    def headers(self) -> dict[str, str]:
        return {"Allow": self.allow}


class TooManyRequests(InvalidRequest):
    """A limit was reached; ``retry_after`` is in seconds (RFC 6585 §4)."""

    code = "temporarily_unavailable"
    status = 429

    def __init__(self, description: str, retry_after: int, *, is_first: bool = True) -> None:
        super().__init__(description)
        self.retry_after = retry_after
        self.is_first = is_first  # False: the same was refused before within the window

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class InvalidClient(OAuthError):
    """RFC 6749 §5.2; one description for an unknown client and for a wrong secret."""

    code, status = "invalid_client", 401

    def __init__(self, description: str = "client authentication failed", scheme: str = "Basic") -> None:
        super().__init__(description)
        self.scheme = scheme

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": f'{self.scheme} realm="authz"'}


class InvalidGrant(OAuthError):
    code = "invalid_grant"


class UnauthorizedClient(OAuthError):
    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    code = "unsupported_response_type"


class InvalidScope(OAuthError):
    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """RFC 8707 §2: the ``resource`` is unknown."""

    code = "invalid_target"


class AccessDenied(OAuthError):
    code, status = "access_denied", 403


class NotAgreed(AccessDenied):
    """The person was asked and said no."""


class NotApproved(AccessDenied):
    """The app is not approved yet, and somebody real is concerned."""

    why = "app_not_approved"


class NotForThisUser(AccessDenied):
    """The app is for other people than this one."""

    why = "user_type"


class LoginRequired(OAuthError):
    code = "login_required"


class ConsentRequired(OAuthError):
    code = "consent_required"


class InteractionRequired(OAuthError):
    code = "interaction_required"


class UnmetAuthenticationRequirements(OAuthError):
    """RFC 9470 §5: the demanded ``acr`` cannot be reached."""

    code = "unmet_authentication_requirements"


class RequestNotSupported(OAuthError):
    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    code = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    code = "registration_not_supported"


class ServerError(OAuthError):
    code, status = "server_error", 500


class TemporarilyUnavailable(OAuthError):
    code, status = "temporarily_unavailable", 503

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class BearerError(OAuthError):
    """A refusal in the form of RFC 6750 §3."""

    def headers(self) -> dict[str, str]:
        return {
            "WWW-Authenticate": f'Bearer realm="authz", error="{self.code}", '
            f'error_description="{printable(self.description)}"'
        }


class NoToken(OAuthError):
    """RFC 6750 §3.1: a request without any token gets the challenge and no error code."""

    code, status = "invalid_token", 401

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="authz"'}


class InvalidToken(BearerError):
    code, status = "invalid_token", 401


class InsufficientScope(BearerError):
    code, status = "insufficient_scope", 403

    def __init__(self, description: str, scope: str, named: Mapping[str, Any] | None = None) -> None:
        """``named``: whose token it is, as the audit trail says it."""
        super().__init__(description)
        self.scope = scope
        self.named = named or {}

    def headers(self) -> dict[str, str]:
        challenge = super().headers()["WWW-Authenticate"]
        return {"WWW-Authenticate": f'{challenge}, scope="{printable(self.scope)}"'}


class NotFound(OAuthError):
    code, status = "not_found", 404


class AlreadyExists(OAuthError):
    code, status = "already_exists", 409


class InvalidValue(OAuthError):
    """An administrator's value that can't be; ``description`` names it and says why."""

    code = "invalid_value"
