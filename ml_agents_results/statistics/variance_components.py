"""Variance components: how much of a mean's error comes from the samples, from the seeds (or
prompts) and from asking again, and what more of each would buy.

Crossed random effects by the mean squares of the analysis of variance: every seed answers every
sample. The error for new seeds adds their variance; that for these very seeds does not.

Source: Satterthwaite 1946, doi:10.2307/3002019 (degrees of freedom); Searle, Casella, McCulloch
1992, Variance Components, 4
"""

import math
from dataclasses import dataclass

import numpy as np

from ml_agents_results.statistics.distributions import t_quantile
from ml_agents_results.statistics.run_columns import Array

FEW_SEEDS = 5


@dataclass(frozen=True, slots=True)
class Components:
    """What a mean over samples and seeds varies by.

    Attributes:
        sample, seed, sample_x_seed, repeat: Variances of one answer; below 0 they are given as 0
            (`negative_component`). `repeat` is None where nothing was asked twice, and then part of
            `sample_x_seed`; `seed` is None for a single seed.
        se_these, se_new: The error of the mean for these seeds, and for seeds like these.
        repeats: How often a sample was asked by a seed, the harmonic mean.
    """

    mean: float
    samples: int
    seeds: int
    repeats: float
    sample: float
    seed: float | None
    sample_x_seed: float
    repeat: float | None
    se_these: float
    dof_these: float
    se_new: float | None
    dof_new: float | None
    warnings: tuple[str, ...] = ()

    def interval(self, confidence: float, *, new_seeds: bool) -> tuple[float, float] | None:
        """Student's t interval of the mean."""
        se, dof = (self.se_new, self.dof_new) if new_seeds else (self.se_these, self.dof_these)
        if se is None or dof is None:
            return None
        half = t_quantile(confidence, dof) * se
        return self.mean - half, self.mean + half

    def predicted_se(self, samples: int, seeds: int, repeats: float, *, new_seeds: bool) -> float:
        """The error of the mean of a study of another size."""
        inner = self.sample_x_seed / (samples * seeds)
        inner += (self.repeat or 0.0) / (samples * seeds * repeats)
        variance = self.sample / samples + inner
        if new_seeds and self.seed is not None:
            variance += self.seed / seeds
        return math.sqrt(variance)


def components(means: Array, repeats: Array, within: float | None) -> Components | None:
    """The components from the mean of every sample (rows) and seed (columns).

    None for fewer than two samples.

    Args:
        repeats: How many answers each of these means has.
        within: The variance of answers to the same sample by the same seed; None where nothing was
            asked twice.
    """
    n, seeds = means.shape
    if n < 2:
        return None
    often = float(repeats.size / (1.0 / repeats).sum())
    mean = float(means.mean())
    of_samples, of_seeds = means.mean(axis=1), means.mean(axis=0)
    ms_sample = seeds * often * float(((of_samples - mean) ** 2).sum()) / (n - 1)
    warnings = ["unbalanced"] if len(np.unique(repeats)) > 1 else []
    se_these, dof_these = math.sqrt(ms_sample / (n * seeds * often)), n - 1.0
    if seeds == 1:
        residual = within or 0.0
        return Components(
            mean, n, 1, often, max(0.0, (ms_sample - residual) / often), None, 0.0, within,
            se_these, dof_these, None, None, (*warnings, "one_seed"),
        )  # fmt: skip
    ms_seed = n * often * float(((of_seeds - mean) ** 2).sum()) / (seeds - 1)
    left = means - of_samples[:, None] - of_seeds[None, :] + mean
    ms_cross = often * float((left**2).sum()) / ((n - 1) * (seeds - 1))
    raw = {
        "sample": (ms_sample - ms_cross) / (seeds * often),
        "seed": (ms_seed - ms_cross) / (n * often),
        "sample_x_seed": (ms_cross - (within or 0.0)) / often,
    }
    if min(raw.values()) < 0.0:
        warnings.append("negative_component")
    if seeds < FEW_SEEDS:
        warnings.append("few_seeds")
    numerator = ms_sample + ms_seed - ms_cross
    floor = max(ms_sample, ms_seed)
    squares = sum(
        ms**2 / dof
        for ms, dof in (
            (ms_sample, n - 1),
            (ms_seed, seeds - 1),
            (ms_cross, (n - 1) * (seeds - 1)),
        )
    )
    dof_new = max(numerator, floor) ** 2 / squares if squares > 0.0 else float(seeds - 1)
    return Components(
        mean=mean,
        samples=n,
        seeds=seeds,
        repeats=often,
        sample=max(0.0, raw["sample"]),
        seed=max(0.0, raw["seed"]),
        sample_x_seed=max(0.0, raw["sample_x_seed"]),
        repeat=within,
        se_these=se_these,
        dof_these=dof_these,
        se_new=math.sqrt(max(numerator, floor) / (n * seeds * often)),
        dof_new=dof_new,
        warnings=tuple(warnings),
    )
