"""The audit trail: what it is searched by, what it may lose, and triggers that refuse everything else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ALWAYS = ("audit_event", "audit_seal", "audit_anchor", "audit_cut")  # tables whose rows are never changed
ONE_COLUMN = ("client_id", "grant_id", "launch_id", "patient", "sub", "support_code", "token_id")
COVERED = {
    "audit_event": "SELECT 1 FROM audit_seal s JOIN audit_cut c ON s.seq BETWEEN c.first_seq AND c.last_seq"
    " WHERE s.event_id = OLD.id",
    "audit_seal": "SELECT 1 FROM audit_cut c WHERE OLD.seq BETWEEN c.first_seq AND c.last_seq",
    "audit_anchor": "SELECT 1 FROM audit_cut c WHERE OLD.seq BETWEEN c.first_seq AND c.last_seq",
    "audit_cut": "SELECT 1 WHERE false",
}
KEPT = "the audit trail is append-only"


def upgrade() -> None:
    op.add_column("audit_event", sa.Column("role", sa.String(32), nullable=True))
    op.add_column("audit_event", sa.Column("aud", sa.String(2048), nullable=True))
    searched()
    with op.batch_alter_table("audit_seal") as table:
        # a record that goes while its seal stays is named by `authz audit verify`, which a cascade would hide
        table.drop_constraint("fk_audit_seal_event_id_audit_event", type_="foreignkey")
    if op.get_context().dialect.name == "postgresql":
        for name in ("audit_seal", "audit_anchor"):
            op.alter_column(name, "seq", type_=sa.BigInteger())
    tables()
    guarded()


def searched() -> None:
    op.drop_index("ix_audit_event_at_event", "audit_event")
    for name in ONE_COLUMN:
        op.drop_index(f"ix_audit_event_{name}", "audit_event")
    op.create_index("ix_audit_event_at_id", "audit_event", ["at", "id"])
    op.create_index("ix_audit_event_event_at_id", "audit_event", ["event", "at", "id"])
    partial("ix_audit_event_refused", ["at", "id"], "outcome = 'refused'")
    for name in ("sub", "client_id", "patient"):
        partial(f"ix_audit_event_{name}_at_id", [name, "at", "id"], f"{name} IS NOT NULL")
    for name in ("grant_id", "token_id", "launch_id", "support_code", "request_id"):
        partial(f"ix_audit_event_{name}", [name], f"{name} IS NOT NULL")


def partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "audit_event", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def tables() -> None:
    op.create_table(
        "audit_cut",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("first_seq", NUMBER, nullable=False),
        sa.Column("last_seq", NUMBER, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("cut_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_cut"),
    )
    op.create_index("ix_audit_cut_first_seq", "audit_cut", ["first_seq"])
    op.create_table(
        "audit_hold",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("patient", sa.String(64), nullable=True),
        sa.Column("sub", sa.String(255), nullable=True),
        sa.Column("client_id", sa.String(64), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_hold"),
    )
    op.create_table(
        "audit_export",
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("target", name="pk_audit_export"),
    )


def guarded() -> None:
    if op.get_context().dialect.name == "postgresql":
        guarded_in_postgresql()
    else:
        guarded_in_sqlite()


def guarded_in_sqlite() -> None:
    for table in ALWAYS:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
        op.execute(f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} {refuse}")
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} WHEN NOT EXISTS ({COVERED[table]}) {refuse}")


def guarded_in_postgresql() -> None:
    """For the owner of the tables too; who serves has no right to change or delete here besides (0033)."""
    refuse = f"RAISE EXCEPTION '{KEPT}' USING ERRCODE = 'insufficient_privilege'"
    op.execute(f"CREATE FUNCTION audit_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse}; END $$")
    for table in ALWAYS:
        op.execute(
            f"CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NOT EXISTS ({COVERED[table]}) THEN {refuse}; END IF; RETURN OLD; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION audit_unchanged()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_emptied BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_unchanged()"
        )
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_kept()")
