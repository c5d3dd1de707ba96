"""Who decides about apps at this server, and codes besides the password."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_account", sa.Column("role", sa.String(32), nullable=True))
    op.create_table(
        "second_factor",
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sub", name="pk_second_factor"),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_second_factor_sub_user_account", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "recovery_code",
        sa.Column("code_digest", sa.String(64), nullable=False),
        sa.Column("sub", sa.String(64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code_digest", name="pk_recovery_code"),
        sa.ForeignKeyConstraint(
            ["sub"], ["user_account.sub"], name="fk_recovery_code_sub_user_account", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_recovery_code_sub", "recovery_code", ["sub"])


def downgrade() -> None:
    op.drop_table("recovery_code")
    op.drop_table("second_factor")
    op.drop_column("user_account", "role")
