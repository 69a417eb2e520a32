"""Models through a Session on a plain engine: what it writes is what recording would write."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, inspect, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.exc import StaleDataError

from ml_agents_results import Experiment, Metric, ParsingMetric, Run, Score
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.records import (
    ExperimentRecord,
    MetricRecord,
    ParsingMetrics,
    RunRecord,
    ScoreRecord,
)
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository
from tests.databases import row_problems

ODD = "nul \x00, lone \ud800, mark \ufdd0, 😀"


@pytest.fixture
def plain(database: Database) -> Iterator[Engine]:
    """An engine without any settings of ours; SQLite's foreign keys are off."""
    url = database.config.url or f"sqlite:///{database.path}"
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(plain: Engine) -> Iterator[Session]:
    with Session(plain) as session:
        yield session


@pytest.fixture(autouse=True)
def _nothing_wrong_afterwards(database: Database) -> Iterator[None]:
    yield
    assert row_problems(database) == []


def study(session: Session, runs: int = 3) -> Experiment:
    experiment = Experiment(id="study", name="A study")
    experiment.runs = [
        Run(
            approach_name="CoT",
            sample_index=index,
            raw_output="x",
            parsing_metrics=ParsingMetric(parsing_attempts=1),
        )
        for index in range(runs)
    ]
    session.add(experiment)
    session.commit()
    return experiment


def rows(session: Session, table: str) -> int:
    return int(session.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())


def test_what_is_required_is_enough(session: Session) -> None:
    experiment = Experiment()
    session.add(Run(experiment=experiment, approach_name="CoT", sample_index=0))
    session.commit()
    run = session.scalars(select(Run)).one()
    assert experiment.id.startswith("exp_")
    assert (experiment.status, experiment.config_json) == ("running", {})
    assert run.approach_name == "ChainOfThought"
    assert (run.provider, run.model, run.task, run.repeat_index) == ("", "", "", 0)
    assert run.outcome == "ungraded"
    assert (datetime.now(UTC) - run.created_at).total_seconds() < 60


def test_relationships_lead_both_ways(session: Session) -> None:
    study(session)
    session.expunge_all()
    chosen = select(Run).join(Run.experiment).where(Experiment.name == "A study")
    run = session.scalars(chosen.options(selectinload(Run.parsing_metrics))).first()
    assert run is not None
    assert run.parsing_metrics is not None
    assert run.parsing_metrics.run is run
    assert run in run.experiment.runs
    assert session.scalar(select(func.count()).select_from(Run).join(Experiment)) == 3
    assert set(inspect(Experiment).relationships.keys()) >= {"runs"}


def test_repr_names_what_identifies(session: Session) -> None:
    experiment = study(session, runs=1)
    assert repr(experiment.runs[0]).startswith("Run(id=")
    session.expire_all()
    # Nothing is loaded for it.
    assert repr(experiment) == "Experiment(id='study')"
    assert experiment.name == "A study"
    assert "name='A study'" in repr(experiment)


EDITS: list[tuple[dict[str, Any], str]] = [
    ({"is_correct": True}, "correct"),
    ({"is_correct": 0}, "wrong"),
    ({"error": "timeout"}, "failed"),
    ({"parsed_answer": "A"}, "ungraded"),
    ({"raw_output": None}, "ungraded"),
    ({"input_text": ODD, "expected_answer": "7", "metadata_json": {"k": ODD}}, "unparsed"),
    ({"execution_time_ms": 12.6, "parsing_confidence": 1, "task": "t"}, "unparsed"),
]


def test_an_edit_keeps_what_is_derived_true(session: Session) -> None:
    experiment = study(session, runs=len(EDITS))
    for run, (changes, outcome) in zip(experiment.runs, EDITS, strict=True):
        for name, value in changes.items():
            setattr(run, name, value)
        session.commit()
        assert run.outcome == outcome
        session.expire_all()
        for name, value in changes.items():
            stored = getattr(run, name)
            assert stored == (round(value) if name == "execution_time_ms" else value)


def test_a_value_set_inside_json_is_saved(session: Session) -> None:
    experiment = study(session)
    experiment.config_json["temperature"] = 0.2  # type: ignore[index]
    session.commit()
    session.expire_all()
    assert experiment.config_json == {"temperature": 0.2}


