"""Nobody but the owner of the tables may change or remove records (PostgreSQL); since when an export fails."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0034"
branch_labels = None
depends_on = None

TAKE_AWAY = """
DO $$
DECLARE
  held record;
BEGIN
  FOR held IN
    SELECT c.oid::regclass AS name, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace = current_schema()::regnamespace AND a.grantee <> c.relowner
      AND ((c.relname IN ('audit_event', 'audit_seal', 'audit_anchor', 'audit_cut')
            AND a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER'))
        OR (c.relname = 'audit_hold' AND a.privilege_type <> 'SELECT'))
    GROUP BY 1, 2
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON %s FROM %s', held.name, held.grantee);
    IF held.name::text = 'audit_hold' THEN
      EXECUTE format('REVOKE INSERT ON %s FROM %s', held.name, held.grantee);
    END IF;
  END LOOP;
END $$
"""


def upgrade() -> None:
    op.add_column("audit_export", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    if op.get_context().dialect.name == "postgresql":
        op.execute(TAKE_AWAY)
