"""Two ways to refuse: a page while nobody knows where to redirect to, a redirect once that is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from authz.audit.support_code import new_support_code
from authz.errors import AuthzError, InvalidRequest, OAuthError, printable

if TYPE_CHECKING:
    from authz.clients.redirect_uri import RegisteredRedirectURI


class PageRefusal(InvalidRequest):
    """The client or its redirect URI is not certain: nobody is sent anywhere (RFC 6749 §4.1.2.1)."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.support_code = new_support_code()


class NotOffered(PageRefusal):
    """Somebody posted a patient that was not on the page (security.md LC-14)."""

    status = 403


class ErrorRedirect(AuthzError):
    """An error that may travel to the app: its redirect URI is a registered one."""

    def __init__(self, error: OAuthError, redirect_uri: RegisteredRedirectURI, state: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state
        self.support_code = new_support_code()

    def location(self, issuer: str) -> str:
        description = f"{printable(self.error.description)} (support code {self.support_code})"
        parameters = {
            "error": self.error.code,
            "error_description": description,
            "error_uri": f"{issuer}/support/{self.support_code}",
        }
        return with_parameters(self.redirect_uri, parameters, self.state, issuer)


def with_parameters(
    redirect_uri: RegisteredRedirectURI, parameters: dict[str, str], state: str | None, issuer: str
) -> str:
    """The redirect URI, its own query kept, with the response, ``state`` as it came, and ``iss`` (RFC 9207 §2)."""
    response = parameters | ({} if state is None else {"state": state}) | {"iss": issuer}
    joint = "&" if urlsplit(redirect_uri).query else "?"
    return f"{redirect_uri.rstrip('?') if joint == '?' else redirect_uri}{joint}{urlencode(response)}"
