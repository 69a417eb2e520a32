"""Metrics and scores; why a model stopped, its reasoning, tags and notes.

Why: evaluations have many scores per answer, and nothing recorded which metric a number is. What
was stored as the one grade becomes the primary metric of its experiment. Values of 0 and 1 were
taken for grades one by one: where other values stand next to them, the metric is numeric, and all
are its values. Where a run has a grade and a value that differs from it, they are two metrics.

What importers kept in metadata_json (`scores` of Inspect, `named_scores` of promptfoo, `metrics` of
lm-eval, HELM and OpenAI evals) becomes rows, too, and stays there. The metric whose values are
those of the grade gives the primary one its name.

The way down restores the grades; metrics, scores and what else is new has no place there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import sqlalchemy as sa
from alembic import op

from ml_agents_results.database.digests import content_digest, digest_of
from ml_agents_results.database.types import from_stored, to_json, to_stored

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

REAL: sa.types.TypeEngine[float] = sa.REAL().with_variant(sa.Double(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIMESTAMP = sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
FINITE = "1.7976931348623157e308"
OLD_OUTCOME = (
    "CASE WHEN error IS NOT NULL THEN 'failed' "
    "WHEN is_correct THEN 'correct' "
    "WHEN NOT is_correct THEN 'wrong' "
    "WHEN parsed_answer IS NULL AND raw_output IS NOT NULL THEN 'unparsed' "
    "ELSE 'ungraded' END"
)
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
KEY = (
    "experiment_id",
    "approach_name",
    "provider",
    "model",
    "task",
    "sample_index",
    "repeat_index",
)
REST = (
    "execution_time_ms",
    "cost_estimate",
    "parsing_method",
    "parsing_confidence",
    "input_fingerprint",
    "id",
)
NEW_RUN_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "finish_reason": TEXT,
    "reasoning_text": TEXT,
    "reasoning_tokens": sa.Integer(),
    "cached_tokens": sa.Integer(),
}
COUNTS = ("reasoning_tokens", "cached_tokens")
OLD_DIGESTED = {
    "runs": (
        *("input_text", "expected_answer", "raw_output", "parsed_answer", "parsing_method"),
        *("parsing_confidence", "is_correct", "execution_time_ms", "cost_estimate"),
        *("metadata_json", "sample_id", "score", "prompt_tokens", "completion_tokens", "error"),
    ),
    "experiments": (
        *("name", "description", "created_at", "config_json", "status", "updated_at"),
        "environment_json",
    ),
}
DIGESTED = {
    "runs": (*OLD_DIGESTED["runs"], *NEW_RUN_COLUMNS),
    "experiments": (*OLD_DIGESTED["experiments"], "tags_json", "notes_json"),
}
BATCH = 2000
MOST_METRICS = 100
"""Names per experiment that become metrics; what a stranger wrote may have a name for each run."""

LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Grades of Inspect."""

BOOKKEEPING = ("num_", "inference_", "training_", "batch_", "max_prob", "finish_reason_", "logprob")
"""Beginnings of what HELM lists among its metrics, and is not one."""

IN_COLUMN = {"column": "score"}
"""The definition of a metric whose values stood in the column `score` next to a grade."""


def upgrade() -> None:
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for name in ("tags_json", "notes_json"):
        op.add_column("experiments", sa.Column(name, TEXT))
    for name, kind in NEW_RUN_COLUMNS.items():
        op.add_column("runs", sa.Column(name, kind))
    _create_tables()
    op.drop_index("ix_runs_analysis", "runs")
    with _unchecked_outcome(sqlite, OUTCOME, COUNTS):
        _fill(connection)
    _digest(connection, "experiments", DIGESTED["experiments"])
    op.create_index("ix_runs_analysis", "runs", [*KEY, "outcome", "score", *REST])


