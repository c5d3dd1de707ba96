"""What makes an app the one that a person decided about."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authz.consent.describe import publisher

if TYPE_CHECKING:
    from authz.clients.registry import Client


def identity(client: Client, redirect_uri: str) -> str:
    """Digest of what the consent page says of the app: its names, whose site it is from, and where the answer goes.

    A decision is about this, whatever the language was, and no longer counts when it changes (decision 0052).
    """
    names = sorted((tag, name) for tag, name in client.about.items() if tag.startswith("client_name#"))
    told = [client.client_name, names, publisher(client.about), goes_to(redirect_uri)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def goes_to(redirect_uri: str) -> str:
    """The port of a loopback address is another one each time (RFC 8252 §7.3)."""
    parts = urlsplit(redirect_uri)
    return (parts.hostname if parts.scheme == "http" else parts.netloc) or parts.scheme
