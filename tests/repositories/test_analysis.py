"""Sufficient statistics: the database counts as one would by hand, whatever goes wrong in runs."""

from collections import Counter
from dataclasses import asdict
from itertools import permutations
from typing import Any, get_args

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Arm, ExperimentRecord, RunRecord
from ml_agents_results.repositories.analysis import (
    CLUSTERS,
    AnalysisRepository,
    Missing,
    PairingRule,
)
from ml_agents_results.repositories.experiments import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.runs import RunRepository
from tests.repositories.recount import START, Recount, generate, outcome

RULES: tuple[PairingRule, ...] = get_args(PairingRule)
ARMS = [
    Arm(experiment, approach, "p", "m")
    for experiment in "ab"
    for approach in ("None", "ChainOfThought", "own")
]
SINGLE = [arm for arm in ARMS if arm.approach_name != "own"]


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
        cells, mismatched = count.pairs(ARMS[1], ARMS[3], rule, "task")
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
    ids=["all", "experiment", "lists", "arm", "empty", "times", "none"],
)
def test_arms(
    filled: Database, runs: list[RunRecord], missing: Missing, filters: Any, passes: Any
) -> None:
    wanted = Recount(filter(passes, runs), missing).arms()
    with filled.read() as connection:
        found = AnalysisRepository(connection, Filters.of(filters), missing).arms()
    assert [(counts.arm, counts.task) for counts in found] == list(wanted)
    for counts in found:
        expected = wanted[counts.arm, counts.task]
        values = {name: value for name, value in asdict(counts).items() if name in expected}
        assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert len(values) == len(expected)


def test_squares_of_costs(filled: Database, runs: list[RunRecord], missing: Missing) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        found = AnalysisRepository(connection, missing=missing).cost_squares()
    for arm in ARMS:
        costs = [
            (run.cost_estimate, run.is_correct)
            for run in count.of(arm)
            if count.counted(run) and run.cost_estimate is not None
        ]
        squares, correct = asdict(found[arm]).values()
        assert squares == pytest.approx(sum(cost * cost for cost, _ in costs), rel=1e-12, abs=1e-12)
        assert correct == pytest.approx(
            sum(cost for cost, right in costs if right), rel=1e-12, abs=1e-12
        )


@pytest.mark.parametrize("group", CLUSTERS)
def test_samples(filled: Database, runs: list[RunRecord], missing: Missing, group: str) -> None:
    count = Recount(runs, missing)
    wanted: Counter[Any] = Counter()
    for arm in {run.arm for run in runs}:
        for sample in count.samples(arm, "sample_index", group):
            if sample.graded:
                wanted[arm, sample.cluster, sample.graded, sample.correct] += 1
    with filled.read() as connection:
        found = list(AnalysisRepository(connection, missing=missing).samples(group))
    assert {(s.arm, s.group, s.graded, s.correct): s.samples for s in found} == wanted
    assert len(found) == len(wanted)


@pytest.mark.parametrize("rule", RULES)
def test_pairs(
    filled: Database, runs: list[RunRecord], missing: Missing, rule: PairingRule
) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        repository = AnalysisRepository(connection, missing=missing)
        for treatment, baseline in permutations(ARMS, 2):
            repeated = not {treatment, baseline} <= set(SINGLE)
            across = treatment.experiment_id != baseline.experiment_id
            for group in CLUSTERS if across else ["task"]:
                found = repository.pairs(
                    treatment, baseline, rule=rule, group=group, repeated=repeated
                )
                cells, mismatched = count.pairs(treatment, baseline, rule, group)
                assert {tuple(asdict(c).values())[:5]: c.samples for c in found.counts} == cells
                assert found.mismatched == mismatched
                assert type(found.mismatched) is int


def test_pairs_of_single_runs_are_found_the_same_way_as_repeated_ones(
    filled: Database, missing: Missing
) -> None:
    with filled.read() as connection:
        repository = AnalysisRepository(connection, missing=missing)
        for treatment, baseline in permutations(SINGLE, 2):
            short = repository.pairs(treatment, baseline, repeated=False)
            long = repository.pairs(treatment, baseline, repeated=True)
            assert sorted(map(str, short.counts)) == sorted(map(str, long.counts))
            assert short.mismatched == long.mismatched


def test_pairs_pass_the_filters_on_both_sides(filled: Database, runs: list[RunRecord]) -> None:
    until = START.replace(hour=3)
    filters = {"task": ["sums", "Words"], "created_to": until}
    count = Recount(
        (run for run in runs if run.task and run.created_at and run.created_at < until), "exclude"
    )
    with filled.read() as connection:
        repository = AnalysisRepository(connection, Filters.of(filters))
        for rule in RULES:
            for repeated in (False, True):
                found = repository.pairs(ARMS[1], ARMS[0], rule=rule, repeated=repeated)
                cells, _ = count.pairs(ARMS[1], ARMS[0], rule, "task")
                assert {tuple(asdict(c).values())[:5]: c.samples for c in found.counts} == cells


@pytest.mark.parametrize("rule", RULES)
def test_paired_latency(filled: Database, runs: list[RunRecord], rule: PairingRule) -> None:
    count = Recount(runs, "exclude")
    with filled.read() as connection:
        repository = AnalysisRepository(connection)
        for treatment, baseline in permutations(ARMS, 2):
            repeated = not {treatment, baseline} <= set(SINGLE)
            found = repository.paired_latency(treatment, baseline, rule=rule, repeated=repeated)
            wanted = count.latency(treatment, baseline, rule)
            assert tuple(asdict(found).values()) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_latencies(filled: Database, runs: list[RunRecord]) -> None:
    with filled.read() as connection:
        repository = AnalysisRepository(connection)
        for arm in [*ARMS, Arm("a", "nobody", "p", "m")]:
            times = Counter(
                run.execution_time_ms
                for run in runs
                if run.arm == arm and run.error is None and run.execution_time_ms is not None
            )
            values, counts = repository.latencies(arm)
            assert values == sorted(values)
            assert dict(zip(values, counts, strict=True)) == times


def test_patterns(filled: Database, runs: list[RunRecord], missing: Missing) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        repository = AnalysisRepository(connection, missing=missing)
        for arms in (ARMS[:2], ARMS[:3], ARMS[2:0:-1], ARMS[3:]):
            assert repository.patterns(arms) == count.patterns(arms)


def test_whether_all_samples_have_ids(filled: Database) -> None:
    with filled.write() as connection:
        RunRepository(connection).save(RunRecord("b", "None", 900, provider="p", model="m"))
    with filled.read() as connection:
        repository = AnalysisRepository(connection)
        assert repository.has_sample_ids(ARMS[0])
        assert not repository.has_sample_ids(Arm("b", "None", "p", "m"))


def test_nothing_in_common_gives_nothing(filled: Database) -> None:
    nobody = Arm("a", "nobody", "p", "m")
    with filled.read() as connection:
        repository = AnalysisRepository(connection)
        for rule in RULES:
            for repeated in (False, True):
                found = repository.pairs(nobody, ARMS[0], rule=rule, repeated=repeated)
                assert (list(found.counts), found.mismatched) == ([], 0)
                timed = repository.paired_latency(nobody, ARMS[0], rule=rule, repeated=repeated)
                assert tuple(asdict(timed).values()) == (0, 0, 0, 0, 0)


def test_an_unknown_cluster_is_named(filled: Database) -> None:
    with filled.read() as connection, pytest.raises(UsageError, match="clustered by 'model'"):
        list(AnalysisRepository(connection).samples("model"))