def downgrade() -> None:
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    op.drop_index("ix_runs_analysis", "runs")
    with _unchecked_outcome(sqlite, OLD_OUTCOME, ()):
        correct = "score = 1" if not sqlite else "CASE WHEN score = 1 THEN 1 ELSE 0 END"
        op.execute(
            f"UPDATE runs SET is_correct = {correct} "
            "WHERE outcome = 'scored' AND score IN (0.0, 1.0)"
        )
        connection.execute(
            sa.text(
                "UPDATE runs SET score = (SELECT value FROM scores, metrics "
                "WHERE scores.run_id = runs.id AND metrics.id = scores.metric_id "
                "AND metrics.definition_json = :column) WHERE score IS NULL AND EXISTS "
                "(SELECT 1 FROM metrics WHERE metrics.experiment_id = runs.experiment_id "
                "AND metrics.definition_json = :column)"
            ),
            {"column": to_json(IN_COLUMN)},
        )
        op.execute(f"UPDATE runs SET outcome = {OLD_OUTCOME}")
        _digest(connection, "runs", OLD_DIGESTED["runs"])
    op.drop_table("scores")
    op.drop_table("metrics")
    if sqlite:
        with op.batch_alter_table("runs") as table:
            for name in COUNTS:
                table.drop_constraint(op.f(f"ck_runs_{name}"), type_="check")
            for name in NEW_RUN_COLUMNS:
                table.drop_column(name)
    else:
        for name in NEW_RUN_COLUMNS:
            op.drop_column("runs", name)
    for name in ("tags_json", "notes_json"):
        op.drop_column("experiments", name)
    _digest(connection, "experiments", OLD_DIGESTED["experiments"])
    op.create_index("ix_runs_analysis", "runs", [*KEY, "outcome", *REST])


class _unchecked_outcome:
    """A block in which outcomes may be changed; afterwards they are checked by another rule."""

    def __init__(self, sqlite: bool, outcome: str, counts: Sequence[str]) -> None:
        self._sqlite = sqlite
        self._outcome = outcome
        self._counts = counts

    def __enter__(self) -> None:
        if self._sqlite:
            # The table is copied once, when it gets the new rule.
            op.execute("PRAGMA ignore_check_constraints = ON")
        else:
            op.drop_constraint(op.f("ck_runs_outcome"), "runs", type_="check")

    def __exit__(self, kind: object, *_: object) -> None:
        if self._sqlite:
            op.execute("PRAGMA ignore_check_constraints = OFF")
        if kind is not None:
            return
        with op.batch_alter_table("runs") as table:
            if self._sqlite:
                table.drop_constraint(op.f("ck_runs_outcome"), type_="check")
            table.create_check_constraint(op.f("ck_runs_outcome"), f"outcome = {self._outcome}")
            for name in self._counts:
                table.create_check_constraint(op.f(f"ck_runs_{name}"), f"{name} >= 0")


