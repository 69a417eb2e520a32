"""Digests of experiments and parsing metrics, those of runs anew; a small index for servers.

Why: SQLite does not notice a flipped byte inside a value. Runs have a digest since 0002; with these
two, nothing that was recorded can change unseen. Digests and fingerprints are made of compact JSON
now, which takes a third of the time.

PostgreSQL finds one run by the index of its arm, reading all of the arm, while it has no statistics
on it: those of the minutes after an import, or of a new experiment. The analysis index begins with
the same columns, so that this one need only be what PostgreSQL does not prefer: blocks of rows.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from ml_agents_results.database.digests import DIGESTED, digest_of, input_fingerprint

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = {"experiments": "", "parsing_metrics": 0}
"""Each with a value below all of its ids."""


def upgrade() -> None:
    connection = op.get_bind()
    _fill_digests(connection, "runs", "")
    for name, first in TABLES.items():
        op.add_column(name, sa.Column("content_digest", TEXT))
        _fill_digests(connection, name, first)
        with op.batch_alter_table(
            name, table_kwargs={"sqlite_autoincrement": name == "parsing_metrics"}
        ) as table:
            table.alter_column("content_digest", existing_type=TEXT, nullable=False)
    _index_arms(using="brin")


def downgrade() -> None:
    _index_arms(using="btree")
    for name in TABLES:
        op.drop_column(name, "content_digest")


def _index_arms(using: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        name, columns = "idx_runs_experiment_approach", ["experiment_id", "approach_name"]
        op.drop_index(name, "runs")
        op.create_index(name, "runs", columns, postgresql_using=using)


def _fill_digests(connection: sa.Connection, name: str, last: object) -> None:
    """Reads in batches by primary key: a database may be larger than memory."""
    columns = DIGESTED[name]
    page = sa.text(
        f"SELECT id, {', '.join(columns)} FROM {name} WHERE id > :last ORDER BY id LIMIT 2000"
    )
    question = ", input_fingerprint = :question" if name == "runs" else ""
    update = sa.text(f"UPDATE {name} SET content_digest = :digest{question} WHERE id = :row")
    while rows := connection.execute(page, {"last": last}).all():
        last = rows[-1][0]
        batch = [{"row": row[0], "digest": digest_of(columns, row[1:])} for row in rows]
        if question:
            # The first two of DIGESTED["runs"].
            for values, row in zip(batch, rows, strict=True):
                values["question"] = input_fingerprint(row[1], row[2])
        connection.execute(update, batch)