def test_an_edit_that_breaks_a_rule_is_refused(session: Session) -> None:
    [run] = study(session, runs=1).runs
    for changes, rule in (
        ({"sample_index": -1}, "sample_index"),
        ({"cost_estimate": float("nan")}, "cost_estimate"),
        ({"parsing_method": "guess"}, "parsing_method"),
        ({"error": "e", "is_correct": True}, "is_correct"),
        ({"created_at": datetime(2026, 1, 1)}, "created_at"),  # noqa: DTZ001
        ({"metadata_json": {"x": float("inf")}}, "metadata_json"),
        ({"approach_name": ""}, "approach_name"),
    ):
        for name, value in changes.items():
            setattr(run, name, value)
        with pytest.raises(InvalidRecordError, match=rule):
            session.commit()
        session.rollback()
        assert run.outcome == "unparsed"


def test_experiments_and_metrics_obey_their_rules(session: Session) -> None:
    experiment = study(session)
    experiment.status = "paused"
    with pytest.raises(InvalidRecordError, match="status"):
        session.commit()
    session.rollback()
    metrics = experiment.runs[0].parsing_metrics
    assert metrics is not None
    metrics.confidence_score = 2
    with pytest.raises(InvalidRecordError, match="confidence_score"):
        session.commit()


def test_deleting_leaves_no_orphans(session: Session, database: Database) -> None:
    experiment = study(session)
    assert experiment.runs
    session.delete(experiment.runs[0])
    session.commit()
    assert (rows(session, "runs"), rows(session, "parsing_metrics")) == (2, 2)
    session.delete(experiment)
    session.commit()
    for table in ("experiments", "runs", "parsing_metrics"):
        assert rows(session, table) == 0


def test_deleting_does_not_load_the_runs(session: Session) -> None:
    study(session)
    session.expunge_all()
    session.delete(session.get_one(Experiment, "study"))
    session.commit()
    assert rows(session, "runs") == rows(session, "parsing_metrics") == 0


def test_a_run_taken_from_its_experiment_is_deleted(session: Session) -> None:
    experiment = study(session)
    experiment.runs.pop()
    session.commit()
    assert (rows(session, "runs"), rows(session, "parsing_metrics")) == (2, 2)


def test_parsing_metrics_replace_those_before(session: Session) -> None:
    run = study(session, runs=1).runs[0]
    run.parsing_metrics = ParsingMetric(parsing_attempts=5)
    session.commit()
    assert session.scalars(select(ParsingMetric.parsing_attempts)).all() == [5]
    run.parsing_metrics = None
    session.commit()
    assert rows(session, "parsing_metrics") == 0


def test_metrics_and_scores_are_edited_like_all_else(session: Session) -> None:
    experiment = study(session, runs=2)
    f1 = Metric(name="f1", kind="numeric", lower=0, upper=1, higher_is_better=True)
    experiment.metrics.append(f1)
    for run in experiment.runs:
        run.scores.append(Score(metric=f1, value=1, explanation=ODD, details_json={"a": ODD}))
        run.scores.append(Score(metric=f1, author="me", value=0.5))
    session.commit()
    session.expunge_all()
    loading = selectinload(Run.scores).joinedload(Score.metric)
    chosen = select(Run).order_by(Run.sample_index).options(loading)
    scores = [score for run in session.scalars(chosen) for score in run.scores]
    assert [(one.metric.name, one.value) for one in scores] == [("f1", 1.0), ("f1", 0.5)] * 2
    assert [one.content_digest is None for one in scores] == [False, True] * 2
    scores[0].label, scores[1].label, scores[2].details_json = "yes", "no", None
    scores[3].value = 0.25
    session.commit()
    scores[0].metric.scorer = "a rule"
    session.commit()
    for field, value in (("value", float("nan")), ("cost_estimate", -1)):
        setattr(scores[0], field, value)
        with pytest.raises(InvalidRecordError, match=field):
            session.commit()
        session.rollback()
    session.delete(scores[0])
    session.commit()
    session.delete(session.scalars(select(Metric)).one())
    session.commit()
    assert rows(session, "scores") == 0
    other = Experiment(id="other", metrics=[Metric(name="theirs")])
    session.add(other)
    session.commit()
    session.add(Score(run=session.scalars(select(Run)).first(), metric=other.metrics[0], value=1))
    with pytest.raises(InvalidRecordError, match="experiment of its run"):
        session.commit()


