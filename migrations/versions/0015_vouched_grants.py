"""Which grants rest on an EHR's word that the user represents the patient; of those there are, none is taken to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grant_record", sa.Column("is_vouched", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("grant_record", "is_vouched")
