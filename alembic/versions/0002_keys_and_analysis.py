"""A key for every run, what analyses need, and rules that hold.

Why: recording must be idempotent and resuming exact (unique key), paired comparisons need tasks
and proof that both arms answered the same question (fingerprint), analyses must not read the long
texts (covering index), and a changed byte must not pass unseen (digest).

Runs that repeat a key become repeats of their sample, numbered in the order they were made.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from ml_agents_results.database.digests import DIGEST_COLUMNS, content_digest, input_fingerprint
from ml_agents_results.errors import SchemaError

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

REAL: sa.types.TypeEngine[float] = sa.REAL().with_variant(sa.Double(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIMESTAMP = sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
FINITE = "1.7976931348623157e308"
KEY = (
    "experiment_id",
    "approach_name",
    "provider",
    "model",
    "task",
    "sample_index",
    "repeat_index",
)
OUTCOME = (
    "CASE WHEN error IS NOT NULL THEN 'failed' "
    "WHEN is_correct THEN 'correct' "
    "WHEN NOT is_correct THEN 'wrong' "
    "WHEN parsed_answer IS NULL AND raw_output IS NOT NULL THEN 'unparsed' "
    "ELSE 'ungraded' END"
)
RUN_CHECKS = {
    "sample_index": "sample_index >= 0",
    "repeat_index": "repeat_index >= 0",
    "parsing_confidence": "parsing_confidence BETWEEN 0 AND 1",
    "execution_time_ms": "execution_time_ms >= 0",
    "cost_estimate": f"cost_estimate BETWEEN 0 AND {FINITE}",
    "score": f"score BETWEEN -{FINITE} AND {FINITE}",
    "prompt_tokens": "prompt_tokens >= 0",
    "completion_tokens": "completion_tokens >= 0",
    "failed_is_not_graded": "error IS NULL OR is_correct IS NULL",
    "outcome": f"outcome = {OUTCOME}",
}
METRIC_CHECKS = {
    "parsing_attempts": "parsing_attempts >= 0",
    "confidence_score": "confidence_score BETWEEN 0 AND 1",
    "extraction_time_ms": "extraction_time_ms >= 0",
}
ANALYSIS_INDEX = (
    *KEY,
    "outcome",
    "execution_time_ms",
    "cost_estimate",
    "parsing_method",
    "parsing_confidence",
    "input_fingerprint",
    "id",
)


def upgrade() -> None:
    connection = op.get_bind()
    postgresql = connection.dialect.name == "postgresql"
    _refuse_orphans(connection)

    op.add_column("experiments", sa.Column("updated_at", TIMESTAMP))
    op.add_column("experiments", sa.Column("environment_json", TEXT))
    op.execute("UPDATE experiments SET created_at = COALESCE(created_at, CURRENT_TIMESTAMP)")
    op.execute(
        "UPDATE experiments SET updated_at = created_at, status = COALESCE(status, 'completed')"
    )
    with op.batch_alter_table("experiments") as table:
        for name, kind in (("created_at", TIMESTAMP), ("status", TEXT)):
            table.alter_column(name, existing_type=kind, nullable=False)
        table.alter_column("updated_at", existing_type=TIMESTAMP, nullable=False)
        table.create_check_constraint(
            op.f("ck_experiments_status"), "status IN ('running', 'completed', 'failed')"
        )

    for column in (
        sa.Column("task", TEXT),
        sa.Column("repeat_index", sa.Integer()),
        sa.Column("sample_id", TEXT),
        sa.Column("input_fingerprint", TEXT),
        sa.Column("score", REAL),
        sa.Column("prompt_tokens", sa.Integer()),
        sa.Column("completion_tokens", sa.Integer()),
        sa.Column("error", TEXT),
        sa.Column("content_digest", TEXT),
        sa.Column("outcome", TEXT),
    ):
        op.add_column("runs", column)
    op.execute(
        "UPDATE runs SET task = '', approach_name = COALESCE(approach_name, 'unknown'), "
        "provider = COALESCE(provider, ''), model = COALESCE(model, ''), "
        "sample_index = COALESCE(sample_index, 0), "
        "created_at = COALESCE(created_at, CURRENT_TIMESTAMP)"
    )
    op.execute(
        "UPDATE runs SET repeat_index = numbered.place FROM (SELECT id, ROW_NUMBER() OVER "
        "(PARTITION BY experiment_id, approach_name, provider, model, task, sample_index "
        "ORDER BY created_at, id) - 1 AS place FROM runs) AS numbered "
        "WHERE runs.id = numbered.id"
    )
    op.execute(f"UPDATE runs SET outcome = {OUTCOME}")
    _fill_digests(connection)
    with op.batch_alter_table("runs") as table:
        table.drop_constraint("fk_runs_experiment_id_experiments", type_="foreignkey")
        for name in ("experiment_id", "approach_name", "provider", "model", "task"):
            table.alter_column(name, existing_type=TEXT, nullable=False)
        for name in ("sample_index", "repeat_index"):
            table.alter_column(name, existing_type=sa.Integer(), nullable=False)
        table.alter_column("created_at", existing_type=TIMESTAMP, nullable=False)
        table.alter_column("content_digest", existing_type=TEXT, nullable=False)
        table.alter_column("outcome", existing_type=TEXT, nullable=False)
        table.create_foreign_key(
            "fk_runs_experiment_id_experiments",
            "experiments",
            ["experiment_id"],
            ["id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        )
        table.create_unique_constraint(op.f("uq_runs_key"), list(KEY))
        for name, rule in RUN_CHECKS.items():
            table.create_check_constraint(op.f(f"ck_runs_{name}"), rule)
        if not postgresql:
            table.create_check_constraint(op.f("ck_runs_is_correct"), "is_correct IN (0, 1)")
    op.create_index("ix_runs_analysis", "runs", list(ANALYSIS_INDEX))
    with op.batch_alter_table(
        "parsing_metrics", table_kwargs={"sqlite_autoincrement": True}
    ) as table:
        table.drop_constraint("fk_parsing_metrics_run_id_runs", type_="foreignkey")
        table.alter_column("run_id", existing_type=TEXT, nullable=False)
        table.create_foreign_key(
            "fk_parsing_metrics_run_id_runs",
            "runs",
            ["run_id"],
            ["id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        )
        table.create_unique_constraint(op.f("uq_parsing_metrics_run_id"), ["run_id"])
        for name, rule in METRIC_CHECKS.items():
            table.create_check_constraint(op.f(f"ck_parsing_metrics_{name}"), rule)
        if not postgresql:
            table.create_check_constraint(
                op.f("ck_parsing_metrics_fallback_used"), "fallback_used IN (0, 1)"
            )


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.drop_index("ix_runs_analysis", "runs")
    with op.batch_alter_table(
        "parsing_metrics", table_kwargs={"sqlite_autoincrement": True}
    ) as table:
        table.drop_constraint(op.f("uq_parsing_metrics_run_id"), type_="unique")
        for name in METRIC_CHECKS if postgresql else (*METRIC_CHECKS, "fallback_used"):
            table.drop_constraint(op.f(f"ck_parsing_metrics_{name}"), type_="check")
        table.drop_constraint("fk_parsing_metrics_run_id_runs", type_="foreignkey")
        table.create_foreign_key("fk_parsing_metrics_run_id_runs", "runs", ["run_id"], ["id"])
        table.alter_column("run_id", existing_type=TEXT, nullable=True)
    with op.batch_alter_table("runs") as table:
        table.drop_constraint(op.f("uq_runs_key"), type_="unique")
        for name in RUN_CHECKS if postgresql else (*RUN_CHECKS, "is_correct"):
            table.drop_constraint(op.f(f"ck_runs_{name}"), type_="check")
        table.drop_constraint("fk_runs_experiment_id_experiments", type_="foreignkey")
        table.create_foreign_key(
            "fk_runs_experiment_id_experiments", "experiments", ["experiment_id"], ["id"]
        )
        table.drop_column("outcome")
        for name in (
            "task",
            "repeat_index",
            "sample_id",
            "input_fingerprint",
            "score",
            "prompt_tokens",
            "completion_tokens",
            "error",
            "content_digest",
        ):
            table.drop_column(name)
        for name in ("experiment_id", "approach_name", "provider", "model"):
            table.alter_column(name, existing_type=TEXT, nullable=True)
        table.alter_column("sample_index", existing_type=sa.Integer(), nullable=True)
        table.alter_column("created_at", existing_type=TIMESTAMP, nullable=True)
    with op.batch_alter_table("experiments") as table:
        table.drop_constraint(op.f("ck_experiments_status"), type_="check")
        table.drop_column("updated_at")
        table.drop_column("environment_json")
        table.alter_column("created_at", existing_type=TIMESTAMP, nullable=True)
        table.alter_column("status", existing_type=TEXT, nullable=True)


def _refuse_orphans(connection: sa.Connection) -> None:
    for child, column, parent in (
        ("runs", "experiment_id", "experiments"),
        ("parsing_metrics", "run_id", "runs"),
    ):
        orphans = connection.scalar(
            sa.text(
                f"SELECT COUNT(*) FROM {child} WHERE {column} IS NULL "
                f"OR {column} NOT IN (SELECT id FROM {parent})"
            )
        )
        if orphans:
            raise SchemaError(
                f"{orphans} rows of {child} belong to no row of {parent}; nothing was changed",
                f"Find them with: SELECT * FROM {child} WHERE {column} IS NULL OR {column} "
                f"NOT IN (SELECT id FROM {parent})",
            )


def _fill_digests(connection: sa.Connection) -> None:
    """Reads in batches by primary key: a database may be larger than memory."""
    runs = sa.table("runs", *map(sa.column, ("id", "input_fingerprint", "content_digest")))
    columns = sa.text(f"id, {', '.join(DIGEST_COLUMNS)}")
    page = sa.select(columns).select_from(sa.text("runs")).order_by(sa.text("id")).limit(2000)
    update = (
        runs.update()
        .where(runs.c.id == sa.bindparam("run"))
        .values(input_fingerprint=sa.bindparam("question"), content_digest=sa.bindparam("digest"))
    )
    correct = 1 + DIGEST_COLUMNS.index("is_correct")
    last = ""
    while rows := connection.execute(page.where(sa.text("id > :last")), {"last": last}).all():
        last = rows[-1][0]
        batch = []
        for row in rows:
            values = list(row[1:])
            if row[correct] is not None:
                values[correct - 1] = bool(row[correct])
            batch.append(
                {
                    "run": row[0],
                    "question": input_fingerprint(row[1], row[2]),
                    "digest": content_digest(values),
                }
            )
        connection.execute(update, batch)
