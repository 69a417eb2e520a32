"""Metrics and scores: saved with runs and alone, the primary one on the run, nothing lost."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from tests.databases import row_problems

ODD = "nul \x00, lone \ud800, 😀"
METRICS = [
    MetricRecord("exact", "binary", 0, 1, True, "exact", is_primary=True),
    MetricRecord("f1", "numeric", 0, 1, True, definition_json={"key": "f1", "filter": ODD}),
    MetricRecord(ODD, "numeric"),
]
SCORES = [
    ScoreRecord(0.1 + 0.2, metric="f1"),
    ScoreRecord(7, "7", ODD, {"model": ODD}, metric=ODD, author="judge", cost_estimate=0.01),
]


@pytest.fixture
def prepared(database: Database) -> Database:
    with database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e", metrics=METRICS))
    return database


def run(index: int, **values: Any) -> RunRecord:
    return RunRecord("e", "None", index, id=f"r{index}", **values)


def stored(database: Database) -> list[RunRecord]:
    assert row_problems(database) == []
    with database.read() as connection:
        return list(RunRepository(connection).iterate(["e"]))


def scores_of(database: Database, index: int = 0) -> dict[tuple[str, str], ScoreRecord]:
    return {(one.metric, one.author): one for one in stored(database)[index].scores or ()}


def test_metrics_come_back_as_they_were(prepared: Database) -> None:
    with prepared.write() as connection:
        metrics = MetricRepository(connection, "e")
        assert {one.name: one for one in metrics.list()} == {one.name: one for one in METRICS}
        assert metrics.list()[0] == metrics.primary() == METRICS[0]
        assert ExperimentRepository(connection).get("e").metrics == list(metrics.list())
        metrics.save(replace(METRICS[1], upper=2))
        assert metrics.get("f1").upper == 2
        assert metrics.delete("f1")
        assert not metrics.delete("f1")
        with pytest.raises(NotFoundError, match="f1") as caught:
            metrics.get("f1")
        assert "exact" in str(caught.value.hint)
    assert row_problems(prepared) == []


def test_metrics_have_rules(prepared: Database) -> None:
    for metric, field in (
        (MetricRecord(""), "name"),
        (MetricRecord("x" * 501), "name"),
        (MetricRecord("m", "ordinal"), "kind"),  # type: ignore[arg-type]
        (MetricRecord("m", lower=float("inf")), "lower"),
        (MetricRecord("m", lower=2, upper=1), "lower"),
        (MetricRecord("m", definition_json={"x": float("nan")}), "definition_json"),
        (MetricRecord("m", is_primary=True), "primary metric"),
    ):
        with pytest.raises(InvalidRecordError, match=field), prepared.write() as connection:
            MetricRepository(connection, "e").save(metric)


@pytest.mark.parametrize("many", [3, 120])
def test_scores_are_saved_with_their_runs(prepared: Database, many: int) -> None:
    runs = [run(index, scores=SCORES) for index in range(many)]
    for _ in range(2):
        with prepared.write() as connection:
            RunRepository(connection).save_many(runs)
    changed = [replace(one, scores=[ScoreRecord(0.5, metric="f1")]) for one in runs[::2]]
    with prepared.write() as connection:
        RunRepository(connection).save_many(changed)
        RunRepository(connection).save_many([replace(runs[-1], raw_output="x", scores=None)])
    found = {one.sample_index: one.scores or [] for one in stored(prepared)}
    assert len(found) == many
    for index, scores in found.items():
        f1, judged = sorted(scores, key=lambda one: one.metric)
        assert f1.value == (0.5 if index % 2 == 0 else 0.1 + 0.2)
        assert judged == replace(SCORES[1], value=7.0)


def test_one_run_with_scores_is_saved_at_once(prepared: Database) -> None:
    for value in (0.1, 0.9):
        one = run(0, is_correct=True, scores=[ScoreRecord(value, metric="f1")])
        with prepared.write() as connection:
            RunRepository(connection).save(one)
    assert scores_of(prepared)["f1", ""].value == 0.9


def test_what_is_only_the_value_of_the_primary_metric_stands_on_the_run(
    prepared: Database,
) -> None:
    scores = [ScoreRecord(1.0, metric="exact")]
    with prepared.write() as connection:
        RunRepository(connection).save(run(0, is_correct=True, scores=scores))
        labelled = [ScoreRecord(1.0, "C", metric="exact")]
        RunRepository(connection).save(run(1, is_correct=True, scores=labelled))
    assert [one.scores for one in stored(prepared)] == [None, labelled]


def test_a_metric_that_is_missing_is_added_as_numeric(prepared: Database) -> None:
    with prepared.write() as connection:
        RunRepository(connection).save(run(0, scores=[ScoreRecord(3, metric="new")]))
        assert MetricRepository(connection, "e").get("new") == MetricRecord("new", "numeric")


def test_scores_have_rules(prepared: Database) -> None:
    for score, field in (
        (ScoreRecord(float("nan"), metric="f1"), "value"),
        (ScoreRecord("1", metric="f1"), "value"),  # type: ignore[arg-type]
        (ScoreRecord(1, metric=""), "metric"),
        (ScoreRecord(1, metric="f1", author="x" * 501), "author"),
        (ScoreRecord(1, metric="f1", cost_estimate=-1), "cost_estimate"),
        (ScoreRecord(1, 7, metric="f1"), "label"),  # type: ignore[arg-type]
        (ScoreRecord(1, metric="f1", created_at=datetime(2026, 1, 1)), "created_at"),  # noqa: DTZ001
    ):
        with pytest.raises(InvalidRecordError, match=field) as caught, prepared.write() as opened:
            RunRepository(opened).save_many([run(0), run(1, scores=[score])])
        assert caught.value.record_number == 1
    assert stored(prepared) == []


def test_a_score_of_the_primary_metric_sets_the_value_of_the_run(prepared: Database) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with prepared.write() as connection:
        RunRepository(connection).save(run(0, is_correct=False))
        scores = ScoreRepository(connection)
        for author, value in (("ann", 1), ("ben", 1), ("cem", 0)):
            one = ScoreRecord(value, metric="exact", author=author, created_at=moment)
            scores.save("r0", one)
            assert scores.get("r0", "exact", author) == replace(one, value=float(value))
        assert RunRepository(connection).get("r0").is_correct is True
        assert scores.delete("r0", "exact", "ben")
        # A tie.
        assert RunRepository(connection).get("r0").is_correct is None
        with pytest.raises(InvalidRecordError, match="0 or 1"):
            scores.save("r0", ScoreRecord(0.3, metric="exact", author="cem"))
        with pytest.raises(NotFoundError, match="nowhere"):
            scores.save("nowhere", ScoreRecord(1, metric="exact"))


def test_what_a_score_replaces_is_kept(prepared: Database) -> None:
    with prepared.write() as connection:
        RunRepository(connection).save(run(0, scores=[ScoreRecord(0.2, "low", metric="f1")]))
        scores = ScoreRepository(connection)
        for value in (0.4, 0.4, 0.6):
            scores.save("r0", ScoreRecord(value, metric="f1"))
    assert scores_of(prepared)["f1", ""].details_json == {
        "history": [{"value": 0.2, "label": "low"}, {"value": 0.4}]
    }


def test_another_metric_becomes_the_primary_one_and_back(prepared: Database) -> None:
    runs = [
        run(0, is_correct=True, scores=[ScoreRecord(0.5, metric="f1")]),
        run(1, is_correct=False),
        run(2, error="timeout", scores=[ScoreRecord(0.1, metric="f1")]),
        run(3, scores=[ScoreRecord(0.25, "x", metric="f1")]),
    ]
    with prepared.write() as connection:
        RunRepository(connection).save_many(runs)
        metrics = MetricRepository(connection, "e")
        metrics.make_primary("f1")
        assert metrics.primary() == replace(METRICS[1], is_primary=True)
    found = stored(prepared)
    assert [(one.is_correct, one.score) for one in found] == [
        (None, 0.5),
        (None, None),
        (None, None),
        (None, 0.25),
    ]
    assert scores_of(prepared, 1)["exact", ""].value == 0
    with prepared.write() as connection:
        MetricRepository(connection, "e").make_primary("exact")
    found = stored(prepared)
    assert [(one.is_correct, one.score) for one in found] == [
        (True, None),
        (False, None),
        (None, None),
        (None, None),
    ]
    assert scores_of(prepared, 0)["f1", ""].value == 0.5


def test_scores_go_with_their_run_and_their_metric(prepared: Database) -> None:
    with prepared.write() as connection:
        RunRepository(connection).save_many([run(index, scores=SCORES) for index in range(3)])
        RunRepository(connection).delete("r0")
        MetricRepository(connection, "e").delete(ODD)
        assert [name for name, _ in ScoreRepository(connection).list("e")] == ["r1", "r2"]
        ExperimentRepository(connection).delete("e")
        for table in ("metrics", "scores"):
            assert connection.scalar(text(f"SELECT COUNT(*) FROM {table}")) == 0


OUTCOMES: list[tuple[dict[str, Any], str]] = [
    ({"score": 0.4}, "scored"),
    ({"score": 1.0, "is_correct": True}, "correct"),
    ({"score": 0.4, "error": "x"}, "failed"),
    ({"finish_reason": "MAX_TOKENS", "raw_output": "x"}, "truncated"),
    ({"finish_reason": "length", "parsed_answer": "A"}, "ungraded"),
    ({"finish_reason": "SAFETY"}, "refused"),
    ({"finish_reason": "refusal", "raw_output": "I cannot"}, "refused"),
    ({"finish_reason": "refusal", "is_correct": False}, "wrong"),
    ({"finish_reason": "stop", "raw_output": "x"}, "unparsed"),
]


def test_the_outcome_says_why_there_is_no_value(prepared: Database) -> None:
    with prepared.write() as connection:
        for index, (values, _) in enumerate(OUTCOMES):
            RunRepository(connection).save(run(index, **values))
        rows = connection.execute(text("SELECT outcome FROM runs ORDER BY sample_index"))
        assert list(rows.scalars()) == [outcome for _, outcome in OUTCOMES]
    assert len(stored(prepared)) == len(OUTCOMES)


def test_reasoning_tags_and_notes_come_back(prepared: Database) -> None:
    experiment = ExperimentRecord("t", tags_json=["draft", "ü"], notes_json=[{"text": ODD}, "x"])
    one = run(0, reasoning_text=ODD, reasoning_tokens=5, cached_tokens=0, finish_reason="odd")
    with prepared.write() as connection:
        ExperimentRepository(connection).save(experiment)
        RunRepository(connection).save(one)
        found = ExperimentRepository(connection).get("t")
        assert (found.tags_json, found.notes_json) == (["draft", "ü"], [{"text": ODD}, "x"])
        with pytest.raises(InvalidRecordError, match="tags_json"):
            ExperimentRepository(connection).save(ExperimentRecord("u", tags_json=[7]))
    assert stored(prepared)[0].reasoning_text == ODD
    assert stored(prepared)[0].finish_reason == "odd"
