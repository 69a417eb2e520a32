"""The tables, as typed declarative models. Alembic creates them; a test keeps both in agreement."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    REAL,
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    MetaData,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from ml_agents_results.database.types import JsonText, LosslessText, PlainText, UtcTimestamp

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(constraint_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

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

# REAL has four bytes in PostgreSQL.
Number: TypeEngine[float] = REAL().with_variant(Double(), "postgresql")

OUTCOME = (
    "CASE WHEN error IS NOT NULL THEN 'failed' "
    "WHEN is_correct THEN 'correct' "
    "WHEN NOT is_correct THEN 'wrong' "
    "WHEN parsed_answer IS NULL AND raw_output IS NOT NULL THEN 'unparsed' "
    "ELSE 'ungraded' END"
)
"""The class of a run. Every run is in exactly one; only `correct` and `wrong` are graded.

A checked column and not a generated one: SQLite reads the table for generated columns even where
an index holds them.
"""

# The largest double: what is above is infinite.
_FINITE = "1.7976931348623157e308"


def _not_negative(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} BETWEEN 0 AND {_FINITE}", name=column)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcTimestamp(),
        float: Number,
        str: LosslessText(),
        dict[str, Any]: JsonText(),
    }


class Experiment(Base):
    """One configured study."""

    __tablename__ = "experiments"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    description: Mapped[str | None]
    created_at: Mapped[datetime]
    config_json: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(PlainText)
    updated_at: Mapped[datetime]
    environment_json: Mapped[dict[str, Any] | None]
    content_digest: Mapped[str] = mapped_column(PlainText)

    __table_args__ = (
        CheckConstraint("status IN ('running', 'completed', 'failed')", name="status"),
    )


class Run(Base):
    """One sample answered once by one approach with one provider's model."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE", onupdate="CASCADE")
    )
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
    is_correct: Mapped[bool | None] = mapped_column(
        Boolean(create_constraint=True, name="is_correct")
    )
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
    content_digest: Mapped[str] = mapped_column(PlainText)
    outcome: Mapped[str] = mapped_column(PlainText)

    __table_args__ = (
        UniqueConstraint(*RUN_KEY, name="key"),
        CheckConstraint("sample_index >= 0", name="sample_index"),
        CheckConstraint("repeat_index >= 0", name="repeat_index"),
        CheckConstraint("parsing_confidence BETWEEN 0 AND 1", name="parsing_confidence"),
        CheckConstraint("execution_time_ms >= 0", name="execution_time_ms"),
        _not_negative("cost_estimate"),
        CheckConstraint(f"score BETWEEN -{_FINITE} AND {_FINITE}", name="score"),
        CheckConstraint("prompt_tokens >= 0", name="prompt_tokens"),
        CheckConstraint("completion_tokens >= 0", name="completion_tokens"),
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
            "execution_time_ms",
            "cost_estimate",
            "parsing_method",
            "parsing_confidence",
            "input_fingerprint",
            "id",
        ),
    )


class RunParsingMetrics(Base):
    """How the answer of one run was found; one row a run at most."""

    __tablename__ = "parsing_metrics"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE", onupdate="CASCADE")
    )
    parsing_attempts: Mapped[int | None]
    fallback_used: Mapped[bool | None] = mapped_column(
        Boolean(create_constraint=True, name="fallback_used")
    )
    confidence_score: Mapped[float | None]
    extraction_time_ms: Mapped[int | None]
    error_details: Mapped[str | None]
    content_digest: Mapped[str] = mapped_column(PlainText)

    __table_args__ = (
        UniqueConstraint("run_id", name="run_id"),
        CheckConstraint("parsing_attempts >= 0", name="parsing_attempts"),
        CheckConstraint("confidence_score BETWEEN 0 AND 1", name="confidence_score"),
        CheckConstraint("extraction_time_ms >= 0", name="extraction_time_ms"),
        Index("idx_parsing_confidence", "confidence_score"),
        {"sqlite_autoincrement": True},
    )


class Claim(Base):
    """A planned run that a process is asking right now; gone when the run is saved.

    `position` is the run's place in the plan of its experiment. A claim whose process is known to
    be dead, or that was not renewed before `expires_at`, is free for others.
    """

    __tablename__ = "claims"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE", onupdate="CASCADE"),
        primary_key=True,
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(PlainText)
    host: Mapped[str] = mapped_column(PlainText)
    pid: Mapped[int]
    expires_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("position >= 0", name="position"),)
