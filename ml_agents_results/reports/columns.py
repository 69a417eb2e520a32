"""Columns of every table: name, what heads them, kind of value, and what they mean."""

from ml_agents_results.reports.column import Column, Kind


def _column(
    name: str,
    kind: Kind,
    meaning: str,
    label: str | None = None,
    parts: tuple[str, ...] = (),
) -> Column:
    return Column(name, name.replace("_", " ") if label is None else label, kind, meaning, parts)


def _interval(of: str, kind: Kind, meaning: str) -> Column:
    """A column of the bounds `of`_low and `of`_high."""
    return _column(of, kind, meaning, "{level} CI", (f"{of}_low", f"{of}_high"))


_DECLARED = (
    # What a row is about
    _column("id", "text", "id of the run"),
    _column("experiment_id", "text", "id of the experiment", "experiment"),
    _column("variant", "text", "what is compared: one approach with one model in one experiment"),
    _column("approach_name", "text", "what was done with the question", "approach"),
    _column("provider", "text", "who serves the model"),
    _column("model", "text", "the model's name at the provider"),
    _column("task", "text", "named group of samples; (all) is over all tasks"),
    _column("baseline", "text", "the variant compared against"),
    _column("candidate", "text", "the variant compared with the baseline"),
    # Counts of runs
    _column("runs", "count", "runs of any outcome"),
    _column("graded", "count", "runs that have a value of the metric"),
    _column("scored", "count", "runs with a value of a numeric metric"),
    _column("truncated", "count", "runs cut off at the token limit before an answer"),
    _column("refused", "count", "runs that the model or a filter declined"),
    _column("metric", "text", "what the runs are measured by"),
    _column("failed", "count", "runs that ended in an error; never counted as wrong"),
    _column("unparsed", "count", "runs in whose output no answer was found"),
    _column("ungraded", "count", "runs with an answer that was not graded"),
    _column("correct", "count", "runs whose answer is right"),
    _column("samples", "count", "samples with a grade (on both sides of a comparison)"),
    _column("pairs", "count", "samples that both variants share"),
    _column("candidate_samples", "count", "samples of the candidate", "n"),
    _column("baseline_samples", "count", "samples of the baseline", "n baseline"),
    # Accuracy
    _column("accuracy", "fraction", "right answers among the graded, as a fraction"),
    _column("ci_low", "fraction", "lower bound of the interval"),
    _column("ci_high", "fraction", "upper bound of the interval"),
    _interval("ci", "fraction", "confidence interval"),
    _column(
        "accuracy_ci",
        "fraction",
        "accuracy with its interval",
        "accuracy % [{level} CI]",
        ("accuracy", "ci_low", "ci_high"),
    ),
    _column("se", "fraction", "standard error"),
    _column("accuracy_bounds_low", "fraction", "accuracy if all ungraded runs were wrong"),
    _column("accuracy_bounds_high", "fraction", "accuracy if all ungraded runs were right"),
    _column("accuracy_error_minus", "fraction", "from the accuracy down to the lower bound"),
    _column("accuracy_error_plus", "fraction", "from the accuracy up to the upper bound"),
    _column("interval_method", "text", "formula of the interval"),
    _column("method", "text", "the unit that error and interval treat as independent"),
    _column("n_clusters", "count", "clusters (tasks) that errors are clustered by"),
    _column("dof", "number", "degrees of freedom of the interval"),
    _column("confidence_level", "number", "level of the intervals"),
    _column("null_reason", "text", "why a figure is missing"),
    _column("warnings", "text", "what to keep in mind about the row"),
    # Repeats
    _column(
        "consistency", "fraction", "samples that are always right or always wrong", "consistent"
    ),
    _column(
        "pass_at_{k}", "fraction", "samples that at least one of {k} repeats gets right", "pass@{k}"
    ),
    _column("pass_hat_{k}", "fraction", "samples that all of {k} repeats get right", "pass^{k}"),
    _column("samples_at_{k}", "count", "samples with at least {k} graded repeats", "n@{k}"),
    # Times
    _column(
        "mean_execution_time_ms", "ms", "mean time of an answer without failed runs", "mean ms"
    ),
    _column("median_execution_time_ms", "ms", "median time of an answer", "median ms"),
    _column("p95_execution_time_ms", "ms", "95th percentile of the time of an answer", "p95 ms"),
    _column("timed", "count", "runs that have a time and did not fail"),
    _column("untimed", "count", "runs without a time"),
    _column("mean_ms", "ms", "mean time of an answer", "mean"),
    _column("sd_ms", "ms", "standard deviation of the times", "sd"),
    _column("geometric_mean_ms", "ms", "geometric mean of the times", "geometric mean"),
    _column("min_ms", "ms", "shortest time", "min"),
    _column("max_ms", "ms", "longest time", "max"),
    _column("quantile", "text", "share of the answers that came within the time"),
    _column("quantile_ms", "ms", "time within which that share came (type 7)", "ms"),
    _column(
        "quantile_ci", "ms", "interval from order statistics", "{level} CI", ("ci_low", "ci_high")
    ),
    _column("ratio", "number", "ratio of geometric mean times; above 1 the candidate is slower"),
    _interval("ratio_ci", "number", "confidence interval of the ratio"),
    _column("slower", "count", "samples on which the candidate took longer"),
    _column("faster", "count", "samples on which the candidate was faster"),
    # Costs
    _column("total_cost", "usd", "cost of all runs, including failed ones", "total cost"),
    _column("mean_cost", "usd", "mean cost of a run, failed ones too", "cost per run"),
    _column("mean_cost_se", "usd", "standard error of the mean cost"),
    _column(
        "cost_per_correct",
        "usd",
        "cost of all runs, failed ones too, per right answer",
        "cost per correct",
    ),
    _column(
        "graded_cost_per_correct",
        "usd",
        "cost of graded runs per right answer",
        "of graded per correct",
    ),
    _column(
        "failed_cost_share",
        "fraction",
        "share of the cost that runs without a grade have",
        "failed",
    ),
    _column("cost_per_correct_se", "usd", "standard error of the cost per right answer"),
    _column("cost_per_correct_ci_low", "usd", "lower bound of its interval"),
    _column("cost_per_correct_ci_high", "usd", "upper bound of its interval"),
    _interval("cost_per_correct_ci", "usd", "confidence interval of the cost per right answer"),
    _column("priced", "count", "runs that have a cost"),
    _column("price_coverage", "fraction", "runs that have a cost, as a fraction of all"),
    _column(
        "on_pareto_front",
        "flag",
        "whether no other variant is as accurate, as cheap and as fast, and better in one of these",
        "front",
    ),
    _column("cost_difference", "usd", "extra cost of the candidate per sample", "extra cost"),
    _interval("cost_difference_ci", "usd", "confidence interval of the extra cost"),
    _column("accuracy_difference", "points", "difference in accuracy", "points"),
    _column("cost_increment", "usd", "extra cost per further right answer", "per further correct"),
    # Differences
    _column("both_correct", "count", "samples that both variants answered right", "both"),
    _column("regressed", "count", "samples that only the baseline answered right"),
    _column("improved", "count", "samples that only the candidate answered right"),
    _column("neither_correct", "count", "samples that neither variant answered right", "neither"),
    _column("candidate_mean", "fraction", "accuracy of the candidate on these samples", "accuracy"),
    _column("baseline_mean", "fraction", "accuracy of the baseline on these samples", "baseline"),
    _column(
        "difference", "points", "accuracy of the candidate minus that of the baseline", "points"
    ),
    _column(
        "difference_plot",
        "points",
        "difference with its interval",
        "difference [{level} CI]",
        ("difference", "difference_ci_low", "difference_ci_high"),
    ),
    _column(
        "these_tasks_ci",
        "points",
        "interval of the difference for these very tasks, not for tasks like these",
        "these tasks [{level} CI]",
        ("these_ci_low", "these_ci_high"),
    ),
    _column("p_value", "p", "p value of the difference before correction", "p"),
    _column(
        "p_value_exact",
        "p",
        "p value of the exact test: McNemar's where samples have one answer",
        "p exact",
    ),
    _column(
        "p_value_adjusted",
        "p",
        "p value corrected for the tests of the same table",
        "p ({correction})",
    ),
    _column("family_size", "count", "tests that the correction is for"),
    _column("test", "text", "test that gives the p value"),
    _column("correction", "text", "how p values are corrected for the number of tests"),
    _column(
        "verdict",
        "text",
        "candidate_better, baseline_better, equivalent, non_inferior or inconclusive",
    ),
    _column("margin_test", "text", "test of the margin"),
    _column("p_non_inferior", "p", "p value of the candidate being worse by the margin or more"),
    _column("p_equivalent", "p", "p value of a difference of the margin or more"),
    _column(
        "p_non_inferior_adjusted",
        "p",
        "p_non_inferior corrected for the tests of the same table",
        "p non-inferior",
    ),
    _column(
        "p_equivalent_adjusted",
        "p",
        "p_equivalent corrected for the tests of the same table",
        "p equivalent",
    ),
    _column(
        "mde", "distance", "minimum detectable difference: the smallest shown with 80% power", "MDE"
    ),
    _column("sentence", "text", "the result in words"),
    _column("tasks", "count", "tasks that have a figure", "tasks"),
    _column("estimand", "text", "what is averaged: samples (micro) or tasks (macro), and how"),
    _column(
        "population",
        "text",
        "what the figures speak for: such tasks (tasks like these), or these tasks only",
        "speaks for",
    ),
    # Power
    _column("discordance", "fraction", "samples that only one of the variants answered right"),
    _column(
        "samples_for_precision_{size}",
        "count",
        "samples whose interval reaches {size} points to either side of the accuracy",
        "n for ±{size}",
    ),
    _column(
        "clusters_for_precision_{size}",
        "count",
        "clusters of the size seen whose interval reaches {size} points to either side",
        "clusters for ±{size}",
    ),
    _column(
        "clusters_needed_{size}",
        "count",
        "clusters of the size seen that show {size} points with 80% power",
        "clusters for {size}",
    ),
    _column(
        "samples_per_variant_{size}",
        "count",
        "samples per variant that show a gain of {size} points with 80% power (unpaired)",
        "n for {size}",
    ),
    _column(
        "samples_needed_{size}",
        "count",
        "shared samples that show {size} points with 80% power, at the discordance observed",
        "n for {size}",
    ),
    # Parsing
    _column("parsing_method", "text", "how the answer was found in the output", "method"),
    _column("rated", "count", "runs that have a parsing confidence"),
    _column(
        "mean_parsing_confidence", "number", "mean confidence of the parser, 0 to 1", "confidence"
    ),
    _column("confidence_gap", "points", "mean confidence minus accuracy", "gap"),
    _column("metrics_runs", "count", "runs that have parsing metrics"),
    _column("mean_parsing_attempts", "number", "mean number of parsers tried", "attempts"),
    _column("fallback_rate", "fraction", "runs where the first parser failed", "fallback"),
    _column("mean_extraction_time_ms", "ms", "mean time of parsing", "ms"),
    _column("parsing_errors", "count", "runs with an error in parsing", "errors"),
    _column("answered", "count", "runs that did not fail"),
    _column("unparsed_rate", "fraction", "answered runs in which no answer was found", "unparsed"),
    _column("unparsed_rate_ci_low", "fraction", "lower bound of its interval"),
    _column("unparsed_rate_ci_high", "fraction", "upper bound of its interval"),
    _column("brier", "number", "Brier score of the confidence: 0 is perfect", "Brier"),
    _column("brier_skill", "number", "skill over always stating the mean accuracy", "skill"),
    _column("calibration_error", "number", "expected calibration error", "ECE"),
    _column(
        "calibration_error_if_calibrated",
        "number",
        "the calibration error that chance alone would give",
        "ECE if calibrated",
    ),
    _column(
        "auroc", "number", "how well the confidence ranks right above wrong; 0.5 is chance", "AUROC"
    ),
    _interval("auroc_ci", "number", "confidence interval of the AUROC"),
    # Failures
    _column("input_fingerprint", "text", "identifies the question and its expected answer"),
    _column(
        "outcome",
        "text",
        "correct, wrong, scored, failed, truncated, refused, unparsed or ungraded",
    ),
    _column("of_runs", "count", "all runs of the variant"),
    _column("rate", "fraction", "share of the variant's runs", "share"),
    _column("rate_ci_low", "fraction", "lower bound of the share's interval"),
    _column("rate_ci_high", "fraction", "upper bound of the share's interval"),
    _interval("rate_ci", "fraction", "confidence interval of the share"),
    _column("dimension", "text", "what the runs of the slice have in common"),
    _column("value", "text", "the value that they have in common"),
    _column("rest_accuracy", "fraction", "accuracy of the variant's other graded runs", "rest"),
    _column("change", "text", "improved: only the candidate is right; regressed: the baseline"),
    _column("candidate_run_id", "text", "run of the candidate", "candidate's run"),
    _column("baseline_run_id", "text", "run of the baseline", "baseline's run"),
    # Runs
    _column("sample_index", "count", "which sample of its task, starting at 0", "sample"),
    _column("repeat_index", "count", "which repetition of the sample, starting at 0", "repeat"),
    _column("sample_id", "text", "the dataset's own id of the sample"),
    _column("input_text", "text", "the question"),
    _column("expected_answer", "text", "the answer key"),
    _column("raw_output", "text", "what the model wrote"),
    _column("parsed_answer", "text", "the answer found in it"),
    _column("parsing_confidence", "number", "confidence of the parser, 0 to 1"),
    _column("is_correct", "flag", "whether the answer is right; empty where it is not graded"),
    _column("score", "number", "the grade where it is not just right or wrong"),
    _column("execution_time_ms", "ms", "how long the model took"),
    _column("cost_estimate", "usd", "cost of the run"),
    _column("prompt_tokens", "count", "tokens of the question"),
    _column("completion_tokens", "count", "tokens of the answer"),
    _column("error", "text", "what ended the run without an answer"),
    _column("finish_reason", "text", "why the model stopped; length is the token limit"),
    _column("reasoning_text", "text", "what the model wrote before its answer"),
    _column("reasoning_tokens", "count", "of the answer's tokens, those of the reasoning"),
    _column("cached_tokens", "count", "of the question's tokens, those that were cached"),
    _column("created_at", "time", "when the run was recorded, UTC"),
    _column("metadata_json", "text", "everything else that was recorded, as JSON"),
    _column("parsing_attempts", "count", "parsers tried"),
    _column("fallback_used", "flag", "whether the first parser failed and another answered"),
    _column("confidence_score", "number", "confidence that the parser reported, 0 to 1"),
    _column("extraction_time_ms", "ms", "time of parsing"),
    _column("error_details", "text", "what went wrong in parsing"),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _DECLARED}
