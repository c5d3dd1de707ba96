"""The hospital's own code, asked a question: it gets two seconds, and no answer is no answer (decisions 20, 0054)."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from importlib import import_module
from typing import TYPE_CHECKING, Any

from authz.errors import Unavailable
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
SECONDS = 2.0
AT_ONCE = 4


class NoAnswer(Unavailable):
    """The hospital's code failed, or was late: what it would have said is not known."""


class Hook:
    """A thread waits for the answer, so that code which hangs holds up nobody for longer than that."""

    def __init__(self, name: str, ask: Callable[[Any], object], seconds: float = SECONDS) -> None:
        self.name = name
        self.ask = ask
        self.seconds = seconds
        self.workers = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=name)

    def answer(self, question: object) -> object:
        """Whatever the code returns. Raises NoAnswer."""
        asked = self.workers.submit(self.ask, question)
        try:
            return asked.result(self.seconds)
        except TooSlow as error:
            asked.cancel()
            log.error("the %s hook did not answer in time", self.name)  # noqa: TRY400  the stack tells nothing
            raise NoAnswer(f"the {self.name} hook did not answer in time") from error
        except Exception as error:  # whatever the site's code raises
            log.exception("the %s hook failed", self.name)
            raise NoAnswer(f"the {self.name} hook failed") from error


def made_by(name: str, setting: str) -> Any:
    """What the callable named by a setting makes (``package.module:callable``). Raises ConfigurationError."""
    module, _, attribute = setting.partition(":")
    try:
        make = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError([f"{name}: {setting} can't be loaded: {error}"]) from error
    return make()
