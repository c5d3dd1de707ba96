"""What is forgiven to older apps: the switches of a client, the uses of a grant, codes without a challenge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("legacy", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("grant_record", sa.Column("legacy", sa.JSON(), server_default="[]", nullable=False))
    with op.batch_alter_table("authorization_code") as table:
        table.alter_column("code_challenge", existing_type=sa.String(43), nullable=True)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM authorization_code WHERE code_challenge IS NULL"))
    with op.batch_alter_table("authorization_code") as table:
        table.alter_column("code_challenge", existing_type=sa.String(43), nullable=False)
    op.drop_column("grant_record", "legacy")
    op.drop_column("client", "legacy")
