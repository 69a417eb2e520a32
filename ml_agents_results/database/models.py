"""Models: the tables as declarative SQLAlchemy classes, with relationships both ways.

Alembic creates the tables; a test keeps both in agreement. `mapper_events` keeps what a Session
writes valid, complete and true.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, CheckConstraint, Index, UniqueConstraint, event, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, validates

from ml_agents_results.database.declarative_base import Base as Base
from ml_agents_results.database.declarative_base import (
    digest,
    finite,
    flag,
    from_zero,
    not_negative,
    reference,
)
from ml_agents_results.database.primary_values import set_before_flush
from ml_agents_results.database.types import PlainText

RUN_KEY = (
    "experiment_id",
    "approach_name",
    "provider",
    "model",
    "task",
    "sample_index",
    "repeat_index",
)
"""The natural key of a run: what makes recording idempotent and resuming exact."""

OUTCOME = (
    "CASE WHEN error IS NOT NULL THEN 'failed' "
    "WHEN is_correct THEN 'correct' "
    "WHEN NOT is_correct THEN 'wrong' "
    "WHEN score IS NOT NULL THEN 'scored' "
    "WHEN parsed_answer IS NULL AND finish_reason = 'length' THEN 'truncated' "
    "WHEN parsed_answer IS NULL AND finish_reason IN ('content_filter', 'refusal') THEN 'refused' "
    "WHEN parsed_answer IS NULL AND raw_output IS NOT NULL THEN 'unparsed' "
    "ELSE 'ungraded' END"
)
"""The class of a run. Every run is in exactly one; `correct`, `wrong` and `scored` have a value of
the primary metric.

