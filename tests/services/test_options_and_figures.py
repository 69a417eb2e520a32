"""Every option reaches every figure of its kind, or the row says why not; and what stands in one
row has one denominator."""

import random
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.cli.analysis_reports import unaffected
from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from ml_agents_results.services.power import PowerService
from ml_agents_results.services.summary import SummaryService
from tests.commands import refusal
from tests.lengths import short_and_long
from tests.services.building import run, save

TASKS = {"a": (0.35, 24), "b": (0.5, 30), "c": (0.7, 36)}
F1 = MetricRecord("f1", "numeric", 0, 1, True, is_primary=True)
VARIANTS = {"None": 0.0, "CoT1": 0.15, "PoT1": -0.1}


def study(experiment: str, repeats: int) -> list[RunRecord]:
    """Three questions a passage, passages that lean one way, and runs of every outcome."""
    chance = random.Random(5)
    made = []
    for task, (level, samples) in TASKS.items():
        leans = [chance.gauss(0, 0.25) for _ in range(samples // 3)]
        for approach, shift in VARIANTS.items():
            for index in range(samples):
                for repeat in range(repeats):
                    grade: Any = int(chance.random() < level + shift + leans[index // 3])
                    if (approach, index) in (("None", 3), ("None", 8), ("PoT1", 4)):
                        grade = None
                    elif (approach, index) in (("CoT1", 5), ("CoT1", 11)):
                        grade = "failed"
                    one = run(experiment, approach, index, grade, repeat, task=task)
                    one.execution_time_ms = int(chance.lognormvariate(6, 0.5)) + 20 * (index // 3)
                    one.cost_estimate = chance.random() * (1 + index // 3 % 3)
                    one.metadata_json = {"passage": f"p{index // 3}"}
                    if one.is_correct is not None:
                        one.parsing_method = chance.choice(["regex", "manual"])
                        one.parsing_confidence = round(chance.random(), 1)
                    made.append(one)
    return made


def as_scores(runs: list[RunRecord]) -> list[RunRecord]:
    """The same with values of a metric for grades."""
    chance = random.Random(6)
    for one in runs:
        if one.is_correct is not None:
            one.score = round(0.5 * one.is_correct + 0.5 * chance.random(), 2)
            one.is_correct = None
    return runs


@pytest.fixture(scope="module")
def stored(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[ResultsProcessor]:
    file = tmp_path_factory.mktemp("options") / "r.db"
    file.write_bytes(migrated_file.read_bytes())
    with ResultsProcessor(str(file)) as processor:
        save(processor, study("once", 1), study("twice", 2))
        processor.save_experiment("scores", {}, metrics=[F1])
        processor.save_runs(as_scores(study("scores", 1)))
        yield processor


@cache
def documents(
    processor: ResultsProcessor, experiment: str, baseline: str | None, options: AnalysisOptions
) -> dict[str, Any]:
    """What every report says."""
    with processor.engine.connect() as connection:
        scope = (connection, Filters(experiment_id=(experiment,)), options)
        compare = ComparisonService(*scope)
        return {
            "compare": compare.compare([experiment], by_task=True, baseline=baseline).to_dict(),
            "accuracy": SummaryService(*scope).report(by_task=True).to_dict(),
            "cost": CostService(*scope).report(baseline=baseline).to_dict(),
            "latency": LatencyService(*scope).report(baseline=baseline).to_dict(),
            "failures": FailureService(*scope).report(baseline=baseline).to_dict(),
            "parsing": ParsingService(*scope).report().to_dict(),
            "power": PowerService(*scope).report(baseline=baseline).to_dict(),
        }


Path_ = tuple[str, ...]


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value of a document, with where it stands."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, str(index)))
    else:
        yield path, value


def kind(path: Path_) -> str:
    return ".".join("*" if part.isdigit() else part for part in path)


BOUNDS = r"(ci_low|ci_high|\w+_ci_low|\w+_ci_high|ci\.\*)$"
ERRORS = rf"((se|\w+_se|p_value|\w+_p_value|p_non_inferior|dof)$|{BOUNDS})"
MEANS = r"(mean|accuracy|estimate|difference|candidate_mean|baseline_mean)$"
OF_PAIRS = r"compare\.(comparisons|tasks\.\*\.comparisons|micro|macro)\."

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, dict[str, str]]] = {
    "confidence": (
        {"confidence": 0.9},
        {},
        BOUNDS,
        {
            r"latency\..*quantiles": "order statistics: two levels may fall on one rank",
            r"failures\.outcomes": "nothing happened: Wilson's lower end is 0",
            r"parsing\.variants\.\*\.unparsed_rate": "no answer was unparsed",
            r"parsing\..*bins|parsing\.methods": "a bin in which all or none is right",
        },
    ),
    "cluster": (
        {"cluster": "metadata:passage"},
        {},
        ERRORS,
        {
            r"compare\.cochrans_q": "its method is independent samples",
            r"compare\.macro": "macro-random is over the tasks themselves",
            r"(latency|parsing)\.": "independent_runs",
            r"failures\.": "refused by the command line: it explores runs",
        },
    ),
    "no clusters": (
        {"cluster": "none"},
        {},
        ERRORS,
        {
            r"(compare|accuracy)\.tasks": "independent samples before as well: method",
            r"compare\.micro": "micro-stratified speaks for these tasks",
            r"compare\.macro": "both are over tasks",
            r"compare\.cochrans_q": "its method is independent samples",
            r"(latency|parsing)\.": "independent_runs",
            r"failures\.": "refused by the command line: it explores runs",
        },
    ),
    "families": (
        {"families": {"a": "x", "b": "x"}},
        {},
        rf"{ERRORS}|macro.*{MEANS}",
        {
            r"(compare|accuracy)\.tasks": "a task is not a family: method",
            r"compare\.micro": "micro-stratified speaks for these tasks",
            r"compare\.cochrans_q": "its method is independent samples",
            r"(latency|parsing)\.": "independent_runs",
            r"failures\.": "refused by the command line: it explores runs",
            r"cost\.variants\.\*\.cost_per_correct_ci_low": "clipped at 0",
        },
    ),
    "missing": (
        {"missing": "incorrect"},
        {},
        rf"{ERRORS}|{MEANS}",
        {
            r"dof$": "samples in a cluster hardly change what its error is worth",
            r"cost\.": "the money of all runs counts under either policy (cost.md)",
            r"(latency|failures|parsing)\.": "refused by the command line: no missing grade counts",
        },
    ),
    "test": (
        {"test": "exact", "cluster": "none"},
        {"cluster": "none"},
        rf"{OF_PAIRS}.*(p_value|p_value_adjusted|p_adjusted)$",
        {
            r"compare\.micro": "micro-stratified has the z of its error: method",
            r"compare\.macro": "the tests of averages: method",
        },
    ),
    "difference interval": (
        {"difference_interval": "tango"},
        {},
        rf"compare\.(comparisons|tasks\.\*\.comparisons)\.\*\.{BOUNDS}",
        {"margin_ci": "Tango's score test, whatever the interval: margin_test"},
    ),
    "correction": (
        {"correction": "none"},
        {},
        r"(p_value_adjusted|p_adjusted)$",
        {"failures": "explorations: always Benjamini-Hochberg (failure-patterns.md)"},
    ),
    "simultaneous": (
        {"simultaneous": True},
        {},
        rf"{OF_PAIRS}.*{BOUNDS}",
        {r"margin_ci": "claims within a margin are corrected by p_equivalent_adjusted"},
    ),
    "unpaired": (
        {"unpaired": True, "cluster": "none"},
        {"cluster": "none"},
        r"compare\.(comparisons|tasks\.\*\.comparisons)\.\*\.(ci_low|ci_high|se|p_value)$",
        {},
    ),
}


OF_GRADES = ("difference interval",)
"""Cases of options that numeric metrics refuse."""


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("experiment", ["scores", *short_and_long("once", "twice")])
def test_an_option_changes_every_figure_of_its_kind_or_it_is_said_why(
    stored: ResultsProcessor, experiment: str, name: str
) -> None:
    """A kind of figure of which one value changes is reached; others are named with the reason."""
    chosen, usual, figures, excepted = CASES[name]
    if experiment == "scores" and name in OF_GRADES:
        with pytest.raises(UsageError, match="is for metrics of right and wrong"):
            documents(stored, experiment, None, AnalysisOptions(**chosen))
        return
    before, after = (
        dict(leaves(documents(stored, experiment, None, AnalysisOptions(margin=0.1, **options))))
        for options in (usual, chosen)
    )
    changed: dict[str, list[bool]] = {}
    for path, value in before.items():
        if isinstance(value, float) and re.search(figures, kind(path)):
            changed.setdefault(kind(path), []).append(after.get(path) != value)
    assert len(changed) > 1
    dropped = [
        where
        for where, values in changed.items()
        if not any(values) and not any(re.search(pattern, where) for pattern in excepted)
    ]
    assert dropped == []
    # What is excepted for nothing is no exception.
    unused = [
        pattern
        for pattern in excepted
        if experiment == "once" and not any(re.search(pattern, where) for where in changed)
    ]
    assert unused == []


def test_a_baseline_reaches_every_comparison(stored: ResultsProcessor) -> None:
    found = documents(stored, "once", "PoT1", AnalysisOptions())
    rows = [
        row
        for name in ("compare", "cost", "latency", "power")
        for row in found[name]["comparisons"]
    ]
    rows += [row for task in found["compare"]["tasks"] for row in task["comparisons"]]
    rows += [*found["compare"]["micro"], *found["compare"]["macro"], *found["failures"]["changes"]]
    assert {row["baseline"]["approach_name"] for row in rows} == {"ProgramOfThought1", "PoT1"} & {
        row["baseline"]["approach_name"] for row in rows
    }
    assert len({str(row["baseline"]) for row in rows}) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"test": "exact"},
        {"difference_interval": "newcombe"},
        {"interval": "jeffreys"},
        {"across_tasks": True},
        {"cluster": "metadata:nothing"},
        {"unpaired": True, "test": "exact"},
    ],
    ids=str,
)
def test_what_cannot_apply_is_refused(stored: ResultsProcessor, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        stored.compare(["once"], by_task=True, options=AnalysisOptions(**options))


@pytest.mark.parametrize("options", [{}, {"cluster": "none"}, {"missing": "incorrect"}], ids=str)
@pytest.mark.parametrize("experiment", short_and_long("twice", "once"))
def test_what_stands_in_one_row_has_one_denominator(
    stored: ResultsProcessor, experiment: str, options: dict[str, Any]
) -> None:
    found = documents(stored, experiment, None, AnalysisOptions(**options))
    compare = found["compare"]
    pairs = [*compare["comparisons"], *(p for t in compare["tasks"] for p in t["comparisons"])]
    for pair in pairs:
        difference = pair["candidate_mean"] - pair["baseline_mean"]
        assert pair["difference"] == pytest.approx(difference, abs=1e-12)
        assert pair["candidate_samples"] == pair["baseline_samples"] == pair["samples"]
        assert pair["denominators"]["pairs"] == pair["samples"]
        if pair["improved"] is not None:
            cells = ("both_correct", "improved", "regressed", "neither_correct")
            assert sum(pair[cell] for cell in cells) == pair["samples"]
            right = pair["both_correct"] + pair["improved"]
            assert pair["candidate_mean"] == pytest.approx(right / pair["samples"], abs=1e-12)
        low, high = pair["difference_bounds"]
        # With repeats, what is known of one side is used, which graded pairs leave out.
        if experiment == "once" or options.get("missing") == "incorrect":
            assert low - 1e-12 <= pair["difference"] <= high + 1e-12
    for row in (*compare["micro"], *compare["macro"]):
        one, two = row["candidate_mean"], row["baseline_mean"]
        assert row["difference"]["estimate"] == pytest.approx(
            one["estimate"] - two["estimate"], abs=1e-12
        )
        for part in (one, two, row["difference"]):
            assert part["ci"][0] <= part["estimate"] <= part["ci"][1]
    # The same estimand has one estimate and one interval wherever it stands.
    for mine, theirs in zip(compare["variants"], found["accuracy"]["variants"], strict=True):
        assert mine == theirs
    for row in found["accuracy"]["variants"]:
        low, high = row["accuracy_bounds"]
        assert low - 1e-12 <= row["accuracy"] <= high + 1e-12
        parts = ("graded", "failed", "truncated", "refused", "unparsed", "ungraded")
        assert sum(row[part] for part in parts) == row["runs"]
    whole = {str(row["variant"]) if "variant" in row else row["approach_name"]: row
             for row in found["accuracy"]["variants"]}  # fmt: skip
    for repeated in found["accuracy"]["repeats"]:
        first, row = repeated["passes"][0], whole[repeated["approach_name"]]
        assert first["samples_used"] == row["samples"]
        names = ("pass_at_k", "pass_at_k_ci_low", "pass_at_k_ci_high")
        expected = [row[name] for name in ("accuracy", "ci_low", "ci_high")]
        assert [first[name] for name in names] == pytest.approx(expected, abs=1e-12)
    for cost in found["cost"]["variants"]:
        row = whole[cost["approach_name"]]
        assert (cost["runs"], cost["accuracy"]) == (row["runs"], row["accuracy"])
        assert cost["cost_per_correct"] == pytest.approx(row["cost_per_correct"], rel=1e-12)
    for cost, pair in zip(found["cost"]["comparisons"], compare["comparisons"], strict=True):
        assert cost["accuracy_difference"] == pair["difference"]
        assert cost["accuracy_difference_ci_low"] == pair["ci_low"]
    for power, pair in zip(found["power"]["comparisons"], compare["comparisons"], strict=True):
        assert power["mde"] == pair["mde"]


@pytest.mark.parametrize(
    ("changed", "usual", "option"),
    [
        ({"interval": "jeffreys", "cluster": "none"}, {"cluster": "none"}, "--interval"),
        ({"cluster": "metadata:passage"}, {}, "--cluster"),
        ({"families": {"a": "x", "b": "x"}}, {}, "--group-map"),
        ({"missing": "incorrect"}, {}, "--missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_command_line_refuses_what_changes_no_figure_of_a_report(
    stored: ResultsProcessor, changed: dict[str, Any], usual: dict[str, Any], option: str
) -> None:
    before, after = (
        documents(stored, "once", None, AnalysisOptions(**options)) for options in (usual, changed)
    )
    same = {name for name in before if before[name] == after[name]}
    refused = {str(report) for report in unaffected(option)}
    assert same == refused & before.keys()
    for report in same:
        value = str(next(iter(changed.values()))) if option != "--group-map" else "no.json"
        message, _ = refusal(
            *("analyze", "--experiment-id", "once", "--report-type", report, option, value),
            *("--db-path", stored.db_path),
            code=2,
        )
        assert "changes no figure" in message