def _create_tables() -> None:
    def belongs_to(table: str, column: str, parent: str) -> sa.ForeignKey:
        return sa.ForeignKey(
            f"{parent}.id",
            name=op.f(f"fk_{table}_{column}_{parent}"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        )

    def finite(table: str, column: str, lowest: str = f"-{FINITE}") -> sa.CheckConstraint:
        rule = f"{column} BETWEEN {lowest} AND {FINITE}"
        return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{column}"))

    flags = [
        sa.CheckConstraint(f"{name} IN (0, 1)", name=op.f(f"ck_metrics_{name}"))
        for name in ("higher_is_better", "is_primary")
        if op.get_bind().dialect.name == "sqlite"
    ]
    op.create_table(
        "metrics",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column(
            "experiment_id",
            TEXT,
            belongs_to("metrics", "experiment_id", "experiments"),
            nullable=False,
        ),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT),
        sa.Column("lower", REAL),
        sa.Column("upper", REAL),
        sa.Column("higher_is_better", sa.Boolean()),
        sa.Column("scorer", TEXT),
        sa.Column("definition_json", TEXT),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("content_digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metrics")),
        sa.UniqueConstraint("experiment_id", "name", name=op.f("uq_metrics_name")),
        sa.CheckConstraint("kind IN ('binary', 'numeric')", name=op.f("ck_metrics_kind")),
        finite("metrics", "lower"),
        finite("metrics", "upper"),
        sa.CheckConstraint("lower <= upper", name=op.f("ck_metrics_bounds")),
        *flags,
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_metrics_primary",
        "metrics",
        ["experiment_id"],
        unique=True,
        sqlite_where=sa.text("is_primary"),
        postgresql_where=sa.text("is_primary"),
    )
    op.create_table(
        "scores",
        sa.Column("run_id", TEXT, belongs_to("scores", "run_id", "runs"), nullable=False),
        sa.Column(
            "metric_id",
            sa.Integer(),
            belongs_to("scores", "metric_id", "metrics"),
            nullable=False,
        ),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("value", REAL),
        sa.Column("label", TEXT),
        sa.Column("explanation", TEXT),
        sa.Column("details_json", TEXT),
        sa.Column("cost_estimate", REAL),
        sa.Column("created_at", TIMESTAMP),
        sa.Column("content_digest", TEXT),
        sa.PrimaryKeyConstraint("run_id", "metric_id", "author", name=op.f("pk_scores")),
        finite("scores", "value"),
        finite("scores", "cost_estimate", "0"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_scores_metric_id_value_run_id", "scores", ["metric_id", "value", "run_id"])


@dataclass
class _Values:
    """What the values of one name are like, over all runs of an experiment."""

    number: int = 0
    binary: bool = True
    is_grade: bool = True
    is_score: bool = True


@dataclass
class _Found:
    """What the runs of one experiment hold."""

    graded: int = 0
    scored: int = 0
    only_scored: int = 0
    differ: int = 0
    names: dict[str, _Values] = field(default_factory=dict)

    def add(self, correct: bool | None, score: float | None, failed: bool) -> None:
        self.graded += correct is not None
        self.scored += score is not None
        self.only_scored += score is not None and correct is None and not failed
        self.differ += score is not None and correct is not None and score != float(correct)

    def add_named(
        self, scores: Mapping[str, Any], correct: bool | None, score: float | None
    ) -> None:
        for name, one in scores.items():
            if name not in self.names and len(self.names) == MOST_METRICS:
                continue
            values = self.names.setdefault(name, _Values())
            values.number += 1
            values.binary &= one["value"] in (0.0, 1.0)
            values.is_grade &= correct is None or one["value"] == float(correct)
            values.is_score &= score is None or one["value"] == score

    @property
    def apart(self) -> bool:
        """Whether grade and score are two metrics."""
        return self.differ > 0

    @property
    def numeric(self) -> bool:
        """Whether the primary metric is numeric."""
        return not self.apart and (not self.graded or self.only_scored > 0)


@dataclass
class _Plan:
    """The metrics of one experiment."""

    primary: int | None
    primary_name: str | None
    numeric: bool
    score: int | None
    """The metric that takes what stands in `score` next to a grade."""
    others: dict[str, int]


def _fill(connection: sa.Connection) -> None:
    """Grades and scores become metrics; every run gets its outcome and digest."""
    found: dict[str, _Found] = {}
    for row in _pages(connection, "runs", ("experiment_id", "is_correct", "score", "error")):
        _, experiment, correct, score, error, metadata = row
        one = found.setdefault(experiment, _Found())
        correct = None if correct is None else bool(correct)
        one.add(correct, score, error is not None)
        one.add_named(_scores_in(metadata), correct, score)
    plans = {
        experiment: _create_metrics(connection, experiment, one)
        for experiment, one in sorted(found.items())
    }
    columns = DIGESTED["runs"]
    where = {name: index for index, name in enumerate(columns)}
    names = ("experiment_id", *columns)
    update = sa.text(
        "UPDATE runs SET is_correct = :correct, score = :score, outcome = :outcome, "
        "content_digest = :digest WHERE id = :run"
    ).bindparams(sa.bindparam("correct", type_=sa.Boolean()))
    insert = sa.text(
        "INSERT INTO scores (run_id, metric_id, author, value, label, explanation, details_json, "
        "content_digest) "
        "VALUES (:run, :metric, '', :value, :label, :explanation, :details, :digest)"
    )
    for page in _batches(_pages(connection, "runs", names)):
        runs: list[dict[str, Any]] = []
        scores: list[dict[str, Any]] = []
        for run, experiment, *values, metadata in page:
            plan = plans[experiment]
            scores += _rows(plan, run, values[where["score"]], _scores_in(metadata))
            _settle(plan, values, where)
            correct, score = values[where["is_correct"]], values[where["score"]]
            runs.append(
                {
                    "run": run,
                    "correct": None if correct is None else bool(correct),
                    "score": score,
                    "outcome": _outcome(dict(zip(columns, values, strict=True))),
                    "digest": digest_of(columns, values),
                }
            )
        connection.execute(update, runs)
        if scores:
            connection.execute(insert, scores)


def _settle(plan: _Plan, values: list[Any], where: Mapping[str, int]) -> None:
    """Puts the value of the primary metric where its kind has it."""
    correct, score = values[where["is_correct"]], values[where["score"]]
    if plan.score is not None:
        values[where["score"]] = None
    elif plan.numeric and correct is not None:
        values[where["score"]] = float(correct) if score is None else score
        values[where["is_correct"]] = None


def _outcome(run: Mapping[str, Any]) -> str:
    if run["error"] is not None:
        return "failed"
    if run["is_correct"] is not None:
        return "correct" if run["is_correct"] else "wrong"
    if run["score"] is not None:
        return "scored"
    unparsed = run["parsed_answer"] is None and run["raw_output"] is not None
    return "unparsed" if unparsed else "ungraded"


def _rows(
    plan: _Plan, run: str, score: float | None, named: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The scores of a run; of the primary metric where there is more than a value."""
    if plan.score is not None and score is not None:
        yield _row(run, plan.score, {"value": score})
    for name, one in named.items():
        if name == plan.primary_name:
            if len(one) > 1:
                yield _row(run, plan.primary, one)
        elif name in plan.others:
            yield _row(run, plan.others[name], one)


def _row(run: str, metric: int | None, one: Mapping[str, Any]) -> dict[str, Any]:
    content = tuple(one.get(name) for name in ("label", "explanation", "details"))
    known = any(value is not None for value in content)
    return {
        "run": run,
        "metric": metric,
        "value": one["value"],
        **dict(zip(("label", "explanation", "details"), content, strict=True)),
        "digest": content_digest((*content, None)) if known else None,
    }


def _create_metrics(connection: sa.Connection, experiment: str, found: _Found) -> _Plan:
    config, created_at = connection.execute(
        sa.text("SELECT config_json, created_at FROM experiments WHERE id = :id"),
        {"id": experiment},
    ).one()
    taken = set(found.names)

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    def create(name: str, numeric: bool, primary: bool, definition: Mapping[str, Any]) -> int:
        values = (
            *(
                "numeric" if numeric else "binary",
                None if numeric else 0.0,
                None if numeric else 1.0,
            ),
            *(None if numeric else True, None, to_json(definition), primary),
        )
        names = ("kind", "lower", "upper", "higher", "scorer", "definition", "primary")
        return int(
            connection.execute(
                _INSERT_METRIC,
                {
                    "experiment": experiment,
                    "name": name,
                    **dict(zip(names, values, strict=True)),
                    "created_at": created_at,
                    "digest": content_digest((*values, created_at)),
                },
            ).scalar_one()
        )

    name = None
    primary = score = None
    if found.graded or found.scored:
        name = next(
            (
                name
                for name, values in found.names.items()
                if (values.is_score if found.numeric else values.is_grade)
                and values.number >= max(found.graded, 0 if found.apart else found.scored)
            ),
            None,
        )
        shown = name or free("score" if found.numeric else _grader(config))
        primary = create(shown, found.numeric, True, {})
    if found.apart:
        score = create(free("score"), True, False, IN_COLUMN)
    others = {
        other: create(other, not values.binary, False, {})
        for other, values in found.names.items()
        if other != name
    }
    return _Plan(primary, name, found.numeric, score, others)


_INSERT_METRIC = sa.text(
    "INSERT INTO metrics (experiment_id, name, kind, lower, upper, higher_is_better, scorer, "
    "definition_json, is_primary, created_at, content_digest) VALUES (:experiment, :name, :kind, "
    ":lower, :upper, :higher, :scorer, :definition, :primary, :created_at, :digest) RETURNING id"
).bindparams(
    sa.bindparam("higher", type_=sa.Boolean()), sa.bindparam("primary", type_=sa.Boolean())
)


def _grader(config: str | None) -> str:
    """The name of the grader that an experiment was configured with."""
    grader = _object(config).get("grader")
    return to_stored(grader) if isinstance(grader, str) and 0 < len(grader) <= 100 else "correct"


def _scores_in(metadata: str | None) -> dict[str, dict[str, Any]]:
    """The named values that importers kept with a run: value, label, explanation, details."""
    if metadata is None or not any(word in metadata for word in ('scores"', '"metrics"')):
        return {}
    kept = _object(metadata)
    metrics = kept.get("metrics")
    if isinstance(metrics, list):
        metrics = metrics[-1] if metrics else None
    scores: dict[str, dict[str, Any]] = {}
    for name, value in _items(metrics):
        if not name.startswith(BOOKKEEPING) and (number := _number(value)) is not None:
            scores[name] = {"value": number}
    for name, value in _items(kept.get("named_scores")):
        if (number := _number(value)) is not None:
            scores[name] = {"value": number}
    for name, value in _items(kept.get("scores")):
        scores |= _inspect_scores(name, value)
    return {to_stored(name): one for name, one in scores.items() if 0 < len(name) <= 500}


def _inspect_scores(name: str, score: Any) -> dict[str, dict[str, Any]]:
    """A score of Inspect: a value, or one for each of several names."""
    if not isinstance(score, dict):
        return {}
    value = score.get("value")
    rest = {key: score[key] for key in ("answer", "metadata") if score.get(key) not in (None, {})}
    explanation = score.get("explanation")
    more: dict[str, Any] = {
        "explanation": to_stored(explanation) if isinstance(explanation, str) else None,
        "details": to_stored(to_json(rest)) if rest else None,
    }
    values = value if isinstance(value, dict) else {"": value}
    scores = {}
    for part, single in values.items():
        label = to_stored(single) if isinstance(single, str) else None
        number = LETTERS.get(single) if isinstance(single, str) else _number(single)
        if number is not None:
            whole = {"label": label, **more}
            scores[f"{name}/{part}" if part else name] = {
                "value": number,
                **{key: one for key, one in whole.items() if one is not None},
            }
    return scores


def _items(value: object) -> Iterator[tuple[str, Any]]:
    return iter(value.items()) if isinstance(value, dict) else iter(())


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(from_stored(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, int | float) and isfinite(value) else None
    except OverflowError:
        return None


def _pages(
    connection: sa.Connection, table: str, columns: Sequence[str]
) -> Iterator[Sequence[Any]]:
    """Id, columns and, of runs, metadata_json, in the order of ids.

    Reads in batches by primary key: a database may be larger than memory.
    """
    names = ", ".join(("id", *columns, *(("metadata_json",) if table == "runs" else ())))
    page = sa.text(f"SELECT {names} FROM {table} WHERE id > :last ORDER BY id LIMIT {BATCH}")
    last = ""
    while rows := connection.execute(page, {"last": last}).all():
        last = rows[-1][0]
        yield from rows


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    batch: list[Sequence[Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _digest(connection: sa.Connection, table: str, columns: Sequence[str]) -> None:
    update = sa.text(f"UPDATE {table} SET content_digest = :digest WHERE id = :row")
    for page in _batches(_pages(connection, table, columns)):
        connection.execute(
            update,
            [
                {"row": row[0], "digest": digest_of(columns, row[1 : len(columns) + 1])}
                for row in page
            ],
        )