A checked column and not a generated one: SQLite reads the table for generated columns even where
an index holds them.
"""


class Experiment(Base):
    """One configured study.

    Without an `id` it gets one that says when it began; `status` is `running`, and both times are
    now. Deleting it deletes its runs and all that belongs to them.
    """

    __tablename__ = "experiments"
    _shown = ("id", "name", "status")

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    description: Mapped[str | None]
    created_at: Mapped[datetime]
    config_json: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(PlainText)
    updated_at: Mapped[datetime]
    environment_json: Mapped[dict[str, Any] | None]
    content_digest: Mapped[str] = digest()
    tags_json: Mapped[list[Any] | None]
    notes_json: Mapped[list[Any] | None]

    metrics: Mapped[list["Metric"]] = relationship(
        back_populates="experiment", cascade="all, delete-orphan", passive_deletes=True
    )
    runs: Mapped[list["Run"]] = relationship(
        back_populates="experiment", cascade="all, delete-orphan", passive_deletes=True
    )

    __table_args__ = (
        CheckConstraint("status IN ('running', 'completed', 'failed')", name="status"),
    )
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        "version_id_col": content_digest,
        "version_id_generator": False,
    }


class Run(Base):
    """One sample answered once by one approach with one provider's model.

    Only `experiment` (or `experiment_id`), `approach_name` and `sample_index` are required.
    `outcome`, `input_fingerprint` and `content_digest` are set when a Session flushes. A run that
    somebody else changed meanwhile is not overwritten: SQLAlchemy raises StaleDataError.
    """

    __tablename__ = "runs"
    _shown = ("id", *RUN_KEY, "outcome")

    id: Mapped[str] = mapped_column(primary_key=True)
    experiment_id: Mapped[str] = reference("experiments.id")
    approach_name: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    sample_index: Mapped[int]
    input_text: Mapped[str | None]
    expected_answer: Mapped[str | None]
    raw_output: Mapped[str | None]
    parsed_answer: Mapped[str | None]
    parsing_method: Mapped[str | None] = mapped_column(PlainText)
    parsing_confidence: Mapped[float | None]
    is_correct: Mapped[bool | None] = flag("is_correct")
    execution_time_ms: Mapped[int | None]
    cost_estimate: Mapped[float | None]
    created_at: Mapped[datetime]
    metadata_json: Mapped[dict[str, Any] | None]
    task: Mapped[str]
    repeat_index: Mapped[int]
    sample_id: Mapped[str | None]
    input_fingerprint: Mapped[str | None] = mapped_column(PlainText)
    score: Mapped[float | None]
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    error: Mapped[str | None]
    content_digest: Mapped[str] = digest()
    outcome: Mapped[str] = mapped_column(PlainText)
    finish_reason: Mapped[str | None]
    reasoning_text: Mapped[str | None]
    reasoning_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]

    experiment: Mapped[Experiment] = relationship(back_populates="runs")
    parsing_metrics: Mapped["ParsingMetric | None"] = relationship(
        back_populates="run", cascade="all, delete-orphan", passive_deletes=True
    )
    scores: Mapped[list["Score"]] = relationship(
        back_populates="run",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="Score.metric_id, Score.author",
    )

    @validates("parsing_metrics")
    def _replace(self, _name: str, new: "ParsingMetric | None") -> "ParsingMetric | None":
        """One that replaces another takes over its row: a run has one at most."""
        old = self.parsing_metrics
        if old is not None and new is not None and old is not new and new.id is None:
            new.id = old.id
        return new

    __table_args__ = (
        UniqueConstraint(*RUN_KEY, name="key"),
        from_zero("sample_index"),
        from_zero("repeat_index"),
        CheckConstraint("parsing_confidence BETWEEN 0 AND 1", name="parsing_confidence"),
        from_zero("execution_time_ms"),
        not_negative("cost_estimate"),
        finite("score"),
        from_zero("prompt_tokens"),
        from_zero("completion_tokens"),
        from_zero("reasoning_tokens"),
        from_zero("cached_tokens"),
        CheckConstraint("error IS NULL OR is_correct IS NULL", name="failed_is_not_graded"),
        CheckConstraint(f"outcome = {OUTCOME}", name="outcome"),
        # A BRIN in PostgreSQL (revision 0004); to say so here would import its dialect each time.
        Index("idx_runs_experiment_approach", "experiment_id", "approach_name"),
        Index("idx_runs_created_at", "created_at"),
        Index("idx_runs_accuracy", "is_correct"),
        # Everything that analyses read, so that they never touch the long texts.
        Index(
            "ix_runs_analysis",
            *RUN_KEY,
            "outcome",
            "score",
            "execution_time_ms",
            "cost_estimate",
            "parsing_method",
            "parsing_confidence",
            "input_fingerprint",
            "id",
        ),
    )
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        "version_id_col": content_digest,
        "version_id_generator": False,
    }


class ParsingMetric(Base):
    """The parsing of one run's answer; at most one row per run."""

    __tablename__ = "parsing_metrics"
    _shown = ("id", "run_id", "parsing_attempts", "confidence_score")

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = reference("runs.id")
    parsing_attempts: Mapped[int | None]
    fallback_used: Mapped[bool | None] = flag("fallback_used")
    confidence_score: Mapped[float | None]
    extraction_time_ms: Mapped[int | None]
    error_details: Mapped[str | None]
    content_digest: Mapped[str] = digest()

    run: Mapped[Run] = relationship(back_populates="parsing_metrics")

    __table_args__ = (
        UniqueConstraint("run_id", name="run_id"),
        from_zero("parsing_attempts"),
        CheckConstraint("confidence_score BETWEEN 0 AND 1", name="confidence_score"),
        from_zero("extraction_time_ms"),
        Index("idx_parsing_confidence", "confidence_score"),
        {"sqlite_autoincrement": True},
    )


class Metric(Base):
    """A named quantity measured on the runs of an experiment; one of them may be primary."""

    __tablename__ = "metrics"
    _shown = ("id", "experiment_id", "name", "kind", "is_primary")

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    experiment_id: Mapped[str] = reference("experiments.id")
    name: Mapped[str]
    kind: Mapped[str | None] = mapped_column(PlainText)
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    higher_is_better: Mapped[bool | None] = flag("higher_is_better")
    scorer: Mapped[str | None]
    definition_json: Mapped[dict[str, Any] | None]
    is_primary: Mapped[bool] = flag("is_primary")
    created_at: Mapped[datetime]
    content_digest: Mapped[str] = digest()

    experiment: Mapped[Experiment] = relationship(back_populates="metrics")
    scores: Mapped[list["Score"]] = relationship(
        back_populates="metric", cascade="all, delete-orphan", passive_deletes=True
    )

    __table_args__ = (
        UniqueConstraint("experiment_id", "name", name="name"),
        CheckConstraint("kind IN ('binary', 'numeric')", name="kind"),
        finite("lower"),
        finite("upper"),
        CheckConstraint("lower <= upper", name="bounds"),
        # PostgreSQL's is created below: to name its option here would import its dialect each time.
        Index(
            "ix_metrics_primary", "experiment_id", unique=True, sqlite_where=text("is_primary")
        ).ddl_if("sqlite"),
        {"sqlite_autoincrement": True},
    )
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        "version_id_col": content_digest,
        "version_id_generator": False,
    }


