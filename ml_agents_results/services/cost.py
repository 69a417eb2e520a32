"""What do answers cost, what does a correct one cost, and which arms are worth their price?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from ml_agents_results.records import Arm
from ml_agents_results.repositories.analysis import AnalysisRepository, ArmCounts, CostSquares
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.reports import ArmRow, arm_frame
from ml_agents_results.services.settings import Settings
from ml_agents_results.services.statistics.clusters import sample_mean
from ml_agents_results.services.statistics.cost import ParetoPoint, cost_per_correct, pareto_front

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ArmCost(ArmRow):
    """The costs of an arm in USD. A run without a cost counts as unknown, never as free.

    `total_cost` includes failed runs. `mean_cost` and `cost_per_correct` are over the graded runs
    that have a cost. `on_pareto_front` says that no other arm is at least as accurate, as cheap
    per graded run and as fast, and better in one of these; None where that cannot be told.
    """

    runs: int
    priced: int
    price_coverage: float
    total_cost: float | None
    mean_cost: float | None
    mean_cost_se: float | None
    cost_per_correct: float | None
    cost_per_correct_se: float | None
    cost_per_correct_ci_low: float | None
    cost_per_correct_ci_high: float | None
    accuracy: float | None
    mean_execution_time_ms: float | None
    on_pareto_front: bool | None
    null_reason: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CostReport:
    """Costs by arm."""

    confidence_level: float
    arms: Sequence[ArmCost]

    def to_dict(self) -> dict[str, Any]:
        return {
            "confidence_level": self.confidence_level,
            "arms": [arm.to_dict() for arm in self.arms],
        }

    def to_frame(self) -> "pd.DataFrame":
        """One row an arm, the columns of ArmCost."""
        return arm_frame(self.arms)


class CostService:
    def __init__(
        self,
        connection: Connection,
        filters: Filters | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._repository = AnalysisRepository(connection, filters, self._settings.missing)

    def report(self) -> CostReport:
        """Every arm that has runs."""
        arms: dict[Arm, list[ArmCounts]] = {}
        for part in self._repository.arms():
            arms.setdefault(part.arm, []).append(part)
        squares = self._repository.cost_squares()
        rows = [
            self._arm(arm, parts, squares.get(arm, CostSquares(0, 0)))
            for arm, parts in arms.items()
        ]
        front = pareto_front(
            [ParetoPoint(row.accuracy, row.mean_cost, row.mean_execution_time_ms) for row in rows]
        )
        return CostReport(
            self._settings.confidence,
            [replace(row, on_pareto_front=on) for row, on in zip(rows, front, strict=True)],
        )

    def _arm(self, arm: Arm, parts: Sequence[ArmCounts], squares: CostSquares) -> ArmCost:
        def total(name: str) -> float:
            return float(sum(getattr(part, name) for part in parts))

        runs, priced, n = int(total("runs")), int(total("priced")), int(total("priced_graded"))
        graded, timed = total("correct") + total("wrong"), total("timed")
        mean = sample_mean(n, total("graded_cost"), squares.graded_cost_squared)
        ratio = cost_per_correct(
            n,
            total("graded_cost"),
            squares.graded_cost_squared,
            total("priced_correct"),
            squares.correct_cost,
            confidence=self._settings.confidence,
        )
        warnings = []
        if priced < runs:
            warnings.append("cost_coverage")
        if any(part.repeats > 1 for part in parts):
            warnings.append("repeats_taken_as_independent")
        return ArmCost(
            arm=arm,
            runs=runs,
            priced=priced,
            price_coverage=priced / runs,
            total_cost=total("total_cost") if priced else None,
            mean_cost=mean.mean,
            mean_cost_se=mean.se or None,
            cost_per_correct=ratio.estimate,
            cost_per_correct_se=ratio.se,
            cost_per_correct_ci_low=ratio.ci_low,
            cost_per_correct_ci_high=ratio.ci_high,
            accuracy=total("correct") / graded if graded else None,
            mean_execution_time_ms=total("total_time_ms") / timed if timed else None,
            on_pareto_front=None,
            null_reason="no_costs" if not priced else ratio.null_reason,
            warnings=tuple(warnings),
        )
