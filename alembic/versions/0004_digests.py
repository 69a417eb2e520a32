"""Digests of experiments and parsing metrics.

Why: SQLite does not notice a flipped byte inside a value. Runs have a digest since 0002; with these
two, nothing that was recorded can change unseen.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from ml_agents_results.database.digest import DIGESTED, digest_of

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = {"experiments": "", "parsing_metrics": 0}
"""Each with a value below all of its ids."""


def upgrade() -> None:
    connection = op.get_bind()
    for name, first in TABLES.items():
        op.add_column(name, sa.Column("content_digest", TEXT))
        _fill_digests(connection, name, first)
        with op.batch_alter_table(
            name, table_kwargs={"sqlite_autoincrement": name == "parsing_metrics"}
        ) as table:
            table.alter_column("content_digest", existing_type=TEXT, nullable=False)


def downgrade() -> None:
    for name in TABLES:
        op.drop_column(name, "content_digest")


def _fill_digests(connection: sa.Connection, name: str, last: object) -> None:
    """Reads in batches by primary key: a database may be larger than memory."""
    columns = DIGESTED[name]
    page = sa.text(
        f"SELECT id, {', '.join(columns)} FROM {name} WHERE id > :last ORDER BY id LIMIT 2000"
    )
    update = sa.text(f"UPDATE {name} SET content_digest = :digest WHERE id = :row")
    while rows := connection.execute(page, {"last": last}).all():
        last = rows[-1][0]
        connection.execute(
            update, [{"row": row[0], "digest": digest_of(columns, row[1:])} for row in rows]
        )
