"""Source figures: what a log's own program printed, held against the means of what is imported."""

from array import array
from collections.abc import Mapping
from math import isclose, sqrt
from pathlib import Path
from statistics import fmean, stdev

from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.records import ScoreRecord

MOST_SAMPLES = 2_000_000
_TOLERANCE = 1e-4
"""Programs print four digits and more."""

_ERROR_TOLERANCE = 1e-3


class SourceFigures:
    """Warns where a figure of the log is not the mean over samples that reports will show.

    Such figures are computed over all answers at once (BLEU, perplexity), over samples that the
    file does not have, or reduce repeats otherwise (pass@k, the best of several).
    """

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._expected: dict[str, tuple[float, str]] = {}
        self._errors: dict[str, float] = {}
        self._means: dict[str, _SampleMeans] = {}

    def expect(self, metric: str, value: float, how: str) -> None:
        """Notes a figure of the log; of several about one metric the first counts.

        Args:
            how: What the log calls it, as in "accuracy" or "mean (split test)".
        """
        self._expected.setdefault(metric, (value, how))

    def expect_error(self, metric: str, value: float) -> None:
        """Notes the standard error of a mean, as the log states it."""
        self._errors.setdefault(metric, value)

    def add(self, sample_index: int, scores: Mapping[str, ScoreRecord]) -> None:
        """Counts the scores of a run that did not fail."""
        for metric in self._expected:
            means = self._means.setdefault(metric, _SampleMeans())
            score = scores.get(metric)
            means.occurred |= score is not None
            means.add(sample_index, None if score is None else score.value)

    def report(self) -> None:
        """Names the figures that differ."""
        for metric, (value, how) in self._expected.items():
            if (means := self._means.get(metric)) is None:
                continue
            name = Path(self._source.name).name
            if (mean := means.mean()) is None:
                if means.missing and means.occurred:
                    self._source.warn(
                        f"{name}: its own {metric} is {value:.6g}, of all answers at once: no "
                        "single one has a value"
                    )
                continue
            own = f"{name}: its own {how} of {metric} is {value:.6g}"
            if _same(mean, value):
                self._report_error(name, metric, means)
                continue
            if means.missing and _same(means.mean(missing=0.0), value):
                self._source.warn(
                    f"{own}, counting {means.missing:,} samples without a value as wrong; the "
                    f"mean of the others is {mean:.6g} (to count them so: --missing incorrect)"
                )
            else:
                self._source.warn(
                    f"{own}; the mean of the {means.samples:,} samples that were imported is "
                    f"{mean:.6g}"
                )

    def _report_error(self, name: str, metric: str, means: "_SampleMeans") -> None:
        """Programs divide by n - 1 or by n; what differs more was computed otherwise."""
        stated, number = self._errors.get(metric), means.samples
        if stated is None or means.missing or number < 2:
            return
        error = stdev(means.values()) / sqrt(number)
        if not any(
            isclose(stated, error * factor, rel_tol=_ERROR_TOLERANCE, abs_tol=_ERROR_TOLERANCE**2)
            for factor in (1, sqrt((number - 1) / number))
        ):
            self._source.warn(
                f"{name}: its own standard error of {metric} is {stated:.4g}; that of the mean of "
                f"its {number:,} samples is {error:.4g}"
            )


def _same(mean: float | None, value: float) -> bool:
    return mean is not None and isclose(mean, value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


class _SampleMeans:
    """The sum and number of the values of each sample; samples from MOST_SAMPLES on do not count,
    for a file can name any index.

    Attributes:
        samples: Those with a value, when `mean` has been computed.
        missing: Runs without one.
        occurred: Whether a run has a score of the metric, with a value or not.
    """

    def __init__(self) -> None:
        self._sums = array("d")
        self._counts = array("q")
        self.samples = self.missing = 0
        self.occurred = False

    def add(self, index: int, value: float | None) -> None:
        if value is None:
            self.missing += 1
            return
        if index >= MOST_SAMPLES:
            return
        if index >= len(self._sums):
            more = max(index + 1 - len(self._sums), len(self._sums))
            self._sums.extend(array("d", bytes(8 * more)))
            self._counts.extend(array("q", bytes(8 * more)))
        self._sums[index] += value
        self._counts[index] += 1

    def values(self) -> list[float]:
        """The mean of each sample that has a value."""
        return [s / n for s, n in zip(self._sums, self._counts, strict=True) if n]

    def mean(self, missing: float | None = None) -> float | None:
        """The mean over samples, each the mean of its repeats; None if no sample has a value.

        Args:
            missing: The value of runs without one, if they count.
        """
        means = self.values()
        self.samples = len(means)
        if not means:
            return None
        if missing is None:
            return fmean(means)
        return (sum(means) + missing * self.missing) / (len(means) + self.missing)
