"""Corrected means: a judge on all samples, corrected by people on a random part of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.label_draws import LabelDraw, label_draws
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.baselines import contrasts
from ml_agents_results.services.comparison.pairing import dataset_of
from ml_agents_results.services.raters import clusters_of, find_rater, read_ratings
from ml_agents_results.services.result_rows import Row, TwoVariantRow, VariantRow
from ml_agents_results.statistics.bounded_mean import Bounds
from ml_agents_results.statistics.distributions import t_quantile
from ml_agents_results.statistics.prediction_powered import (
    FEWEST_LABELS,
    PredictionPowered,
    corrected_mean,
)
from ml_agents_results.statistics.ratings import Ratings
from ml_agents_results.statistics.run_columns import Array
from ml_agents_results.statistics.student_t import t_two_sided_p
from ml_agents_results.statistics.two_samples import welch_error

HALF_WIDTHS = (0.05, 0.02)
"""Of the range of the metric: what labels are counted for."""

_VARIANT_FILTERS = ("experiment_id", "approach_name", "provider", "model")
"""A draw from one variant's runs is still a random part of that variant's."""


@dataclass(frozen=True, slots=True)
class CorrectedVariant(VariantRow):
    """The mean that people would give a variant.

    Attributes:
        labels: Samples with a label; of `samples` that the judge has a value of.
        unjudged: Labelled samples that the judge has no value of; they are left out.
    """

    samples: int
    labels: int
    unjudged: int
    method: str
    mean: PredictionPowered


@dataclass(frozen=True, slots=True)
class CorrectedDifference(TwoVariantRow):
    """Candidate minus baseline, as people would find it.

    Attributes:
        paired: Whether it is the mean of differences on samples labelled for both, or with fewer
            than ten of these the difference of the two corrected means.
        pairs: Samples with a label for both; `one_sided` have one for either.
        difference: In the unit of the metric; `weight` is None for a difference of means.
        needed: By half-width of its interval, how many samples labelled for both reach it with
            this judge, and without.
    """

    paired: bool
    pairs: int
    one_sided: int
    method: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    se: float | None
    dof: float | None
    p_value: float | None
    weight: float | None
    human_difference: float | None
    judge_difference: float | None
    needed: dict[str, tuple[int | None, int | None]]
    warnings: tuple[str, ...]
    null_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CorrectedReport(Row):
    """Variants and their differences from the baseline, by the second metric (people), which the
    first (the judge) helps to know.

    Attributes:
        draws: How the labelled runs were drawn, by queue: size, population, seed, filters.
    """

    judge: str
    human: str
    higher_is_better: bool
    confidence_level: float
    draws: Sequence[LabelDraw]
    variants: Sequence[CorrectedVariant]
    comparisons: Sequence[CorrectedDifference]
    warnings: tuple[str, ...]


class CorrectedService(AnalysisService):
    """Means and differences from a judge on all samples and people on a random part of them."""

    def report(self, names: Sequence[str], *, baseline: str | None = None) -> CorrectedReport:
        """Every variant that has labels, and its difference from the baseline.

        Args:
            names: The judge's metric and people's, in this order.

        Raises:
            NotFoundError: There is no such metric.
            UsageError: The labels are not of runs that were drawn at random, the draw was from
                other runs than those of the report, or the scales differ.
        """
        if len(names) != 2:
            raise UsageError(
                "a judge is corrected by people: two metrics are needed",
                "As in: --metric judge,human",
            )
        if not isinstance(self._source, DatabaseSource):
            raise UsageError(
                "Parquet files do not say who gave a value and which runs were drawn",
                "Analyse the database that the files come from.",
            )
        ids = self._experiment_ids
        judge, human = (find_rater(self._source, ids, name) for name in names)
        bounds = human.metric.bounds
        if judge.metric.bounds and bounds and judge.metric.bounds != bounds:
            raise UsageError(
                f"{judge.name} and {human.name} have different scales",
                "A judge corrects nothing on another scale than people's.",
            )
        draws = label_draws(self._source.connection, ids, human.name.partition("@")[0])
        self._require_random(human.name, draws)
        ratings = read_ratings(self._source, self._filters, (judge, human), self._options)
        samples = ratings.of_samples()
        rows = [
            self._variant(samples.take(samples.variant == number), Variant(*key), bounds)
            for number, key in enumerate(samples.variants)
        ]
        rows = [row for row in rows if row.labels or row.unjudged]
        if not rows:
            raise UsageError(
                f"no run that passes the filters has a label of {human.name}",
                "Label some: ml-agents grade --random 50",
            )
        pairs: list[tuple[Variant, Variant]] = []
        if len(rows) > 1:
            pairs = contrasts(self._in_recorded_order([row.variant for row in rows], ids), baseline)
        known = {row.variant: row for row in rows}
        span = human.metric.span
        warnings = (
            ("population_changed", any(draw.population != draw.matching for draw in draws)),
            ("labels_skipped", any(draw.skipped for draw in draws)),
            ("unjudged_labels", any(row.unjudged for row in rows)),
        )
        return CorrectedReport(
            judge=judge.name,
            human=human.name,
            higher_is_better=human.metric.higher_is_better,
            confidence_level=self._options.confidence,
            draws=draws,
            variants=rows,
            comparisons=[
                self._difference(samples, *(known[one] for one in pair), span=span)
                for pair in pairs
            ],
            warnings=tuple(code for code, holds in warnings if holds),
        )

    def _require_random(self, human: str, draws: Sequence[LabelDraw]) -> None:
        """Raises UsageError unless all labels are of runs drawn at random from those of the
        report, or from more."""
        chosen = sum(draw.labels for draw in draws if not draw.is_random)
        if chosen:
            raise UsageError(
                f"{chosen} of {sum(draw.labels for draw in draws)} labels of {human} are not of "
                "runs that were drawn at random, so they say nothing of the others",
                "Draw runs and label them: ml-agents grade --random 50. A draw is kept with each "
                "label.",
            )
        for draw in draws:
            for name, values in draw.filters.items():
                if name in _VARIANT_FILTERS:
                    continue
                asked = getattr(self._filters, name, None)
                if isinstance(values, str) or asked is None or not set(asked) <= set(values):
                    listed = values if isinstance(values, str) else ", ".join(values)
                    raise UsageError(
                        f"the runs of the queue {draw.queue!r} were drawn where {name} is {listed} "
                        "only: their labels say nothing of other runs",
                        f"Choose the same runs: --{name.replace('_', '-')} {listed}",
                    )

    def _variant(self, samples: Ratings, variant: Variant, bounds: Bounds) -> CorrectedVariant:
        judged = ~np.isnan(samples.values[:, 0])
        unjudged = int(np.count_nonzero(~judged & ~np.isnan(samples.values[:, 1])))
        known = samples.take(np.flatnonzero(judged))
        span = None if bounds is None else bounds[1] - bounds[0]
        mean, method = self._corrected(known, known.values[:, 0], known.values[:, 1], bounds, span)
        return CorrectedVariant(
            variant=variant,
            samples=len(known),
            labels=mean.labels,
            unjudged=unjudged,
            method=method,
            mean=mean,
        )

    def _corrected(
        self,
        rows: Ratings,
        judged: Array,
        labels: Array,
        bounds: Bounds,
        span: float | None,
    ) -> tuple[PredictionPowered, str]:
        clusters, method = clusters_of(rows, self._options) if len(rows) else (None, "")
        labelled = ~np.isnan(labels)
        widths: tuple[float, ...] = ()
        if span is not None:
            widths = tuple(width * span for width in HALF_WIDTHS)
        mean = corrected_mean(
            labels[labelled],
            judged[labelled],
            judged[~labelled],
            bounds,
            self._options.confidence,
            None if clusters is None else (clusters[labelled], clusters[~labelled]),
            widths if clusters is None else (),
        )
        return mean, "independent samples" if clusters is None else method

    def _difference(
        self,
        samples: Ratings,
        candidate: CorrectedVariant,
        baseline: CorrectedVariant,
        *,
        span: float | None,
    ) -> CorrectedDifference:
        numbers = samples.samples
        keys = list(samples.variants)
        sides = []
        for row in (candidate, baseline):
            own = (samples.variant == keys.index(row.variant)) & ~np.isnan(samples.values[:, 0])
            sides.append((numbers[own], np.flatnonzero(own)))
        _, one, two = np.intersect1d(sides[0][0], sides[1][0], return_indices=True)
        shared = samples.take(sides[0][1][one])
        d = shared.values - samples.values[sides[1][1][two]]
        pairs = int(np.count_nonzero(~np.isnan(d[:, 1])))
        difference = partial(
            CorrectedDifference,
            candidate=candidate.variant,
            baseline=baseline.variant,
            pairs=pairs,
            one_sided=candidate.labels + baseline.labels - 2 * pairs,
        )
        if pairs < FEWEST_LABELS or not self._one_dataset(candidate.variant, baseline.variant):
            return difference(paired=False, **self._of_means(candidate, baseline))
        found, method = self._corrected(shared, d[:, 0], d[:, 1], None, span)
        return difference(
            paired=True,
            method=f"{method}, {found.method}",
            difference=found.estimate,
            ci_low=found.ci_low,
            ci_high=found.ci_high,
            se=found.se,
            dof=found.dof,
            p_value=found.p_value,
            weight=found.weight,
            human_difference=found.human_mean,
            judge_difference=found.judge_mean,
            needed=found.needed,
            warnings=found.warnings,
            null_reason=found.null_reason,
        )

    def _one_dataset(self, candidate: Variant, baseline: Variant) -> bool:
        """Whether samples with the same index are the same."""
        one, two = (
            dataset_of(self._experiment(variant.experiment_id)) for variant in (candidate, baseline)
        )
        same = candidate.experiment_id == baseline.experiment_id
        return same or (one is not None and one == two)

    def _of_means(self, candidate: CorrectedVariant, baseline: CorrectedVariant) -> dict[str, Any]:
        """The difference of two corrected means, which takes them for independent: too wide rather
        than too narrow, since a judge errs alike on answers to one question."""
        one, two = candidate.mean, baseline.mean
        low = high = se = dof = p_value = None
        difference = _minus(one.estimate, two.estimate)
        if difference is not None and one.se and two.se and one.dof and two.dof:
            se, dof = welch_error((one.se, one.dof), (two.se, two.dof))
            half = t_quantile(self._options.confidence, dof) * se
            low, high = difference - half, difference + half
            p_value = t_two_sided_p(difference / se, dof)
        return {
            "method": f"{candidate.method}, difference of corrected means",
            "difference": difference,
            "ci_low": low,
            "ci_high": high,
            "se": se,
            "dof": dof,
            "p_value": p_value,
            "weight": None,
            "human_difference": _minus(one.human_mean, two.human_mean),
            "judge_difference": _minus(one.judge_mean, two.judge_mean),
            "needed": {},
            "warnings": tuple(dict.fromkeys((*one.warnings, *two.warnings, "few_pairs"))),
            "null_reason": one.null_reason or two.null_reason,
        }


def _minus(one: float | None, two: float | None) -> float | None:
    return None if one is None or two is None else one - two
