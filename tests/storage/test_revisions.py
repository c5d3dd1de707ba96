"""The revisions that are read from the files as text are those that Alembic finds by running them."""

from __future__ import annotations

from authz.storage import migrations, revisions


def test_the_text_tells_what_alembic_knows() -> None:
    """Issue 8.4: else a server would refuse a database that is right, or serve one that is not."""
    scripts = migrations.scripts()
    assert revisions.follows() == {script.revision: script.down_revision for script in scripts.walk_revisions()}
    assert scripts.get_heads() == [revisions.newest()]
