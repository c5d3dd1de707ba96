"""A client that speaks for an EHR has a name of its own where a launch says who made it; what came of it is found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

holds_up = "launches that become codes, while the used ones of a month and of living grants are indexed"


def upgrade() -> None:
    with op.batch_alter_table("spent_launch") as table:
        table.alter_column("ehr", existing_type=sa.String(64), type_=sa.String(80))
    op.execute(
        "UPDATE spent_launch SET ehr = 'client:' || ehr"
        " WHERE ehr IN (SELECT client_id FROM client) AND ehr NOT IN (SELECT client_id FROM ehr)"
    )
    op.create_index("ix_spent_launch_ehr", "spent_launch", ["ehr"])


def downgrade() -> None:
    op.drop_index("ix_spent_launch_ehr", "spent_launch")
    op.execute("UPDATE spent_launch SET ehr = substr(ehr, 8) WHERE ehr LIKE 'client:%'")
    with op.batch_alter_table("spent_launch") as table:
        table.alter_column("ehr", existing_type=sa.String(80), type_=sa.String(64))
