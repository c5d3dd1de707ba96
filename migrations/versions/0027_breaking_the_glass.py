"""Which records staff open only with a reason, and for which reason a grant was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fhir_server", sa.Column("sensitive_patients", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("fhir_server", sa.Column("sensitive_scopes", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("grant_record", sa.Column("purpose_of_use", sa.String(32), nullable=True))


def downgrade() -> None:
    op.drop_column("grant_record", "purpose_of_use")
    op.drop_column("fhir_server", "sensitive_scopes")
    op.drop_column("fhir_server", "sensitive_patients")
