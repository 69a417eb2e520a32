"""Sufficient statistics: the database counts as one would by hand, whatever goes wrong in runs."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import permutations
from typing import Any, get_args

import pytest
from sqlalchemy import Connection

from ml_agents_results.database import engine
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.records import ExperimentRecord, RunRecord, Variant
from ml_agents_results.repositories import column_analysis
from ml_agents_results.repositories.analysis import AnalysisRepository
from ml_agents_results.repositories.column_analysis import ColumnAnalysis
from ml_agents_results.repositories.counts import CLUSTERS, Missing, PairedSums, PairingRule
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RunRepository
from tests.repositories.recount import START, Recount, Sums, generate, outcome

RULES: tuple[PairingRule, ...] = get_args(PairingRule)
VARIANTS = [
    Variant(experiment, approach, "p", "m")
    for experiment in "ab"
    for approach in ("None", "ChainOfThought", "own")
]


@pytest.fixture(params=[1, 2])
def runs(request: pytest.FixtureRequest) -> list[RunRecord]:
    return generate(request.param)


@pytest.fixture
def filled(database: Database, runs: list[RunRecord]) -> Database:
    with database.write() as connection:
        for name in "ab":
            ExperimentRepository(connection).save(ExperimentRecord(name))
        RunRepository(connection).save_many(runs)
    return database


Open = Callable[..., AnalysisRepository]


def _columns_at_hand(
    connection: Connection,
    filters: Filters | None = None,
    missing: Missing = "exclude",
    *,
    costs: bool = False,
) -> AnalysisRepository:
    first = ColumnAnalysis(connection, filters, pairs=True, costs=costs)
    first.variants()
    return first.counting(missing)


@pytest.fixture(
    params=[
        *("selects", "columns", "columns at hand", "columns with costs at hand"),
        *("some columns at hand", "two threads"),
    ]
)
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Every way there is to count."""
    if request.param == "two threads":
        monkeypatch.setattr(engine, "LARGE", 0)
    if request.param == "some columns at hand":
        monkeypatch.setattr(column_analysis, "HELD_RUNS", 100)
        return _columns_at_hand
    ways: dict[str, Open] = {
        "selects": AnalysisRepository,
        "columns": ColumnAnalysis,
        "columns with costs at hand": partial(_columns_at_hand, costs=True),
    }
    return ways.get(request.param, _columns_at_hand)


@pytest.fixture(params=get_args(Missing))
def missing(request: pytest.FixtureRequest) -> Missing:
    policy: Missing = request.param
    return policy


def test_the_made_up_runs_have_everything(runs: list[RunRecord]) -> None:
    outcomes = Counter(map(outcome, runs))
    assert set(outcomes) == {"correct", "wrong", "failed", "unparsed", "ungraded"}
    assert min(outcomes.values()) > 10
    count = Recount(runs, "exclude")
    for rule in RULES:
        cells, mismatched = count.pairs(VARIANTS[1], VARIANTS[3], rule, "task")
        assert cells.total() > 10
        assert (mismatched > 0) == (rule != "content")


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, lambda run: True),
        ({"experiment_id": "a"}, lambda run: run.experiment_id == "a"),
        ({"experiment_id": ["a", "b"], "task": ["sums", ""]}, lambda run: run.task != "Words"),
        (
            {"approach_name": "cot", "model": "m"},
            lambda run: run.approach_name[0] == "C" and run.model == "m",
        ),
        ({"task": ""}, lambda run: run.task == ""),
        (
            {"created_from": START.replace(hour=1), "created_to": START.replace(hour=2)},
            lambda run: run.created_at.hour == 1 and run.created_at.day == 1,
        ),
        ({"provider": "nobody"}, lambda run: False),
    ],
    ids=["all", "experiment", "lists", "variant", "empty", "times", "none"],
)
def test_variants(
    filled: Database,
    opened: Open,
    runs: list[RunRecord],
    missing: Missing,
    filters: Any,
    passes: Any,
) -> None:
    wanted = Recount(filter(passes, runs), missing).variants()
    with filled.read_by_two() as connection:
        found = opened(connection, Filters.of(filters), missing).variants()
    assert [(counts.variant, counts.task) for counts in found] == list(wanted)
    for counts in found:
        expected = wanted[counts.variant, counts.task]
        values = {name: value for name, value in asdict(counts).items() if name in expected}
        assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert len(values) == len(expected)


