from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.consent import messages, words
from authz.consent.rows import kind_of
from authz.scopes import MessagingScope, NamedScope, ResourceScope
from authz.wording import capital

if TYPE_CHECKING:
    from authz.consent.describe import Describer
    from authz.scopes import Scope

ONLINE = "Keep this access while the person stays signed in"
OFFLINE = "offline_access"


@dataclass(frozen=True, slots=True)
class ScopeWords:
    """One scope in the words of the consent page, for vendors and reviewers."""

    describer: Describer

    def explain(self, scope: Scope) -> str:
        catalogue = self.describer.catalogue
        if isinstance(scope, ResourceScope):
            title = kind_of(scope, catalogue).title
            return words.sentence(scope.interactions, title, scope.level)
        if isinstance(scope, NamedScope) and str(scope) in {OFFLINE, "online_access"}:
            return words.OFFLINE if str(scope) == OFFLINE else ONLINE
        if isinstance(scope, MessagingScope):
            return capital(messages.kind_of(scope).title)
        kind = catalogue.of_scope(str(scope), self.describer.holder)
        return self.describer.learns(scope) or capital(kind.title)
