"""The one HTTP client: whatever this server asks of others goes through here, guarded."""

from authz.outbound.client import Answer, Limits, Outbound
from authz.outbound.failure import FetchFailed

__all__ = ["Answer", "FetchFailed", "Limits", "Outbound"]
