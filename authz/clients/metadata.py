"""What a client says of itself: names of RFC 7591 §2 and SMART's additions, checked as a whole.

Owns the rules of registration, whoever registers. Does not own what the hospital decides about a client: at which FHIR
servers it may be used, whether it may skip consent, whether it is enabled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marshmallow import EXCLUDE, Schema, ValidationError

from authz.clients import language
from authz.clients.client import BY_KEY, NO_AUTHENTICATION
from authz.clients.preferences import PREFERENCES
from authz.clients.schema import AUTH_METHODS, GRANT_TYPES, MetadataSchema
from authz.errors import OAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUTH_METHODS", "GRANT_TYPES", "ClientMetadata"]

LOGOUT = ("post_logout_redirect_uris", "backchannel_logout_uri", "backchannel_logout_session_required")
ABOUT = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
ABOUT_THE_SOFTWARE = ("contacts", "software_id", "software_version")


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_client_metadata"


class InvalidRedirectURI(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_redirect_uri"


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    client_name: str
    token_endpoint_auth_method: str = AUTH_METHODS[0]
    application_type: str = "web"
    grant_types: tuple[str, ...] = ("authorization_code",)
    redirect_uris: tuple[str, ...] = ()
    launch_uris: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    smart_web_messaging_origins: tuple[str, ...] = ()
    scope: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    user_types: tuple[str, ...] = ()  # ``fhir_user_types``: whom the app is for; empty: anybody
    about: dict[str, Any] = field(default_factory=dict)
    logout: dict[str, Any] = field(default_factory=dict)  # the members of LOGOUT that were given
    preferences: dict[str, Any] = field(default_factory=dict)  # those of PREFERENCES

    @property
    def is_public(self) -> bool:
        return self.token_endpoint_auth_method == NO_AUTHENTICATION

    @property
    def has_secret(self) -> bool:
        return self.token_endpoint_auth_method not in (NO_AUTHENTICATION, BY_KEY)

    @classmethod
    def load(cls, members: Mapping[str, Any]) -> ClientMetadata:
        """Check what a client says; members that are not known are left out (RFC 7591 §2).

        Raises InvalidRedirectURI or InvalidClientMetadata, which name everything that is wrong.
        """
        translations = language.translated(members)
        try:
            loaded = schema(translations).load(members)
        except ValidationError as error:
            raise refusal(error) from error
        responses = loaded.pop("response_types", None)
        metadata = cls(
            about=taken(loaded, (*ABOUT, *ABOUT_THE_SOFTWARE, *translations)),
            logout=taken(loaded, LOGOUT),
            preferences=taken(loaded, PREFERENCES),
            **{name: tupled(loaded[name]) for name in cls.__slots__ if name in loaded},
        )
        together = metadata.contradictions() + response_problems(metadata.grant_types, responses)
        if together:
            raise InvalidClientMetadata("; ".join(together))
        return metadata

    def contradictions(self) -> list[str]:
        """Members that are right each and wrong together."""
        found = []
        if self.jwks is not None and self.jwks_uri is not None:
            found.append("jwks and jwks_uri exclude each other")
        if "authorization_code" in self.grant_types and not self.redirect_uris:
            found.append("redirect_uris: the grant type authorization_code needs at least one")
        if not {"authorization_code", "client_credentials"} & set(self.grant_types):
            found.append("grant_types: authorization_code or client_credentials must be among them")
        if "refresh_token" in self.grant_types and "authorization_code" not in self.grant_types:
            found.append("grant_types: refresh_token comes with authorization_code")
        if self.logout.get("backchannel_logout_session_required") and not self.logout.get("backchannel_logout_uri"):
            found.append("backchannel_logout_session_required: of no use without backchannel_logout_uri")
        by_key = self.token_endpoint_auth_method == BY_KEY
        if by_key and self.jwks is None and self.jwks_uri is None:
            found.append(f"{BY_KEY} needs the client's public keys: jwks_uri, or jwks")
        if "client_credentials" in self.grant_types and not by_key:
            found.append(f"grant_types: client_credentials needs {BY_KEY} (SMART backend services)")
        if "token_endpoint_auth_signing_alg" in self.preferences and not by_key:
            found.append(f"token_endpoint_auth_signing_alg: of no use without {BY_KEY}")
        return found


def schema(translations: list[str]) -> Schema:
    """The rules for the members there are; a member that is not known is left out."""
    problems = language.problems(translations)
    if problems:
        raise ValidationError(problems)
    if not translations:
        return MetadataSchema(unknown=EXCLUDE)
    made: Schema = MetadataSchema.from_dict(language.fields(translations))(unknown=EXCLUDE)
    return made


def taken(loaded: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Take what was said of these out of the rest; what is empty was not said."""
    found = {name: loaded.pop(name) for name in names if name in loaded}
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def response_problems(grant_types: tuple[str, ...], response_types: list[str] | None) -> list[str]:
    """``code`` and nothing else, where people are asked (RFC 7591 §2.1); left out, it follows from the grant types."""
    if "authorization_code" in grant_types and response_types == []:
        return ["response_types: the grant type authorization_code needs code"]
    return []


def refusal(error: ValidationError) -> OAuthError:
    messages = error.messages_dict
    text = "; ".join(f"{name}: {' '.join(flat(found))}" for name, found in sorted(messages.items()))
    return InvalidRedirectURI(text) if set(messages) == {"redirect_uris"} else InvalidClientMetadata(text)


def flat(messages: Any) -> list[str]:
    """The sentences of marshmallow's messages, which are lists, or dictionaries of lists by index."""
    if isinstance(messages, dict):
        return [text for found in messages.values() for text in flat(found)]
    return [str(message) for message in messages]