def test_scores_of_the_primary_metric_set_the_value_of_the_run(session: Session) -> None:
    experiment = Experiment(id="e")
    exact = Metric(experiment=experiment, name="exact", kind="binary", is_primary=True)
    run = Run(experiment=experiment, approach_name="A", sample_index=0, raw_output="4")
    run.scores.append(Score(metric=exact, value=1, label="C"))
    session.add(run)
    session.commit()
    assert (run.is_correct, run.outcome) == (True, "correct")
    # By ids alone, and with a tie that a third author decides.
    session.add(Score(run_id=run.id, metric_id=exact.id, author="ann", value=0))
    session.commit()
    assert (run.is_correct, run.outcome) == (None, "unparsed")
    run.scores.append(Score(metric=exact, author="bob", value=0))
    session.commit()
    assert run.is_correct is False
    next(one for one in run.scores if one.author == "bob").value = 1
    session.commit()
    assert run.is_correct is True
    run.scores.append(Score(metric=exact, author="eve", label="unsure"))
    session.commit()
    assert run.is_correct is True
    for score in [one for one in run.scores if one.author != "ann"]:
        run.scores.remove(score)
    session.commit()
    assert run.is_correct is False
    session.delete(run.scores[0])
    session.commit()
    assert (run.is_correct, run.scores) == (None, [])


def test_a_value_that_is_set_on_a_run_goes_to_its_score(session: Session) -> None:
    experiment = Experiment(id="e")
    exact = Metric(experiment=experiment, name="exact", kind="binary", is_primary=True)
    run = Run(experiment=experiment, approach_name="A", sample_index=0, raw_output="4")
    run.scores.append(Score(metric=exact, value=1, label="C"))
    session.add(run)
    session.commit()
    run.is_correct = False
    session.commit()
    assert (run.scores[0].value, run.scores[0].label, run.outcome) == (0, "C", "wrong")
    run.is_correct, run.error = None, "timeout"
    session.commit()
    assert (run.scores[0].value, run.outcome) == (None, "failed")
    run.error, run.is_correct = None, True
    run.scores[0].value = 1
    run.scores.append(Score(metric=exact, author="ann", value=1))
    session.commit()
    run.is_correct = False
    with pytest.raises(InvalidRecordError, match="what its 2 scores of 'exact' give together"):
        session.commit()
    session.rollback()
    assert run.is_correct is True


def test_another_primary_metric_brings_its_values(session: Session) -> None:
    experiment = study(session, runs=1)
    experiment.metrics = [Metric(name="a", is_primary=True), Metric(name="b")]
    session.commit()
    first, second = experiment.metrics
    first.is_primary, second.is_primary = False, True
    with pytest.raises(InvalidRecordError, match="values of another metric"):
        session.commit()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: setattr(run, "error", "timeout"), "failed, and 'exact' is the primary"),
        (lambda run: setattr(run.scores[0], "value", 0.5), "exact is binary"),
    ],
)
def test_a_score_that_its_run_cannot_have_is_refused(
    session: Session, change: Callable[[Run], None], message: str
) -> None:
    exact = Metric(experiment=Experiment(id="e"), name="exact", kind="binary", is_primary=True)
    run = Run(experiment=exact.experiment, approach_name="A", sample_index=0)
    run.scores.append(Score(metric=exact, value=1))
    change(run)
    session.add(run)
    with pytest.raises(InvalidRecordError, match=message):
        session.commit()


def test_there_is_one_primary_metric(session: Session) -> None:
    experiment = study(session, runs=0)
    experiment.metrics = [Metric(name=name, is_primary=True) for name in "ab"]
    with pytest.raises(IntegrityError):
        session.commit()


def test_there_is_no_run_without_its_experiment(session: Session) -> None:
    session.add(Run(experiment_id="nowhere", approach_name="CoT", sample_index=0))
    # A server says so itself.
    with pytest.raises((NotFoundError, IntegrityError), match=r"nowhere|foreign key"):
        session.commit()


def test_two_sessions_do_not_mix_one_row(plain: Engine) -> None:
    with Session(plain) as first, Session(plain) as second:
        study(first, runs=1)
        ours = first.scalars(select(Run)).one()
        theirs = second.scalars(select(Run)).one()
        theirs.raw_output = "theirs"
        second.commit()
        ours.parsed_answer = "ours"
        with pytest.raises(StaleDataError):
            first.commit()
        first.rollback()
        first.refresh(ours)
        assert [ours.raw_output, ours.parsed_answer] == ["theirs", None]


