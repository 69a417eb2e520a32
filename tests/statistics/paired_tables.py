"""Figures of a 2x2 table as comparisons make them: from sums, and by the sign-flip test."""

from ml_agents_results.statistics.cluster_robust import sample_mean
from ml_agents_results.statistics.difference_sums import (
    DifferenceSums,
    matched_tango,
    pseudo_sample_interval,
)
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.paired_intervals import newcombe
from ml_agents_results.statistics.paired_table import PairedTable
from ml_agents_results.statistics.sign_flip import SignFlip, sign_flip

METHODS = ("bonett-price", "tango", "newcombe")


def interval_of(table: PairedTable, method: str, confidence: float = 0.95) -> Interval:
    if method == "newcombe":
        return newcombe(table, confidence)
    sums = DifferenceSums.of_table(table.improved, table.regressed, table.pairs)
    return (matched_tango if method == "tango" else pseudo_sample_interval)(sums, confidence)


def mcnemar_of(table: PairedTable) -> SignFlip:
    return sign_flip({1: table.improved, -1: table.regressed})


def error_of(table: PairedTable) -> float | None:
    net = float(table.improved - table.regressed)
    return sample_mean(table.pairs, net, float(table.discordant)).se or None
