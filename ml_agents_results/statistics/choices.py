"""Choices of an analysis: the names of its methods, each set declared once.

This module imports nothing: the command line reads it for its help and completion.
"""

from typing import Literal

IntervalMethod = Literal["wilson", "jeffreys", "clopper-pearson", "bayes-uniform"]
"""Intervals of an accuracy, keys of `proportions.INTERVAL_METHODS`."""

DifferenceMethod = Literal["bonett-price", "tango", "newcombe"]
"""Intervals of a paired difference."""

PairedTest = Literal["mid-p", "exact"]
"""P values of a paired test."""

Correction = Literal["holm", "fdr_bh", "bonferroni", "none"]
"""What is done about the number of tests: keys of `multiplicity.CORRECTIONS`, or nothing."""

Missing = Literal["exclude", "incorrect"]
"""What a run without a grade counts as: nothing, or a wrong answer."""

NullCluster = Literal["error", "singleton"]
"""What a sample without a value to cluster by is: an error, or a cluster of its own."""

Contrasts = Literal["vs-baseline", "all-pairs"]
"""Which variants are compared: each with the baseline, or every pair."""

Family = Literal["metric", "metrics"]
"""What p values are corrected for: the tests by one metric, or those by all metrics."""

Pool = Literal["experiment"]
"""What variants may differ in and still be one, whose runs are repeats."""

Allowance = Literal["dataset", "grader", "metric", "model"]
"""What variants may differ in, besides their approach, and still be compared."""

PairingRule = Literal["sample_index", "sample_id", "content"]
"""What makes two samples the same one: their index in one data set, the data set's own id, or the
question with its expected answer and its occurrence."""
