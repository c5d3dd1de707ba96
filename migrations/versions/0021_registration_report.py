"""What the automatic checks of a registration found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registration_report",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_registration_report"),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.client_id"], name="fk_registration_report_client_id_client", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_registration_report_due_at", "registration_report", ["due_at"])


def downgrade() -> None:
    op.drop_table("registration_report")
