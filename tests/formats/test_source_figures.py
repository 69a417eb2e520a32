"""Figures of logs against the means of what is imported, and the scales of known metrics."""

from pathlib import Path

import pytest

from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.formats.metric_scales import Scale, is_continuous, scale_of
from ml_agents_results.formats.source_figures import MOST_SAMPLES, SourceFigures
from ml_agents_results.records import ScoreRecord


def _warnings(tmp_path: Path, figure: float, values: list[tuple[int, float | None]]) -> list[str]:
    source = LogSource(tmp_path, "log.json")
    figures = SourceFigures(source)
    figures.expect("f1", figure, "mean")
    for index, value in values:
        figures.add(index, {"f1": ScoreRecord(value)})
    figures.report()
    return list(source.warnings)


def test_a_mean_over_samples_is_not_named(tmp_path: Path) -> None:
    # (0.5 + 0) / 2 + 1 over two samples: repeats count as one.
    assert _warnings(tmp_path, 0.625, [(0, 0.5), (0, 0.0), (1, 1.0)]) == []
    assert _warnings(tmp_path, 0.5, [(MOST_SAMPLES + 1, 0.5)]) == []


def test_another_figure_is_named(tmp_path: Path) -> None:
    (said,) = _warnings(tmp_path, 0.9, [(0, 0.5), (1, 1.0)])
    assert said == (
        "log.json: its own mean of f1 is 0.9; the mean of the 2 samples that were imported is 0.75"
    )


@pytest.mark.parametrize(
    ("error", "named"),
    [(0.28867513, False), (0.23570226, False), (0.2887, False), (0.25, True)],  # n - 1, n, rounded
)
def test_standard_errors_are_compared(tmp_path: Path, error: float, named: bool) -> None:
    source = LogSource(tmp_path, "log.json")
    figures = SourceFigures(source)
    figures.expect("f1", 0.5, "mean")
    figures.expect_error("f1", error)
    for index, value in enumerate([0.0, 1.0, 0.5]):
        figures.add(index, {"f1": ScoreRecord(value)})
    figures.report()
    differs = "its own standard error of f1 is 0.25; that of the mean of its 3 samples is 0.2887"
    assert list(source.warnings) == ([f"log.json: {differs}"] if named else [])


def test_missing_values_that_the_log_counts_as_wrong_are_named(tmp_path: Path) -> None:
    (said,) = _warnings(tmp_path, 0.5, [(0, 1.0), (1, None)])
    assert "counting 1 samples without a value as wrong" in said
    assert "--missing incorrect" in said


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "scale"),
    [
        ("f1", 0.0, 0.9, Scale(0, 1, True)),
        ("f1", 0.0, 88.0, Scale(0, 100, True)),
        ("f1_score", 0.0, 1.0, Scale(0, 1, True)),
        ("rougeL", 0.1, 0.4, Scale(0, 1, True)),
        ("bleu_4", 0.0, 0.2, Scale(0, 1, True)),
        ("wer", 0.0, 1.4, Scale(0, None, False)),
        ("mcc", -0.2, 0.4, Scale(-1, 1, True)),
        ("acc_norm", 0.0, 1.0, Scale(0, 1, True)),
        ("quasi_exact_match", 0.0, 1.0, Scale(0, 1, True)),
        ("f1", -0.5, 1.0, None),
        ("rating", 1.0, 5.0, None),
    ],
)
def test_scales(name: str, lowest: float, highest: float, scale: Scale | None) -> None:
    assert scale_of(name, lowest, highest) == scale


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Contextual Recall", True),
        ("f1", True),
        ("rougeL", True),
        ("acc", False),
        ("bleu_acc", False),
        ("answer_correct", False),
        ("hallucination", False),
    ],
)
def test_metrics_that_are_numbers_whatever_their_values(name: str, expected: bool) -> None:
    assert is_continuous(name) is expected