def test_graded_costs(
    filled: Database, opened: Open, runs: list[RunRecord], missing: Missing
) -> None:
    count = Recount(runs, missing)
    with filled.read_by_two() as connection:
        repository = opened(connection, missing=missing)
        for variant in [*VARIANTS, Variant("a", "nobody", "p", "m")]:
            wanted = count.graded_costs(variant)
            found = repository.graded_costs(variant)
            assert [row.task for row in found] == list(wanted)
            for row in found:
                expected = pytest.approx(wanted[row.task], rel=1e-12, abs=1e-12)
                assert tuple(asdict(row).values())[1:] == expected


@pytest.mark.parametrize("group", CLUSTERS)
def test_samples(
    filled: Database, opened: Open, runs: list[RunRecord], missing: Missing, group: str
) -> None:
    count = Recount(runs, missing)
    wanted: Counter[Any] = Counter()
    for variant in {run.variant for run in runs}:
        for sample in count.samples(variant, "sample_index", group):
            if sample.graded:
                wanted[variant, sample.cluster, sample.graded, sample.correct] += 1
    with filled.read_by_two() as connection:
        found = list(opened(connection, missing=missing).samples(group))
    assert {(s.variant, s.group, s.graded, s.correct): s.samples for s in found} == wanted
    assert len(found) == len(wanted)


@pytest.mark.parametrize("rule", RULES)
def test_pairs(
    filled: Database, opened: Open, runs: list[RunRecord], missing: Missing, rule: PairingRule
) -> None:
    count = Recount(runs, missing)
    with filled.read_by_two() as connection:
        repository = opened(connection, missing=missing)
        for candidate, baseline in permutations(VARIANTS, 2):
            across = candidate.experiment_id != baseline.experiment_id
            for group in CLUSTERS if across else ["task"]:
                found = repository.pairs(candidate, baseline, rule=rule, group=group)
                cells, mismatched = count.pairs(candidate, baseline, rule, group)
                assert {tuple(asdict(c).values())[:5]: c.samples for c in found.counts} == cells
                assert found.mismatched == mismatched
                assert type(found.mismatched) is int


def test_pairs_pass_the_filters_on_both_sides(
    filled: Database, opened: Open, runs: list[RunRecord]
) -> None:
    until = START.replace(hour=3)
    filters = {"task": ["sums", "Words"], "created_to": until}
    count = Recount(
        (run for run in runs if run.task and run.created_at and run.created_at < until), "exclude"
    )
    with filled.read_by_two() as connection:
        repository = opened(connection, Filters.of(filters))
        for rule in RULES:
            found = repository.pairs(VARIANTS[1], VARIANTS[0], rule=rule)
            cells, _ = count.pairs(VARIANTS[1], VARIANTS[0], rule, "task")
            assert {tuple(asdict(c).values())[:5]: c.samples for c in found.counts} == cells


@pytest.mark.parametrize("rule", RULES)
def test_paired_latency(
    filled: Database, opened: Open, runs: list[RunRecord], rule: PairingRule
) -> None:
    count = Recount(runs, "exclude")
    with filled.read_by_two() as connection:
        repository = opened(connection)
        for candidate, baseline in permutations(VARIANTS, 2):
            for group in (
                CLUSTERS if candidate.experiment_id != baseline.experiment_id else ["task"]
            ):
                found = repository.paired_latency(candidate, baseline, rule=rule, group=group)
                same_sums(found, count.latency(candidate, baseline, rule, group))


@pytest.mark.parametrize("rule", RULES)
def test_paired_costs(
    filled: Database, opened: Open, runs: list[RunRecord], missing: Missing, rule: PairingRule
) -> None:
    count = Recount(runs, missing)
    with filled.read_by_two() as connection:
        repository = opened(connection, missing=missing)
        for candidate, baseline in permutations(VARIANTS, 2):
            for group in (
                CLUSTERS if candidate.experiment_id != baseline.experiment_id else ["task"]
            ):
                found = repository.paired_costs(candidate, baseline, rule=rule, group=group)
                same_sums(found, count.costs(candidate, baseline, rule, group))


def same_sums(found: Sequence[PairedSums], wanted: Sums) -> None:
    assert len(found) == len(wanted)
    for row in found:
        sums = (row.pairs, row.total, row.squares, row.above, row.below)
        assert sums == pytest.approx(wanted[row.group], rel=1e-12, abs=1e-12)


