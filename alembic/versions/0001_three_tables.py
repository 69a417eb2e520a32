"""Experiments, runs and parsing metrics.

Why: the schema as it was agreed on, to the letter, so that databases that have it can be adopted.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Sorted by code points, as SQLite does, whatever the server's locale: the same order everywhere,
# and indexes that outlive an upgrade of the C library.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# REAL has four bytes in PostgreSQL, and TIMESTAMP drops the offset there.
REAL: sa.types.TypeEngine[float] = sa.REAL().with_variant(sa.Double(), "postgresql")
TIMESTAMP = sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("name", TEXT),
        sa.Column("description", TEXT),
        sa.Column("created_at", TIMESTAMP),
        sa.Column("config_json", TEXT),
        sa.Column("status", TEXT),
    )
    op.create_table(
        "runs",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("experiment_id", TEXT, sa.ForeignKey("experiments.id")),
        sa.Column("approach_name", TEXT),
        sa.Column("provider", TEXT),
        sa.Column("model", TEXT),
        sa.Column("sample_index", sa.Integer()),
        sa.Column("input_text", TEXT),
        sa.Column("expected_answer", TEXT),
        sa.Column("raw_output", TEXT),
        sa.Column("parsed_answer", TEXT),
        sa.Column("parsing_method", TEXT),
        sa.Column("parsing_confidence", REAL),
        sa.Column("is_correct", sa.Boolean()),
        sa.Column("execution_time_ms", sa.Integer()),
        sa.Column("cost_estimate", REAL),
        sa.Column("created_at", TIMESTAMP),
        sa.Column("metadata_json", TEXT),
    )
    op.create_table(
        "parsing_metrics",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("run_id", TEXT, sa.ForeignKey("runs.id")),
        sa.Column("parsing_attempts", sa.Integer()),
        sa.Column("fallback_used", sa.Boolean()),
        sa.Column("confidence_score", REAL),
        sa.Column("extraction_time_ms", sa.Integer()),
        sa.Column("error_details", TEXT),
        sqlite_autoincrement=True,
    )
    op.create_index("idx_runs_experiment_approach", "runs", ["experiment_id", "approach_name"])
    op.create_index("idx_runs_created_at", "runs", ["created_at"])
    op.create_index("idx_runs_accuracy", "runs", ["is_correct"])
    op.create_index("idx_parsing_confidence", "parsing_metrics", ["confidence_score"])


def downgrade() -> None:
    op.drop_table("parsing_metrics")
    op.drop_table("runs")
    op.drop_table("experiments")
