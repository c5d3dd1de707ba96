"""An older version of the program goes on with a newer schema, until something that it needs was taken away."""

from __future__ import annotations

import ast
import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from authz.storage import migrations, revisions
from tests.registries import made, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.registries import Registries

__all__ = ["made", "postgres_url"]

FIRST = "0037"  # nothing was released before it
ADDS = frozenset({"create_table", "create_index", "batch_alter_table"})
FILLS = ("INSERT ", "UPDATE ", "GRANT ", "ALTER DEFAULT PRIVILEGES")


def moved(made: Registries, revision: str, floor: str) -> str | None:
    with made.db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        session.execute(text("UPDATE schema_floor SET revision = :floor"), {"floor": floor})
    return revisions.misfit(made.db.engine)


def test_the_floor_is_the_newest_revision_that_takes_away(made: Registries) -> None:
    with made.db.read() as session:
        assert session.execute(text("SELECT id, revision FROM schema_floor")).all() == [(1, FIRST)]
    assert revisions.misfit(made.db.engine) is None


def test_a_newer_schema_serves_whoever_knows_its_floor(made: Registries) -> None:
    """security.md R-18: migrate, then replace the servers one by one; and one that is restarted meanwhile starts."""
    newest = revisions.newest()
    assert moved(made, "9001", FIRST) is None
    assert moved(made, "9001", newest) is None
    newer = f"the database is at revision 9001, for a newer version: this one ends at {newest}"
    assert moved(made, "9001", "9001") == newer
    older = f"the database is at revision 0001, this version needs {newest}: authz db upgrade"
    assert moved(made, "0001", FIRST) == older


def test_an_upgrade_by_an_older_version_changes_nothing(made: Registries) -> None:
    moved(made, "9001", FIRST)
    with pytest.raises(migrations.MigrationFailed, match="9001"):
        migrations.upgrade(made.db.engine)
    assert revisions.current(made.db.engine) == "9001"


def takes_away(source: str) -> list[str]:
    """What a migration does beyond adding: the lines that an older version of the program may trip over."""
    tree = ast.parse(source)
    upgrade = next(part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name == "upgrade")
    return [ast.unparse(call) for call in calls(upgrade) if not adds(call)]


def calls(of: ast.AST) -> Iterator[ast.Call]:
    """Of ``op``, and of what ``batch_alter_table`` gave a name."""
    names = {"op"} | {
        item.optional_vars.id
        for part in ast.walk(of)
        if isinstance(part, ast.With)
        for item in part.items
        if isinstance(item.optional_vars, ast.Name)
    }
    for part in ast.walk(of):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name in names:
                yield part


def holds_up(source: str) -> list[str]:
    """Tables that are there already and get an index, or have each row changed: who writes there waits."""
    made = set(re.findall(r"""op\.create_table\(\s*['"](\w+)""", source))
    indexed = re.findall(r"""op\.create_index\(\s*[^,]+,\s*['"](\w+)""", source)
    changed = re.findall(r"""op\.execute\(\s*['"]UPDATE (\w+)""", source)
    return [table for table in (*indexed, *changed) if table not in made]


def adds(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    match call.func.attr:
        case "add_column":
            given = {word.arg for part in ast.walk(call) if isinstance(part, ast.Call) for word in part.keywords}
            text = ast.unparse(call)
            asks = "unique=True" in text or "Constraint(" in text
            return ("nullable=True" in text or "server_default" in given) and not asks
        case "create_index":
            return "unique=True" not in ast.unparse(call)
        case "alter_column":
            longer = re.search(r", existing_type=sa\.String\((\d+)\), type_=sa\.String\((\d+)\)\)$", ast.unparse(call))
            return longer is not None and int(longer[2]) > int(longer[1])
        case "execute":
            (words,) = call.args
            return isinstance(words, ast.Constant) and str(words.value).startswith(FILLS)
        case name:
            return name in ADDS


def test_each_migration_adds_or_says_why_not() -> None:
    """Issue 8.4, expand and contract: ``contracts = "why"`` where something is taken away or asked for."""
    later = [file for file in sorted(revisions.directory().glob("versions/*.py")) if file.name[:4] > FIRST]
    sources = {file.name: file.read_text() for file in later}
    assert [name for name, source in sources.items() if takes_away(source) and "\ncontracts = " not in source] == []
    assert [name for name, source in sources.items() if holds_up(source) and "\nholds_up = " not in source] == []


def test_what_others_wait_for() -> None:
    """Issue 8.4: a table that is new holds nobody up."""
    assert holds_up('op.create_table("a", x)\n    op.create_index("ix_a_y", "a", ["y"])') == []
    assert holds_up('op.create_index("ix_a_y", "a", ["y"])\n    op.execute("UPDATE b SET y = 1")') == ["a", "b"]


@pytest.mark.parametrize(
    ("done", "found"),
    [
        ('op.create_table("a", sa.Column("x", sa.Integer, nullable=False))', []),
        ('op.add_column("a", sa.Column("y", sa.Integer, nullable=True))', []),
        ('op.add_column("a", sa.Column("y", sa.Integer, nullable=False, server_default="0"))', []),
        ('op.create_index("ix_a_y", "a", ["y"])', []),
        ('op.add_column("a", sa.Column("y", sa.Integer, sa.CheckConstraint("y > 0"), nullable=True))', ["add_column"]),
        ('op.add_column("a", sa.Column("y", sa.Integer, nullable=True, unique=True))', ["add_column"]),
        ('op.execute("UPDATE a SET y = 1")', []),
        ('op.add_column("a", sa.Column("y", sa.Integer, nullable=False))', ["add_column"]),
        ('op.create_index("ix_a_y", "a", ["y"], unique=True)', ["create_index"]),
        ('op.drop_column("a", "y")', ["drop_column"]),
        ('op.alter_column("a", "y", nullable=False)', ["alter_column"]),
        ('op.alter_column("a", "y", existing_type=sa.String(64), type_=sa.String(80))', []),
        ('op.alter_column("a", "y", existing_type=sa.String(80), type_=sa.String(64))', ["alter_column"]),
        ('op.alter_column("a", "y", existing_type=sa.String(64), type_=sa.Integer())', ["alter_column"]),
        ('op.alter_column("a", "y", existing_type=sa.String(4), type_=sa.String(8), nullable=False)', ["alter_column"]),
        ('op.rename_table("a", "b")', ["rename_table"]),
        ('op.create_unique_constraint("uq_a_y", "a", ["y"])', ["create_unique_constraint"]),
        ('op.execute("DROP TABLE a")', ["execute"]),
        ("op.execute(made_up())", ["execute"]),
        ('with op.batch_alter_table("a") as table:\n        table.drop_column("y")', ["drop_column"]),
        ('with op.batch_alter_table("a") as table:\n        table.add_column(sa.Column("y", nullable=True))', []),
    ],
)
def test_what_an_older_version_may_trip_over(done: str, found: list[str]) -> None:
    source = dedent(f"def upgrade():\n    {done}\n\ndef downgrade():\n    op.drop_table('a')\n")
    assert [line.partition("(")[0].rpartition(".")[2] for line in takes_away(source)] == found
