"""A name for one opening of an app, the same at every step, so that the audit trail can be read as one story."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.launch.launch import launch_id_of
from authz.storage.records import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDALONE = "standalone-"
SAME_REQUEST = ("client_id", "state", "code_challenge")


def launch_id(parameters: Mapping[str, str]) -> str:
    """The EHR's launch by its handle, known or not; without one a name made of the request itself.

    Nobody can use a launch or a request by its name.
    """
    handle = parameters.get("launch")
    if handle:
        return launch_id_of(digest(handle))
    said = "\n".join(parameters.get(name, "") for name in SAME_REQUEST)
    return STANDALONE + launch_id_of(digest(said))
