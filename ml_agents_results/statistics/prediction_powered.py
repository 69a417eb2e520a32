"""Prediction-powered means: a judge on all samples, corrected by people on a random part of them.

    theta = lam mean_N(f) + mean_n(y - lam f)

y are the n labels, f the judge's values of the same samples and of the N others; lam weighs the
judge by how well it predicts, and is 0 for one that does not. It is the regression estimator of
survey sampling. Errors have n - 2 degrees of freedom, with clusters those of CR2; ppi-python's
normal quantile covers .81 to .96 at 20 to 200 labels, this .94 to .97 on differences.

Sources:
    Angelopoulos, Bates, Fannjiang, Jordan, Zrnic 2023, doi:10.1126/science.adi6000
    Angelopoulos, Duchi, Zrnic 2023, arXiv:2311.01453 (the weight lam)
    Cochran 1977, Sampling Techniques, 7 (the regression estimator)
    Pustejovsky, Tipton 2018, doi:10.1080/07350015.2016.1247004 (CR2 and its degrees of freedom)
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_agents_results.statistics.bounded_mean import Bounds, mean_interval
from ml_agents_results.statistics.cluster_robust import ClusteredMean
from ml_agents_results.statistics.distributions import check_confidence, t_quantile
from ml_agents_results.statistics.run_columns import Array
from ml_agents_results.statistics.student_t import t_two_sided_p
from ml_agents_results.statistics.two_samples import welch_error

FEWEST_LABELS = 10
"""Labels below which there is no correction."""

FEW_LABELS = 30
NOT_RANDOM_P = 0.01
USEFUL = 1.1
"""Effective labels over labels below which the judge adds nothing worth the name."""


@dataclass(frozen=True, slots=True)
class PredictionPowered:
    """A corrected mean (or mean difference), and what people or the judge alone say.

    Attributes:
        estimate: None with fewer than `FEWEST_LABELS` labels (`few_labels`).
        weight: lam, from 0 (people alone) to 1.
        p_value: That the estimate is 0; of differences.
        human_mean, human_low, human_high: Of the labels alone, with Student's t.
        judge_mean: Of the judge over all samples; `judge_bias` is its mean less the labels' on the
            labelled ones.
        effective_labels: Labels that would say as much without the judge.
        p_random: Welch's t that the judge's mean is alike on the labelled samples and the others.
        needed: By half-width of the interval, how many labels reach it with this judge, and
            without; None where no number does.
    """

    estimate: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    method: str
    dof: float | None
    p_value: float | None
    weight: float | None
    labels: int
    others: int
    n_clusters: int | None
    human_mean: float | None
    human_se: float | None
    human_low: float | None
    human_high: float | None
    judge_mean: float | None
    judge_bias: float | None
    effective_labels: float | None
    p_random: float | None
    needed: dict[str, tuple[int | None, int | None]]
    warnings: tuple[str, ...] = ()
    null_reason: str | None = None


def corrected_mean(
    labels: Array,
    labelled: Array,
    others: Array,
    bounds: Bounds = None,
    confidence: float = 0.95,
    clusters: tuple[Array, Array] | None = None,
    half_widths: tuple[float, ...] = (),
) -> PredictionPowered:
    """The mean of what people would say of all samples.

    Args:
        labels: The values by people; `labelled` has the judge's of the same samples.
        others: The judge's values of the samples without a label.
        bounds: Of the metric: the interval is then Wilson's on the range. None for differences.
        clusters: The cluster of each labelled and of each other sample.
        half_widths: For which the labels needed are counted.
    """
    check_confidence(confidence)
    n, rest = len(labels), len(others)
    whole = np.concatenate([labelled, others])
    human = float(labels.mean()) if n else None
    human_se = float(labels.std(ddof=1)) / math.sqrt(n) if n > 1 else None
    half = t_quantile(confidence, n - 1.0) * human_se if human_se is not None else None
    plain: dict[str, Any] = {
        "level": confidence,
        "labels": n,
        "others": rest,
        "human_mean": human,
        "human_se": human_se,
        "human_low": None if human is None or half is None else human - half,
        "human_high": None if human is None or half is None else human + half,
        "judge_mean": float(whole.mean()) if len(whole) else None,
        "judge_bias": float((labelled - labels).mean()) if n else None,
        "p_random": welch_p(labelled, others),
    }
    groups = None if clusters is None else len(np.unique(np.concatenate(clusters)))
    reason = None
    if n < FEWEST_LABELS:
        reason = "few_labels"
    elif rest < 2:
        reason = "all_labelled"
    elif clusters is not None and min(len(np.unique(part)) for part in clusters) < 2:
        reason = "one_cluster"
    if reason is not None:
        return PredictionPowered(
            estimate=None, se=None, ci_low=None, ci_high=None, method="prediction-powered",
            dof=None, p_value=None, weight=None, n_clusters=groups, effective_labels=None,
            needed={}, null_reason=reason, **plain,
        )  # fmt: skip
    weight = _weight(labels, labelled, others)
    residuals = labels - weight * labelled
    estimate = weight * float(others.mean()) + float(residuals.mean())
    spread = float(((residuals - residuals.mean()) ** 2).sum()) / (n - 2)
    judged = weight**2 * float(others.var(ddof=1)) / rest
    simple = math.sqrt(judged + spread / n)
    if clusters is None:
        se, dof = simple, n - 2.0
    else:
        se, dof = _clustered(residuals, weight * others, *clusters)
    low, high, method = _interval(estimate, se, dof, n, bounds, confidence, groups)
    warnings = []
    p = 0.5
    if bounds is not None and human is not None and bounds[1] > bounds[0]:
        p = (human - bounds[0]) / (bounds[1] - bounds[0])
    effective = n * (human_se / simple) ** 2 if human_se and simple else None
    for code, holds in (
        ("few_labels", n < FEW_LABELS or n * min(p, 1.0 - p) < 3),
        ("judge_adds_nothing", effective is None or effective < USEFUL * n),
        ("labels_not_random", (plain["p_random"] or 1.0) < NOT_RANDOM_P),
        ("few_clusters", groups is not None and (groups < 20 or dof < 10)),
    ):
        if holds:
            warnings.append(code)
    return PredictionPowered(
        estimate=estimate,
        se=se or None,
        ci_low=low,
        ci_high=high,
        method=method,
        dof=dof,
        p_value=t_two_sided_p(estimate / se, dof) if se and bounds is None else None,
        weight=weight,
        n_clusters=groups,
        effective_labels=effective,
        needed={
            f"{width:g}": (
                _needed(width, spread, weight**2 * float(whole.var(ddof=1)), n + rest, confidence),
                _needed(width, float(labels.var(ddof=1)), 0.0, n + rest, confidence),
            )
            for width in half_widths
        },
        warnings=tuple(warnings),
        **plain,
    )


def _weight(labels: Array, labelled: Array, others: Array) -> float:
    variance = float(np.concatenate([labelled, others]).var(ddof=1))
    if variance <= 1e-15:
        return 0.0
    covariance = float(((labels - labels.mean()) * (labelled - labelled.mean())).mean())
    return min(1.0, max(0.0, covariance / ((1.0 + len(labels) / len(others)) * variance)))


def _interval(
    estimate: float,
    se: float,
    dof: float,
    labels: int,
    bounds: Bounds,
    confidence: float,
    groups: int | None,
) -> tuple[float | None, float | None, str]:
    if bounds is None or bounds[0] == bounds[1]:
        half = t_quantile(confidence, dof) * se
        return estimate - half, estimate + half, "prediction-powered, t"
    inside = min(bounds[1], max(bounds[0], estimate))
    mean = ClusteredMean(inside, se=se, dof=dof, n_samples=labels, n_clusters=groups)
    interval = mean_interval(mean, bounds, confidence)
    return interval.low, interval.high, "prediction-powered, Wilson on the range"


def _clustered(
    residuals: Array, judged: Array, of_labels: Array, of_others: Array
) -> tuple[float, float]:
    """The CR2 error of the sum of two means, and its degrees of freedom."""
    _, index = np.unique(np.concatenate([of_labels, of_others]), return_inverse=True)
    index = index.ravel()
    groups = int(index.max()) + 1
    pulls, parts = np.zeros(groups), []
    for values, own in (
        (residuals, index[: len(residuals)]),
        (judged, index[len(residuals) :]),
    ):
        n = float(len(values))
        sizes = np.bincount(own, minlength=groups).astype(float)
        scale = 1.0 / (n * np.sqrt(1.0 - sizes / n))
        pulls += scale * np.bincount(own, values - values.mean(), groups)
        parts.append((scale**2 * sizes, scale * sizes / math.sqrt(n)))
    diagonal = parts[0][0] + parts[1][0]
    one, two = parts[0][1], parts[1][1]
    trace = float((diagonal - one**2 - two**2).sum())
    square = float(
        (diagonal**2).sum()
        - 2.0 * (diagonal * (one**2 + two**2)).sum()
        + (one @ one) ** 2
        + (two @ two) ** 2
        + 2.0 * (one @ two) ** 2
    )
    return math.sqrt(float((pulls**2).sum())), trace**2 / square


def _needed(
    width: float, per_label: float, per_judged: float, samples: int, confidence: float
) -> int | None:
    """The fewest labels of `samples` whose interval reaches `width` to either side."""

    def reaches(labels: int) -> bool:
        error = math.sqrt(per_label / labels + per_judged / max(samples - labels, 1))
        return t_quantile(confidence, labels - 2.0) * error <= width

    low, most = FEWEST_LABELS, max(samples - 2, FEWEST_LABELS)
    # The error falls with labels up to where hardly any sample is left to the judge.
    best = next((n for n in (low, most, most * 3 // 4, most // 2) if n >= low and reaches(n)), None)
    return None if best is None else low + bisect_left(range(low, best), True, key=reaches)


def welch_p(one: Array, two: Array) -> float | None:
    """Welch's test that two means are equal; None where either has no variance to speak of."""
    if min(len(one), len(two)) < 2:
        return None
    a, b = (float(part.std(ddof=1)) / math.sqrt(len(part)) for part in (one, two))
    if a**2 + b**2 <= 1e-15:
        return None
    se, dof = welch_error((a, len(one) - 1.0), (b, len(two) - 1.0))
    return t_two_sided_p((float(one.mean()) - float(two.mean())) / se, dof)
