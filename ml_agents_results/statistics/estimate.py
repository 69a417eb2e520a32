"""Estimates and intervals: one shape for every figure, and one for every interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; a bound that does not exist is `None`.

    `method` names the formula, `level` the confidence level (0.95), `null_reason` says why a
    bound is missing.
    """

    low: float | None
    high: float | None
    method: str
    level: float = 0.95
    null_reason: str | None = None

    def __post_init__(self) -> None:
        _require_finite("low", self.low)
        _require_finite("high", self.high)

    @property
    def is_defined(self) -> bool:
        """Whether both bounds exist."""
        return self.low is not None and self.high is not None

    def clipped(self, low: float, high: float) -> "Interval":
        """The same interval cut to the possible range, e.g. -1..1 for a difference."""
        return Interval(
            None if self.low is None else min(max(self.low, low), high),
            None if self.high is None else max(min(self.high, high), low),
            self.method,
            self.level,
            self.null_reason,
        )

    def excludes(self, value: float) -> bool:
        """Whether both bounds exist and `value` lies outside them."""
        return (
            self.low is not None and self.high is not None and not (self.low <= value <= self.high)
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with everything needed to judge it.

    Fractions, not percentages; `p_value` is the raw p value, `p_adjusted` the one corrected over
    `family_size` tests. `denominators` says what was counted. Raises ValueError for NaN and
    infinity: an undefined figure is `None`, and `null_reason` says why.
    """

    estimate: float | None
    method: str
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    level: float = 0.95
    n_samples: int = 0
    n_runs: int = 0
    n_clusters: int | None = None
    dof: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    family_size: int | None = None
    denominators: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    null_reason: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("estimate", "se", "ci_low", "ci_high", "dof", "p_value", "p_adjusted"):
            _require_finite(name, getattr(self, name))

    @property
    def interval(self) -> Interval:
        """The interval, named as the figure is."""
        return Interval(self.ci_low, self.ci_high, self.method, self.level, self.null_reason)

    def to_dict(self) -> dict[str, Any]:
        """The result object for JSON: `ci` is a pair, or null when neither bound exists."""
        no_interval = self.ci_low is None and self.ci_high is None
        return {
            "estimate": self.estimate,
            "se": self.se,
            "ci": None if no_interval else [self.ci_low, self.ci_high],
            "level": self.level,
            "method": self.method,
            "n_samples": self.n_samples,
            "n_runs": self.n_runs,
            "n_clusters": self.n_clusters,
            "dof": self.dof,
            "p": self.p_value,
            "p_adjusted": self.p_adjusted,
            "family_size": self.family_size,
            "denominators": dict(sorted(self.denominators.items())),
            "warnings": list(self.warnings),
            "null_reason": self.null_reason,
            "seed": self.seed,
        }


def _require_finite(name: str, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number or None, got {value!r}")
