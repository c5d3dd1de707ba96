"""The hospital's own code: what the log and the administrator read when it does not answer (decisions 20, 0054)."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, cast

import pytest

from authz.policy.hook import Hook, NoAnswer, made_by
from authz.policy.rights import HookedRights, StatedRights, user_rights
from authz.policy.sensitive import HookedSensitivity, sensitivity
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from authz.policy.rights import RightsQuestion
    from authz.policy.sensitive import SensitivityQuestion
    from authz.users.registry import Users


def test_a_hook_that_is_late_is_told_of_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Decision 0054: the log says which hook; its stack would tell nothing."""
    go_on = threading.Event()
    hook = Hook("user_rights", lambda _: go_on.wait(), seconds=0.01)
    with caplog.at_level(logging.ERROR), pytest.raises(NoAnswer) as refused:
        hook.answer("question")
    go_on.set()
    assert str(refused.value) == "the user_rights hook did not answer in time"
    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info) == ("the user_rights hook did not answer in time", None)


def test_a_hook_that_fails_is_told_of_with_its_failure(caplog: pytest.LogCaptureFixture) -> None:
    """Decision 0054: the site has to mend its own code, so the log has the stack."""
    cause = RuntimeError("no connection to the staff directory")

    def fail(_: object) -> object:
        raise cause

    with caplog.at_level(logging.ERROR), pytest.raises(NoAnswer) as refused:
        Hook("sensitivity", fail).answer("question")
    assert str(refused.value) == "the sensitivity hook failed"
    (record,) = caplog.records
    assert record.getMessage() == "the sensitivity hook failed"
    assert record.exc_info is not None
    assert record.exc_info[1] is cause


def test_a_hook_is_asked_the_question_and_its_answer_is_handed_on() -> None:
    """Decision 20: whatever it is; in a thread that says whose it is."""
    hook = Hook("user_rights", lambda question: f"{question} asks {threading.current_thread().name}")
    assert str(hook.answer("May she?")).startswith("May she? asks user_rights")
    assert hook.seconds == 2.0


def test_as_many_are_asked_at_once_as_there_are_threads() -> None:
    """Decision 0054: code that hangs holds up nobody while there is a thread left."""
    together = threading.Barrier(4)
    hook = Hook("user_rights", lambda _: together.wait(10) is not None, seconds=10)
    answers: list[object] = []
    asking = [threading.Thread(target=lambda: answers.append(hook.answer(None))) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join(20)
    assert answers == [True] * 4


def test_no_more_are_asked_at_once_than_there_are_threads() -> None:
    """Decision 0054: code that hangs takes up four threads, however often it is asked."""
    go_on, asked = threading.Event(), list[object]()

    def hang(question: object) -> object:
        asked.append(question)
        return go_on.wait(10)

    hook = Hook("user_rights", hang, seconds=0.05)
    for number in range(6):
        with pytest.raises(NoAnswer):
            hook.answer(number)
    assert asked == [0, 1, 2, 3]
    go_on.set()


@pytest.mark.parametrize("name", ["user_rights", "sensitivity"])
def test_a_setting_is_named_as_the_administrator_wrote_it(name: str) -> None:
    """Decision 20: each hook has a setting of its own."""
    with pytest.raises(ConfigurationError) as refused:
        sensitivity(":x") if name == "sensitivity" else user_rights(":x", cast("Users", None))
    assert refused.value.problems == [f"{name}: :x can't be loaded: Empty module name"]


def test_a_hook_gets_the_time_that_it_is_given() -> None:
    """Decisions 20, 0054: two seconds, if nobody says otherwise."""

    class Rules:
        def allows(self, question: RightsQuestion) -> bool:
            return question.patient == "A"

        def is_sensitive(self, question: SensitivityQuestion) -> bool:
            return question.patient == "A"

    stated = StatedRights(cast("Users", None))
    assert HookedRights(stated, Rules()).hook.seconds == HookedSensitivity(Rules()).hook.seconds == 2.0
    assert HookedRights(stated, Rules(), seconds=0.5).hook.seconds == 0.5
    assert HookedSensitivity(Rules(), seconds=0.5).hook.seconds == 0.5


def test_the_administrator_is_told_which_setting_can_not_be_loaded() -> None:
    """Decision 20: a hook that is missing must not mean yes, and must be found."""
    with pytest.raises(ConfigurationError) as refused:
        made_by("user_rights", "json:no_such_name")
    assert refused.value.problems == [
        "user_rights: json:no_such_name can't be loaded: module 'json' has no attribute 'no_such_name'"
    ]
    with pytest.raises(ConfigurationError) as refused:
        made_by("sensitivity", "json:no:name")
    assert refused.value.problems == [
        "sensitivity: json:no:name can't be loaded: module 'json' has no attribute 'no:name'"
    ]
