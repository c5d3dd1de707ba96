"""Apps that register themselves: where their approval stands, who may use them, and accounts to test them with.

Every app that there is counts as approved, for anybody.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("user_types", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("client", sa.Column("approved", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("client", sa.Column("approves_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("user_account", sa.Column("is_sandbox", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("fhir_server", sa.Column("is_sandbox", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("fhir_server", sa.Column("sandbox_patients", sa.JSON(), server_default="[]", nullable=False))
    op.create_table(
        "registration",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("token_digest", sa.String(64), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("source_id", sa.String(2048), nullable=False),
        sa.Column("fhir_server", sa.String(64), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed", sa.JSON(), nullable=True),
        sa.Column("software_statement", sa.Text(), nullable=True),
        sa.Column("software_id", sa.String(255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name="fk_registration_client_id_client", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name="pk_registration"),
    )
    op.create_index("ix_registration_state", "registration", ["state"])
    op.create_index("ix_registration_software_id", "registration", ["software_id"])
    op.create_table(
        "registration_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name="fk_registration_event_client_id_client", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_registration_event"),
    )
    op.create_index("ix_registration_event_client_id", "registration_event", ["client_id"])
    op.create_table(
        "initial_access_token",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("fhir_server", sa.String(64), nullable=True),
        sa.Column("lanes", sa.JSON(), nullable=False),
        sa.Column("approves", sa.Boolean(), nullable=False),
        sa.Column("quota", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["fhir_server"],
            ["fhir_server.name"],
            name="fk_initial_access_token_fhir_server_fhir_server",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_initial_access_token"),
        sa.UniqueConstraint("digest", name="uq_initial_access_token_digest"),
    )
    op.create_table(
        "statement_issuer",
        sa.Column("iss", sa.String(2048), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("jwks_uri", sa.String(2048), nullable=True),
        sa.Column("lanes", sa.JSON(), nullable=False),
        sa.Column("approves", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("iss", name="pk_statement_issuer"),
    )


def downgrade() -> None:
    for table in ("statement_issuer", "initial_access_token", "registration_event", "registration"):
        op.drop_table(table)
    op.drop_column("fhir_server", "sandbox_patients")
    op.drop_column("fhir_server", "is_sandbox")
    op.drop_column("user_account", "is_sandbox")
    for name in ("approves_at", "approved", "user_types"):
        op.drop_column("client", name)
