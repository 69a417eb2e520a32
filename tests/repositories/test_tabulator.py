"""Counts and sums are those that one would make by hand, whatever goes wrong in runs."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import permutations
from typing import Any, get_args

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.records import ExperimentRecord, RunRecord, Variant
from ml_agents_results.repositories.counts import CLUSTERS, PairedSums
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.run_columns import Measure
from tests.databases import ENGINES
from tests.lengths import short_and_long
from tests.repositories.recount import START, Recount, Sums, fingerprint_of, generate, outcome

RULES: tuple[PairingRule, ...] = get_args(PairingRule)
VARIANTS = [
    Variant(experiment, approach, "p", "m")
    for experiment in "ab"
    for approach in ("None", "ChainOfThought", "own")
]
PAIRS = [(VARIANTS[one], VARIANTS[two]) for one, two in ((1, 0), (5, 3), (0, 3), (4, 1), (2, 4))]
"""Within an experiment and across, with and without repeats on either side."""


@pytest.fixture(scope="module", params=short_and_long(1, 3))
def runs(request: pytest.FixtureRequest) -> list[RunRecord]:
    return generate(request.param)


@pytest.fixture(scope="module", params=ENGINES)
def filled(
    request: pytest.FixtureRequest, migrated: Callable[[str], Database], runs: list[RunRecord]
) -> Database:
    return filling(migrated(request.param), runs)


@pytest.fixture
def changing(database: Database, runs: list[RunRecord]) -> Database:
    """A database with the runs, for a test that writes."""
    return filling(database, runs)


def filling(database: Database, runs: list[RunRecord]) -> Database:
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
    assert set(outcomes) == {"correct", "wrong", "scored", "failed", "unparsed", "ungraded"}
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
    runs: list[RunRecord],
    missing: Missing,
    filters: Any,
    passes: Any,
) -> None:
    wanted = Recount(filter(passes, runs), missing).variants()
    with filled.read() as connection:
        found = Tabulator(connection, Filters.of(filters), missing).variants()
    assert [(counts.variant, counts.task) for counts in found] == list(wanted)
    for counts in found:
        expected = wanted[counts.variant, counts.task]
        values = {name: value for name, value in asdict(counts).items() if name in expected}
        assert values == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert len(values) == len(expected)


@pytest.mark.parametrize("measure", ["cost", "confidence", "value"])
def test_sums_of_runs(
    filled: Database, runs: list[RunRecord], missing: Missing, measure: Measure
) -> None:
    count = Recount(runs, missing)
    field = {"cost": "cost_estimate", "confidence": "parsing_confidence", "value": "score"}[measure]
    with filled.read() as connection:
        tabulator = Tabulator(connection, missing=missing)
        for variant in [*VARIANTS, Variant("a", "nobody", "p", "m")]:
            wanted = count.run_sums(variant, field)
            found = tabulator.sums(variant, "task", measure)
            assert [row.group for row in found] == list(wanted)
            for row in found:
                expected = pytest.approx(wanted[row.group or ""], rel=1e-12, abs=1e-12)
                assert tuple(asdict(row).values())[2:] == expected


@pytest.mark.parametrize("cluster", ["sample", "sample_id", "input_fingerprint"])
def test_sums_of_runs_by_cluster(
    filled: Database, runs: list[RunRecord], cluster: Any, missing: Missing
) -> None:
    wanted: Counter[Any] = Counter()
    for run in runs:
        if Recount(runs, missing).counted(run) and run.cost_estimate is not None:
            own = {"sample": (run.task, run.sample_index), "sample_id": run.sample_id}
            group = own.get(cluster, fingerprint_of(run))
            wanted[run.variant, run.task, group] += 1
    with filled.read() as connection:
        tabulator = Tabulator(connection, missing=missing)
        for variant in VARIANTS:
            found = tabulator.sums(variant, cluster, "cost")
            sizes = {key: n for key, n in wanted.items() if key[0] == variant}
            assert sorted(row.runs for row in found) == sorted(sizes.values())
            if cluster != "sample":
                assert {(variant, row.task, row.group): row.runs for row in found} == sizes


def test_methods_and_confidences(filled: Database, runs: list[RunRecord]) -> None:
    wanted: Counter[Any] = Counter()
    for run in runs:
        kind = outcome(run)
        kind = kind if kind in ("correct", "wrong") else "other"
        wanted[run.variant, run.parsing_method, run.parsing_confidence, kind] += 1
    with filled.read() as connection:
        tabulator = Tabulator(connection)
        found: Counter[Any] = Counter()
        for row in tabulator.confidences():
            for kind in ("correct", "wrong", "other"):
                found[row.variant, row.parsing_method, row.confidence, kind] += getattr(row, kind)
        assert +found == wanted
        methods: Counter[Any] = Counter()
        for row in tabulator.methods():
            assert row.confidence is None
            methods[row.variant, row.parsing_method] += row.correct + row.wrong + row.other
    assert methods == Counter((run.variant, run.parsing_method) for run in runs)


def test_samples_with_and_without_grades(filled: Database, runs: list[RunRecord]) -> None:
    graded: dict[Any, list[bool]] = {}
    for run in runs:
        key = (run.variant, run.task, run.sample_index)
        graded.setdefault(key, []).append(run.is_correct is not None)
    wanted = Counter(key[0] for key, known in graded.items() if len(set(known)) == 2)
    with filled.read() as connection:
        assert Tabulator(connection).partial_repeats() == wanted


@pytest.mark.parametrize("group", CLUSTERS)
def test_samples(filled: Database, runs: list[RunRecord], missing: Missing, group: Any) -> None:
    count = Recount(runs, missing)
    wanted: Counter[Any] = Counter()
    for variant in {run.variant for run in runs}:
        for sample in count.samples(variant, "sample_index", group):
            if sample.graded:
                wanted[variant, *sample.group, sample.graded, sample.correct] += 1
    with filled.read() as connection:
        samples = Tabulator(connection, missing=missing).samples(group)
    found = [(variant, row) for variant, of_variant in samples.items() for row in of_variant]
    assert {(v, s.task, s.group, s.graded, s.correct): s.samples for v, s in found} == wanted
    assert len(found) == len(wanted)


@pytest.mark.parametrize("rule", RULES)
def test_pairs(
    filled: Database, runs: list[RunRecord], missing: Missing, rule: PairingRule
) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        tabulator = Tabulator(connection, missing=missing)
        for candidate, baseline in PAIRS:
            across = candidate.experiment_id != baseline.experiment_id
            for group in CLUSTERS if across else CLUSTERS[:1]:
                found = tabulator.pairs(candidate, baseline, rule=rule, cluster=group)
                cells, mismatched = count.pairs(candidate, baseline, rule, group)
                assert {tuple(asdict(c).values())[:6]: c.samples for c in found.counts} == cells
                assert found.mismatched == mismatched
                assert type(found.mismatched) is int


def test_pairs_pass_the_filters_on_both_sides(filled: Database, runs: list[RunRecord]) -> None:
    until = START.replace(hour=3)
    filters = {"task": ["sums", "Words"], "created_to": until}
    count = Recount(
        (run for run in runs if run.task and run.created_at and run.created_at < until), "exclude"
    )
    with filled.read() as connection:
        tabulator = Tabulator(connection, Filters.of(filters))
        for rule in RULES:
            found = tabulator.pairs(VARIANTS[1], VARIANTS[0], rule=rule)
            cells, _ = count.pairs(VARIANTS[1], VARIANTS[0], rule, "task")
            assert {tuple(asdict(c).values())[:6]: c.samples for c in found.counts} == cells


@pytest.mark.parametrize("rule", RULES)
def test_paired_latency(filled: Database, runs: list[RunRecord], rule: PairingRule) -> None:
    count = Recount(runs, "exclude")
    with filled.read() as connection:
        tabulator = Tabulator(connection)
        for candidate, baseline in PAIRS:
            across = candidate.experiment_id != baseline.experiment_id
            for group in CLUSTERS if across else CLUSTERS[:1]:
                found = tabulator.paired(candidate, baseline, "time_ms", rule=rule, cluster=group)
                same_sums(found, count.latency(candidate, baseline, rule, group))


@pytest.mark.parametrize("rule", RULES)
def test_paired_costs(
    filled: Database, runs: list[RunRecord], missing: Missing, rule: PairingRule
) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        tabulator = Tabulator(connection, missing=missing)
        for candidate, baseline in PAIRS:
            across = candidate.experiment_id != baseline.experiment_id
            for group in CLUSTERS if across else CLUSTERS[:1]:
                found = tabulator.paired(candidate, baseline, "cost", rule=rule, cluster=group)
                same_sums(found, count.costs(candidate, baseline, rule, group))


@pytest.mark.parametrize("rule", RULES)
def test_paired_values(
    filled: Database, runs: list[RunRecord], missing: Missing, rule: PairingRule
) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        tabulator = Tabulator(connection, missing=missing)
        for candidate, baseline in permutations(VARIANTS[1:4], 2):
            for group in CLUSTERS:
                found = tabulator.paired(candidate, baseline, "value", rule=rule, cluster=group)
                same_sums(found, count.differences(candidate, baseline, rule, group, "scores"))


def same_sums(found: Sequence[PairedSums], wanted: Sums) -> None:
    assert len(found) == len(wanted)
    for row in found:
        assert tuple(asdict(row).values())[2:-1] == pytest.approx(
            wanted[row.task or "", row.group], rel=1e-12, abs=1e-12
        )


def test_samples_without_a_group_stand_alone(changing: Database, runs: list[RunRecord]) -> None:
    wanted = Recount(runs, "exclude").costs(VARIANTS[1], VARIANTS[0], "sample_index", "task")
    with changing.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET sample_id = NULL WHERE experiment_id = 'a'")
    with changing.read() as connection:
        found = Tabulator(connection).paired(VARIANTS[1], VARIANTS[0], "cost", cluster="sample_id")
    assert {(row.group, row.pairs) for row in found} == {(None, 1)}
    assert len(found) == sum(sums[0] for sums in wanted.values()) > 2
    total = sum(sums[8] for sums in wanted.values())
    assert sum(row.difference for row in found) == pytest.approx(total, rel=1e-12, abs=1e-12)


def test_latencies(filled: Database, runs: list[RunRecord]) -> None:
    with filled.read() as connection:
        tabulator = Tabulator(connection)
        for variant in [*VARIANTS, Variant("a", "nobody", "p", "m")]:
            times = Counter(
                run.execution_time_ms
                for run in runs
                if run.variant == variant
                and run.error is None
                and run.execution_time_ms is not None
            )
            values, counts = tabulator.latencies(variant)
            assert values == sorted(values)
            assert dict(zip(values, counts, strict=True)) == times


def test_patterns(filled: Database, runs: list[RunRecord], missing: Missing) -> None:
    count = Recount(runs, missing)
    with filled.read() as connection:
        tabulator = Tabulator(connection, missing=missing)
        for variants in (VARIANTS[:2], VARIANTS[:3], VARIANTS[2:0:-1], VARIANTS[3:]):
            assert tabulator.patterns(variants) == count.patterns(variants)


def test_hard_samples(filled: Database, runs: list[RunRecord]) -> None:
    graded: Counter[Any] = Counter()
    correct: Counter[Any] = Counter()
    for run in runs:
        if run.experiment_id == "a":
            graded[run.task, run.sample_index] += run.is_correct is not None
            correct[run.task, run.sample_index] += run.is_correct is True
    wanted = sorted(
        (correct[key] / number, -number, *key) for key, number in graded.items() if number
    )
    with filled.read() as connection:
        for limit in (3, 1000):
            found = Tabulator(connection, Filters(experiment_id=("a",))).hard_samples(limit)
            assert [
                (one.correct / one.graded, -one.graded, one.task, one.sample_index) for one in found
            ] == wanted[:limit]


def test_duplicate_contents(filled: Database, runs: list[RunRecord]) -> None:
    samples: dict[Any, set[Any]] = {}
    for run in runs:
        content = (run.experiment_id, run.input_text, run.expected_answer)
        samples.setdefault(content, set()).add((run.task, run.sample_index))
    wanted = sum(len(asked) > 1 for asked in samples.values())
    with filled.read() as connection:
        assert Tabulator(connection).duplicate_contents() == wanted > 5
        assert Tabulator(connection, Filters.of({"model": "none"})).duplicate_contents() == 0


def test_whether_all_samples_have_ids(changing: Database) -> None:
    with changing.write() as connection:
        RunRepository(connection).save(RunRecord("b", "None", 900, provider="p", model="m"))
    with changing.read() as connection:
        tabulator = Tabulator(connection)
        assert tabulator.has_sample_ids(VARIANTS[0])
        assert not tabulator.has_sample_ids(Variant("b", "None", "p", "m"))


def test_nothing_in_common_gives_nothing(filled: Database) -> None:
    nobody = Variant("a", "nobody", "p", "m")
    with filled.read() as connection:
        tabulator = Tabulator(connection)
        for rule in RULES:
            found = tabulator.pairs(nobody, VARIANTS[0], rule=rule)
            assert (list(found.counts), found.mismatched) == ([], 0)
            for measure in get_args(Measure):
                assert tabulator.paired(nobody, VARIANTS[0], measure, rule=rule) == []


def test_an_unknown_cluster_is_named(filled: Database) -> None:
    with (
        filled.read() as connection,
        pytest.raises(UsageError, match="cluster cannot be 'model'"),
    ):
        Tabulator(connection).samples("model")
