"""Alembic's entry: runs the migrations on the connection that `headgate.storage.migrate` hands over.

There is no alembic.ini and no URL here: settings are read in one place only, and an installed wheel has no
ini file.
"""

from alembic import context

from headgate.storage.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
