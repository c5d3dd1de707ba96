"""The access policy, and the hospital's own rules in it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from authz.policy.policy import Policy
from authz.policy.rights import user_rights
from authz.policy.sensitive import sensitivity
from authz.services.foundation import Foundation

if TYPE_CHECKING:
    from authz.policy.rights import UserRights
    from authz.policy.sensitive import Sensitivity


class Rules(Foundation):
    @cached_property
    def rights(self) -> UserRights:
        return user_rights(self.settings.user_rights, self.users)

    @cached_property
    def sensitivity(self) -> Sensitivity:
        return sensitivity(self.settings.sensitivity)

    @cached_property
    def policy(self) -> Policy:
        return Policy(self.users, self.fhir_servers, self.rights, self.sensitivity)