"""The columns by name."""

DIFFERENCE_COLUMNS: dict[str, Column] = COLUMNS | {
    column.name: column
    for column in (
        _column("ci_low", "points", "lower bound of the difference's interval"),
        _column("ci_high", "points", "upper bound of the difference's interval"),
        _interval("ci", "points", "confidence interval of the difference"),
        _column(
            "difference_plot",
            "points",
            "difference with its interval",
            "difference [{level} CI]",
            ("difference", "ci_low", "ci_high"),
        ),
    )
}
"""The columns of tables of differences, where intervals are those of the difference."""

_OF_MEAN = (
    _column("mean", "value", "mean of the metric over samples, in its own unit"),
    _column("sd", "value", "standard deviation over samples"),
    _column("se", "value", "standard error"),
    _column(
        "mean_ci",
        "value",
        "mean with its interval",
        "mean [{level} CI]",
        ("mean", "ci_low", "ci_high"),
    ),
)

VALUE_COLUMNS: dict[str, Column] = COLUMNS | {
    column.name: column
    for column in (
        *_OF_MEAN,
        _column(
            "accuracy_error_minus", "value", "from the mean down to the lower bound", "error -"
        ),
        _column("accuracy_error_plus", "value", "from the mean up to the upper bound", "error +"),
        _column("ci_low", "value", "lower bound of the interval"),
        _column("ci_high", "value", "upper bound of the interval"),
        _interval("ci", "value", "confidence interval"),
    )
}
"""The columns of tables of a numeric metric."""

