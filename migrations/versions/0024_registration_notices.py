"""What the hospital's own systems are to be told of registrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registration_notice",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registration_notice"),
    )
    op.create_index("ix_registration_notice_next_at", "registration_notice", ["next_at"])


def downgrade() -> None:
    op.drop_table("registration_notice")
