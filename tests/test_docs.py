from __future__ import annotations

import pytest

from docs.generate import PAGES, pages


@pytest.mark.parametrize("name", ["settings.md", "cli.md", "launch-record.md", "tests.md"])
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    """`make docs` writes them; a change of a setting, a command or the launch record shows in its page."""
    assert (PAGES / name).read_text() == pages()[name]
