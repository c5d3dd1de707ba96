"""Since when an EHR is for a FHIR server, and a client switched on: what it launched before is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ehr_fhir_server", sa.Column("since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("client", sa.Column("enabled_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("client", "enabled_at")
    op.drop_column("ehr_fhir_server", "since")
