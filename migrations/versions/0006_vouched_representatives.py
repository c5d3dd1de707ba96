"""Whether an EHR's word makes somebody a representative of a launch's patient: off for every FHIR server there is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("vouched_representatives", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("fhir_server", column)


def downgrade() -> None:
    op.drop_column("fhir_server", "vouched_representatives")