def test_samples_without_a_group_stand_alone(
    filled: Database, opened: Open, runs: list[RunRecord]
) -> None:
    wanted = Recount(runs, "exclude").costs(VARIANTS[1], VARIANTS[0], "sample_index", "task")
    with filled.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET sample_id = NULL WHERE experiment_id = 'a'")
    with filled.read_by_two() as connection:
        found = opened(connection).paired_costs(VARIANTS[1], VARIANTS[0], group="sample_id")
    assert {(row.group, row.pairs) for row in found} == {(None, 1)}
    assert len(found) == sum(sums[0] for sums in wanted.values()) > 5
    total = sum(sums[1] for sums in wanted.values())
    assert sum(row.total for row in found) == pytest.approx(total, rel=1e-12)


def test_latencies(filled: Database, opened: Open, runs: list[RunRecord]) -> None:
    with filled.read_by_two() as connection:
        repository = opened(connection)
        for variant in [*VARIANTS, Variant("a", "nobody", "p", "m")]:
            times = Counter(
                run.execution_time_ms
                for run in runs
                if run.variant == variant
                and run.error is None
                and run.execution_time_ms is not None
            )
            values, counts = repository.latencies(variant)
            assert values == sorted(values)
            assert dict(zip(values, counts, strict=True)) == times


def test_patterns(filled: Database, opened: Open, runs: list[RunRecord], missing: Missing) -> None:
    count = Recount(runs, missing)
    with filled.read_by_two() as connection:
        repository = opened(connection, missing=missing)
        for variants in (VARIANTS[:2], VARIANTS[:3], VARIANTS[2:0:-1], VARIANTS[3:]):
            assert repository.patterns(variants) == count.patterns(variants)


def test_hard_samples(filled: Database, opened: Open, runs: list[RunRecord]) -> None:
    graded: Counter[Any] = Counter()
    correct: Counter[Any] = Counter()
    for run in runs:
        graded[run.task, run.sample_index] += run.is_correct is not None
        correct[run.task, run.sample_index] += run.is_correct is True
    wanted = sorted(
        (correct[key] / number, -number, *key) for key, number in graded.items() if number
    )
    with filled.read_by_two() as connection:
        for limit in (3, 1000):
            found = opened(connection).hard_samples(limit)
            assert [
                (one.correct / one.graded, -one.graded, one.task, one.sample_index) for one in found
            ] == wanted[:limit]


def test_duplicate_contents(filled: Database, opened: Open, runs: list[RunRecord]) -> None:
    samples: dict[Any, set[Any]] = {}
    for run in runs:
        content = (run.experiment_id, run.input_text, run.expected_answer)
        samples.setdefault(content, set()).add((run.task, run.sample_index))
    wanted = sum(len(asked) > 1 for asked in samples.values())
    with filled.read_by_two() as connection:
        assert opened(connection).duplicate_contents() == wanted > 5
        assert opened(connection, Filters.of({"model": "none"})).duplicate_contents() == 0


def test_whether_all_samples_have_ids(filled: Database, opened: Open) -> None:
    with filled.write() as connection:
        RunRepository(connection).save(RunRecord("b", "None", 900, provider="p", model="m"))
    with filled.read_by_two() as connection:
        repository = opened(connection)
        assert repository.has_sample_ids(VARIANTS[0])
        assert not repository.has_sample_ids(Variant("b", "None", "p", "m"))


def test_nothing_in_common_gives_nothing(filled: Database, opened: Open) -> None:
    nobody = Variant("a", "nobody", "p", "m")
    with filled.read_by_two() as connection:
        repository = opened(connection)
        for rule in RULES:
            found = repository.pairs(nobody, VARIANTS[0], rule=rule)
            assert (list(found.counts), found.mismatched) == ([], 0)
            assert repository.paired_latency(nobody, VARIANTS[0], rule=rule) == []
            assert repository.paired_costs(nobody, VARIANTS[0], rule=rule) == []


def test_an_unknown_cluster_is_named(filled: Database, opened: Open) -> None:
    with (
        filled.read_by_two() as connection,
        pytest.raises(UsageError, match="clustered by 'model'"),
    ):
        list(opened(connection).samples("model"))