event.listen(
    Metric.__table__,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "CREATE UNIQUE INDEX ix_metrics_primary ON metrics (experiment_id) WHERE is_primary"
    ).execute_if(dialect="postgresql"),
)


class Score(Base):
    """The value of one metric for one run, by one author.

    The value of the primary metric stands on the run; its row here holds what is more than a value.
    """

    __tablename__ = "scores"
    _shown = ("run_id", "metric_id", "author", "value")

    run_id: Mapped[str] = reference("runs.id", primary_key=True)
    metric_id: Mapped[int] = reference("metrics.id", primary_key=True, autoincrement=False)
    author: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float | None]
    label: Mapped[str | None]
    explanation: Mapped[str | None]
    details_json: Mapped[dict[str, Any] | None]
    cost_estimate: Mapped[float | None]
    created_at: Mapped[datetime | None]
    content_digest: Mapped[str | None] = digest()

    run: Mapped[Run] = relationship(back_populates="scores")
    metric: Mapped[Metric] = relationship(back_populates="scores")

    __table_args__ = (
        finite("value"),
        not_negative("cost_estimate"),
        Index(None, "metric_id", "value", "run_id"),
        {"sqlite_with_rowid": False},
    )


event.listen(Session, "before_flush", set_before_flush)


class Claim(Base):
    """A planned run that a process is asking right now; gone when the run is saved.

    `position` is the index of the run in the plan of its experiment. A claim whose process is
    known to be dead, or that was not renewed before `expires_at`, is free for others.
    """

    __tablename__ = "claims"

    experiment_id: Mapped[str] = reference("experiments.id", primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(PlainText)
    host: Mapped[str] = mapped_column(PlainText)
    pid: Mapped[int]
    expires_at: Mapped[datetime]

    __table_args__ = (from_zero("position"),)


class ScoreClaim(Base):
    """A score that a process is asking a judge for right now; gone when the score is saved."""

    __tablename__ = "score_claims"

    metric_id: Mapped[int] = reference("metrics.id", primary_key=True, autoincrement=False)
    run_id: Mapped[str] = reference("runs.id", primary_key=True)
    author: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(PlainText)
    host: Mapped[str] = mapped_column(PlainText)
    pid: Mapped[int]
    expires_at: Mapped[datetime]


class Queue(Base):
    """Runs drawn once for people to label.

    `selection_json` says how: the filters, the seed, how many there were to draw from. What a label
    says of its queue stands with the score, so that it outlives the queue.
    """

    __tablename__ = "queues"
    _shown = ("id", "experiment_id", "name")

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    experiment_id: Mapped[str] = reference("experiments.id")
    metric_id: Mapped[int] = reference("metrics.id")
    name: Mapped[str]
    selection_json: Mapped[dict[str, Any]]
    blind: Mapped[bool] = flag("blind")
    author: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("experiment_id", "name", name="name"),
        {"sqlite_autoincrement": True},
    )


class QueueItem(Base):
    """One run of a queue; `position` is the order in which the runs are shown."""

    __tablename__ = "queue_items"
    _shown = ("queue_id", "position", "run_id")

    queue_id: Mapped[int] = reference("queues.id", primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[str] = reference("runs.id")

    __table_args__ = (
        from_zero("position"),
        Index(None, "run_id"),
        {"sqlite_with_rowid": False},
    )


PARENTS = {
    table.name: [
        (column.name, key.column.table.name)
        for column in table.columns
        for key in column.foreign_keys
    ]
    for table in Base.metadata.sorted_tables
    if table.foreign_keys
}
"""Of each table whose rows belong to others: the columns that say so, and those tables."""

RUN_COLUMNS = tuple(column.name for column in Run.__table__.columns)
PARSING_COLUMNS = tuple(
    column.name
    for column in ParsingMetric.__table__.columns
    if column.name not in ("id", "run_id", "content_digest")
)
METRIC_COLUMNS = tuple(column.name for column in Metric.__table__.columns if column.name != "id")
SCORE_COLUMNS = tuple(column.name for column in Score.__table__.columns)
