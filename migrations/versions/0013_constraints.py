"""Search parameters by which a FHIR server limits access itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("constraints", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.drop_column("fhir_server", "constraints")
