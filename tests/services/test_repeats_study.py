"""Repeats and seeds of recorded runs: majorities by answer, and components of variance."""

import random
from typing import Any

import numpy as np
import pytest

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.repeats_report import repeats_report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.repeats_study import RepeatsReport, RepeatsService
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.statistics.variance_components import components
from tests.services.building import run, save
from tests.statistics.test_repeated_votes import VOTES


def study(store: ResultsProcessor, pool: Any = None, **choices: Any) -> RepeatsReport:
    with store.database.read() as connection:
        return RepeatsService(connection, Filters(), AnalysisOptions(**choices)).report(pool=pool)


def record(store: ResultsProcessor) -> None:
    """The answers of the fixture; every second right one is written another way."""
    data = VOTES["data"]
    save(
        store,
        [
            run("exp", "A", index, answer == "C", repeat, task=task,
                parsed_answer=f" {answer}. " if answer == "C" and repeat % 2 else answer)
            for index, (task, answers) in enumerate(zip(data["task"], data["answers"], strict=True))
            for repeat, answer in enumerate(answers)
        ],
    )  # fmt: skip


def test_the_shares_of_k_answers(store: ResultsProcessor) -> None:
    record(store)
    chosen: list[tuple[dict[str, Any], str | None]] = [({"cluster": "none"}, None)]
    for choices, key in (*chosen, ({}, "cluster_task")):
        (row,) = study(store, **choices).variants
        for share in row.shares:
            if share.k > 5:
                continue
            expected = VOTES["expected"][f"maj@{share.k}"]
            assert (share.samples, share.excluded) == (expected["n"], expected["excluded"])
            assert share.majority is not None
            assert share.majority.estimate == pytest.approx(expected["estimate"])
            of_errors = expected if key is None else expected[key]
            assert share.majority.se == pytest.approx(of_errors["se"])
            if share.k > 1:
                # One answer has the interval of the accuracy, worth its runs at most.
                assert [share.majority.ci_low, share.majority.ci_high] == pytest.approx(
                    of_errors["ci95"]
                )
        at_three = next(share for share in row.shares if share.k == 3)
        assert at_three.some.estimate == pytest.approx(VOTES["expected"]["pass@3"]["estimate"])
        one = row.shares[0]
        for other in (one.majority, one.some, one.every):
            assert other is not None
            for name in ("estimate", "se", "ci_low", "ci_high"):
                assert getattr(other, name) == pytest.approx(getattr(one.single, name))
        with store.database.read() as connection:
            summary = SummaryService(connection, options=AnalysisOptions(**choices)).report()
        assert one.single.ci_low == pytest.approx(summary.variants[0].ci_low)
        assert one.single.ci_high == pytest.approx(summary.variants[0].ci_high)
        assert row.more is not None
        if key is not None:  # The three tasks differ by less than chance lets them.
            assert "negative_component" in row.warnings
            continue
        assert row.more.repeats is not None
        assert row.more.endless_repeats is not None
        assert row.more.now > row.more.repeats > row.more.endless_repeats
    (sentence,) = repeats_report(study(store, cluster="none")).sentences
    assert "the most frequent of 8 " in sentence
    assert "Asking twice as often would narrow" in sentence


def test_seeds_as_a_level(processor: ResultsProcessor) -> None:
    chance = random.Random(4)
    ease = [chance.random() for _ in range(30)]
    runs = [
        run(f"seed{seed}", "A", index, int(chance.random() < ease[index]), repeat)
        for seed in range(4)
        for index in range(30)
        for repeat in range(2)
    ]
    save(processor, runs)
    for seed in range(4):
        processor.save_experiment(
            f"seed{seed}", {}, environment={"dataset": {"fingerprint": "one"}}
        )
    (row,) = study(processor, pool="experiment").pooled
    assert (row.seeds, row.samples) == (("seed0", "seed1", "seed2", "seed3"), 30)
    grades = np.array([float(one.is_correct or 0) for one in runs]).reshape(4, 30, 2)
    within = float(grades.var(axis=2, ddof=1).mean())
    expected = components(grades.mean(axis=2).T, np.full((30, 4), 2), within)
    assert row.components is not None
    assert expected is not None
    assert row.components.sample == pytest.approx(expected.sample)
    assert row.components.repeat == pytest.approx(within)
    assert row.new == pytest.approx(expected.interval(0.95, new_seeds=True))
    assert row.more is not None
    assert row.more.seeds is not None
    assert row.more.seeds < row.more.now
    with pytest.raises(NothingToCompareError, match="no variants differ in their model only"):
        study(processor, pool="model")


def test_what_cannot_be_studied(processor: ResultsProcessor) -> None:
    save(processor, [run("exp", "A", index, 1) for index in range(3)])
    with pytest.raises(NothingToCompareError, match="asked more than once"):
        study(processor)
    with pytest.raises(NothingToCompareError, match="no variants differ in their approach only"):
        study(processor, pool="approach")
    save(processor, [run("scored", "A", 0, None, repeat, score=0.5) for repeat in range(2)])
    with pytest.raises(UsageError, match="majorities are of right and wrong"):
        study(processor)


def test_grades_without_answers_have_no_majority(processor: ResultsProcessor) -> None:
    # Right once or twice of three times: the samples differ by less than chance lets them.
    save(processor, [run("exp", "A", index, repeat <= index % 2, repeat) for index in range(6)
                     for repeat in range(3)])  # fmt: skip
    found = study(processor)
    (row,) = found.variants
    assert {"no_answers", "negative_component"} <= set(row.warnings)
    assert {share.majority for share in row.shares} == {None}
    assert row.more is not None
    assert (row.more.repeats, row.more.endless_repeats) == (None, None)
    (sentence,) = repeats_report(found).sentences
    assert "Asking twice" not in sentence