def test_an_update_that_would_leave_the_digest_is_refused(session: Session) -> None:
    study(session)
    with pytest.raises(StatementError, match="content_digest"):
        session.execute(update(Run).values(raw_output="edited"))
    session.rollback()
    session.execute(update(Run).values(task="t", content_digest=Run.content_digest))
    session.commit()


def test_both_ways_write_the_same_rows(database: Database, session: Session) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    experiment: dict[str, Any] = {"name": ODD, "config_json": {"b": [1.0, None], "a": ODD}}
    run: dict[str, Any] = {
        "approach_name": "PoT",
        "provider": "p",
        "model": ODD,
        "task": "t",
        "sample_index": 3,
        "input_text": ODD,
        "raw_output": "",
        "parsed_answer": "4",
        "parsing_method": "regex",
        "parsing_confidence": 1,
        "is_correct": True,
        "execution_time_ms": 7.7,
        "cost_estimate": 0.1 + 0.2,
        "metadata_json": {"z": 1, "a": ODD},
        "prompt_tokens": 5,
        "created_at": moment,
        "finish_reason": "MAX_TOKENS",
        "reasoning_text": ODD,
        "reasoning_tokens": 3,
    }
    metric: dict[str, Any] = {"kind": "numeric", "upper": 1, "definition_json": {"k": ODD}}
    score: dict[str, Any] = {"value": 1, "label": ODD, "details_json": {"k": 0.1}, "author": "a"}
    parsing: dict[str, Any] = {"parsing_attempts": 2, "fallback_used": True, "error_details": ODD}
    with database.write() as connection:
        record = ExperimentRecord("core", metrics=[MetricRecord("m", **metric)], **experiment)
        ExperimentRepository(connection).save(record)
        saved = RunRecord("core", id="core", scores=[ScoreRecord(metric="m", **score)], **run)
        saved.parsing_metrics = ParsingMetrics(**parsing)
        RunRepository(connection).save(saved)
    mapped = Run(id="orm", parsing_metrics=ParsingMetric(**parsing), **run)
    measured = Metric(name="m", **metric)
    mapped.scores = [Score(metric=measured, **score)]
    session.add(Experiment(id="orm", runs=[mapped], metrics=[measured], **experiment))
    session.commit()
    for table, own in (
        ("experiments", ("id", "created_at", "updated_at", "content_digest")),
        ("runs", ("id", "experiment_id")),
        ("parsing_metrics", ("id", "run_id")),
        ("metrics", ("id", "experiment_id", "created_at", "content_digest")),
        ("scores", ("run_id", "metric_id")),
    ):
        key = {"metrics": "experiment_id", "runs": "id", "experiments": "id"}.get(table, "run_id")
        core, orm = (
            dict(
                session.execute(text(f"SELECT * FROM {table} WHERE {key} = '{name}'"))
                .mappings()
                .one()
            )
            for name in ("core", "orm")
        )
        for name in own:
            del core[name], orm[name]
        assert core == orm


def test_repositories_work_in_the_callers_session(session: Session) -> None:
    experiment = study(session, runs=1)
    experiment.name = "pending"
    repository = ExperimentRepository(session)
    assert repository.get("study").name == "pending"
    repository.set_status("study", "completed")
    assert experiment.status == "completed"
    runs = RunRepository(session)
    runs.save(RunRecord("study", "CoT", 7))
    runs.save_many(RunRecord("study", "CoT", index) for index in range(100, 200))
    assert len(experiment.runs) == runs.count("study") == 102
    session.rollback()
    assert (experiment.status, runs.count("study")) == ("running", 1)
    with pytest.raises(NotFoundError):
        runs.save(RunRecord("nowhere", "CoT", 0))
    session.rollback()
    assert repository.delete("study")
    assert not repository.delete("study")
    session.commit()
    assert rows(session, "parsing_metrics") == 0


def test_a_connection_of_the_callers_undoes_all(plain: Engine) -> None:
    with plain.connect() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e"))
        RunRepository(connection).save(RunRecord("e", "CoT", 0))
        connection.rollback()
        assert ExperimentRepository(connection).ids() == []
