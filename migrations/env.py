"""Runs migrations on the connection it is given, inside the caller's transaction (``authz.storage.migrations``)."""

from alembic import context

import authz.audit.model
import authz.brands.model
import authz.clients.model
import authz.consent.model
import authz.fhir_servers.model
import authz.keyring.model
import authz.launch.model
import authz.login.federated.model
import authz.login.model
import authz.my_apps.model
import authz.registration.model
import authz.storage.schema_floor
import authz.tokens.model
import authz.users.model  # noqa: F401  a model that is not imported is not in the metadata
from authz.storage.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite changes a column by copying its table
)
with context.begin_transaction():
    context.run_migrations()
