"""Runs the migrations: on the connection that the program hands over, or on a database of its own.

`alembic -x url=URL` names the database, else ML_AGENTS_DB_URL or ML_AGENTS_DB_PATH, else
./ml_agents_results.db.
"""

from alembic import context
from sqlalchemy import Connection

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import Base
from ml_agents_results.database.schema import require_migratable
from ml_agents_results.errors import ResultsError


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
    )
    # The caller's transaction is the only one: all revisions or none.
    context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Error: these migrations move data and need a database to run on.")
if (handed_over := context.config.attributes.get("connection")) is not None:
    run(handed_over)
else:
    try:
        settings = DatabaseConfig.resolve(url=context.get_x_argument(as_dictionary=True).get("url"))
        database = Database(settings)
        with database.migration() as own_connection:
            require_migratable(own_connection, database)
            run(own_connection)
    except ResultsError as error:
        raise SystemExit(f"Error: {error.message}\nHint: {error.hint}") from error