VALUE_DIFFERENCE_COLUMNS: dict[str, Column] = DIFFERENCE_COLUMNS | {
    column.name: column
    for column in (
        *_OF_MEAN,
        _column("ci_low", "change", "lower bound of the difference's interval"),
        _column("ci_high", "change", "upper bound of the difference's interval"),
        _interval("ci", "change", "confidence interval of the difference"),
        _column("candidate_mean", "value", "mean of the candidate on these samples", "mean"),
        _column("baseline_mean", "value", "mean of the baseline on these samples", "baseline"),
        _column("difference", "change", "mean of the candidate minus that of the baseline"),
        _column(
            "these_tasks_ci",
            "change",
            "interval of the difference for these very tasks, not for tasks like these",
            "these tasks [{level} CI]",
            ("these_ci_low", "these_ci_high"),
        ),
        _column(
            "difference_plot",
            "change",
            "difference with its interval",
            "difference [{level} CI]",
            ("difference", "ci_low", "ci_high"),
        ),
        _column("better", "count", "samples on which the candidate is better"),
        _column("equal", "count", "samples on which both are the same"),
        _column("worse", "count", "samples on which the candidate is worse"),
        _column("effect_size", "number", "mean difference over its standard deviation (Hedges)"),
        _column(
            "mde",
            "value",
            "minimum detectable difference: the smallest shown with 80% power",
            "MDE",
        ),
    )
}
"""The same for a numeric metric."""


def columns(*names: str, of: dict[str, Column] = COLUMNS, **fields: object) -> tuple[Column, ...]:
    """The named columns, with values for the fields of their labels (`level`, `correction`)."""
    return tuple(of[name].filled(**fields) if fields else of[name] for name in names)
