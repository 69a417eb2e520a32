"""Agreement of stored metrics, from recorded runs to the report, on SQLite and PostgreSQL."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import NotFoundError, NothingToCompareError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, ScoreRecord
from ml_agents_results.reports.agreement_report import agreement_report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.services.agreement import AgreementService
from ml_agents_results.services.agreement_rows import AgreementReport
from ml_agents_results.services.analysis_options import AnalysisOptions
from tests.services.building import run

CASES = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)["d_agreement"]
JUDGE = MetricRecord("judge", "numeric", 1, 5, True, is_primary=True)
HUMAN = MetricRecord("human", "numeric", 1, 5, True)


def save(store: ResultsProcessor, metrics: list[MetricRecord], runs: list[Any]) -> None:
    store.save_experiment("exp", {})
    with store.database.write() as connection:
        for metric in metrics:
            MetricRepository(connection, "exp").save(metric)
    store.save_runs(runs)


def agreement(store: ResultsProcessor, *names: str, **choices: Any) -> AgreementReport:
    with store.database.read() as connection:
        filters = Filters.of({"experiment_id": "exp"})
        return AgreementService(connection, filters, AnalysisOptions(**choices)).report(names)


def test_a_judge_and_people(store: ResultsProcessor) -> None:
    case = CASES["cohen_5_categories"]
    data, expected = case["data"], case["expected"]
    save(
        store,
        [JUDGE, HUMAN],
        [
            *(
                run("exp", "A", index, None, score=float(j), sample_id=cluster,
                    scores=[ScoreRecord(float(h), metric="human")])
                for index, (j, h, cluster) in enumerate(
                    zip(data["judge"], data["human"], data["cluster"], strict=True))
            ),
            run("exp", "A", 99, None, score=5.0, sample_id="only the judge"),
        ],
    )  # fmt: skip
    report = agreement(store, "judge", "human")
    shown = agreement_report(report)
    assert "bonett-price" not in shown.methods[0]
    assert "Ratings at most one category apart" in [
        view.title for table in shown.tables for view in table.views
    ]
    (pair,) = report.pairs
    assert pair.runs == 40
    assert [list(row) for row in pair.matrix or ()] == case["matrix_rows_judge_columns_human"]
    assert pair.agreement.estimate == pytest.approx(case["exact_agreement"])
    assert pair.within_one is not None
    assert pair.within_one.estimate == pytest.approx(case["within_one"])
    assert pair.kappa is not None
    assert pair.kappa.value == pytest.approx(expected["quadratic"]["kappa"])
    assert pair.kappa.ci_low == pytest.approx(expected["quadratic"]["low"])
    assert pair.kappas["linear"].value == pytest.approx(expected["linear"]["kappa"])
    bias = case["bias_judge_minus_human"]
    assert pair.bias == pytest.approx(bias["mean"])
    assert [pair.bias_ci_low, pair.bias_ci_high] == pytest.approx(bias["ci95_pseudo_rms_t"])
    assert pair.pearson == pytest.approx(case["pearson"])
    assert pair.spearman == pytest.approx(case["spearman"])
    clustered = agreement(store, "judge", "human", cluster="sample_id").pairs[0]
    assert clustered.kappa is not None
    assert clustered.n_clusters == 10
    assert clustered.kappa.ci_low == pytest.approx(expected["quadratic"]["clustered"]["low"])
    (sentence,) = agreement_report(report).sentences
    assert sentence.startswith("judge and human give the same value on 65.0% of 40 runs [49.5")
    assert "kappa 0.79 [0.60, 0.89]" in sentence
    assert "A bias of judge is not shown" in sentence


def test_right_and_wrong_by_variant(store: ResultsProcessor) -> None:
    case = CASES["binary_judge"]
    runs = []
    for index, (judge, human) in enumerate(
        zip(case["data"]["judge"], case["data"]["human"], strict=True)
    ):
        one = run("exp", "B" if index % 2 else "A", index, judge)
        one.scores = [ScoreRecord(float(human), metric="human")]
        runs.append(one)
    binary = [MetricRecord("judge", "binary", is_primary=True), MetricRecord("human", "binary")]
    save(store, binary, runs)
    whole, *slices = agreement(store, "judge", "human").pairs
    expected = case["expected"]
    assert whole.kappa is not None
    assert whole.kappa.value == pytest.approx(expected["kappa"]["kappa"])
    assert whole.kappa.ci_low == pytest.approx(expected["kappa"]["low"])
    assert whole.kappa.ci_high == pytest.approx(expected["kappa"]["high"])
    for name in ("sensitivity", "specificity"):
        share = getattr(whole, name)
        assert share.estimate == pytest.approx(expected[name])
        assert [share.ci_low, share.ci_high] == pytest.approx(expected[f"{name}_ci95"])
    assert [whole.bias_ci_low, whole.bias_ci_high] == pytest.approx(
        expected["bias_ci95_bonett_price"]
    )
    assert [(row.variant and row.variant.approach_name, row.runs) for row in slices] == [
        ("A", 25),
        ("B", 25),
    ]


def test_authors_of_one_metric_and_verdicts_that_depend_on_the_order(
    store: ResultsProcessor,
) -> None:
    runs = []
    for index in range(12):
        one = run("exp", "A", index, None)
        values = {"judge#0": 1.0, "judge#1": 1.0 if index else 0.0, "judge#2": float(index % 2)}
        one.scores = [
            ScoreRecord(value, metric="prefer", author=author,
                        label="position_dependent" if index < 3 and author == "judge#0" else "A")
            for author, value in values.items()
        ]  # fmt: skip
        runs.append(one)
    save(store, [MetricRecord("prefer", "binary")], runs)
    report = agreement(store, "prefer")
    assert report.raters == ("prefer@judge#0", "prefer@judge#1", "prefer@judge#2")
    assert [pair.agreement.estimate for pair in report.pairs] == [
        pytest.approx(11 / 12),
        pytest.approx(6 / 12),
        pytest.approx(7 / 12),
    ]
    (group,) = report.groups
    assert group.runs == 12
    assert group.unanimous.estimate == pytest.approx(6 / 12)
    # statsmodels fleiss_kappa of the counts [0, 3] x 6, [1, 2] x 5, [2, 1] x 1.
    assert group.fleiss is not None
    assert group.fleiss.value == pytest.approx(1 - (12 / 36) / (1 - (29 / 36) ** 2 - (7 / 36) ** 2))
    (position,) = report.positions
    assert (position.position_dependent, position.verdicts) == (3, 36)
    definition = {"grader": {"name": "judge", "baseline": "None"}}
    with store.database.write() as connection:
        metric = MetricRecord("other", "numeric", 0, 1, True, "judge", definition)
        MetricRepository(connection, "exp").save(metric)
    store.save_scores(
        (str(one.id), ScoreRecord(0.5, "tie", metric="other", author=author))
        for one in store.iter_runs(["exp"])
        for author in ("judge#0", "judge#1")
    )
    (never,) = agreement(store, "other").positions
    assert (never.position_dependent, never.verdicts, never.rate.estimate) == (0, 24, 0.0)
    pair = agreement(store, "prefer@judge#0", "prefer@judge#2").pairs[0]
    assert pair.agreement.estimate == pytest.approx(6 / 12)
    with pytest.raises(NotFoundError, match="no scores by 'anna'"):
        agreement(store, "prefer@anna", "prefer")


def test_what_cannot_agree(store: ResultsProcessor) -> None:
    other = MetricRecord("points", "numeric", 0, 100, True)
    save(
        store,
        [JUDGE, HUMAN, other],
        [
            run("exp", "A", 0, None, score=3.0, scores=[ScoreRecord(50.0, metric="points")]),
            run("exp", "A", 1, None, scores=[ScoreRecord(4.0, metric="human")]),
        ],
    )
    with pytest.raises(UsageError, match="different scales: judge 1 to 5, points 0 to 100"):
        agreement(store, "judge", "points")
    with pytest.raises(NothingToCompareError, match="no run has values of two of judge, human"):
        agreement(store, "judge", "human")
    with pytest.raises(UsageError, match="human is one"):
        agreement(store, "human")
    with pytest.raises(UsageError, match="no metric is named"):
        agreement(store)
