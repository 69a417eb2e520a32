"""What the columns of exports mean, and how their values are shown to people."""

from typing import Literal, NamedTuple

Kind = Literal["text", "count", "number", "fraction", "ms", "usd", "p", "flag", "time"]


class Definition(NamedTuple):
    kind: Kind
    meaning: str


COLUMNS: dict[str, Definition] = {
    # What a row is about
    "id": Definition("text", "the id of the run"),
    "experiment_id": Definition("text", "the id of the experiment"),
    "variant": Definition(
        "text", "what is compared: one approach with one model in one experiment"
    ),
    "approach_name": Definition("text", "the reasoning approach"),
    "provider": Definition("text", "who serves the model"),
    "model": Definition("text", "the model's name at the provider"),
    "task": Definition("text", "the group of samples; (all) is over all tasks"),
    "baseline": Definition("text", "the variant that is compared with"),
    "candidate": Definition("text", "the variant that is compared"),
    # Counts of runs
    "runs": Definition("count", "runs of any outcome"),
    "graded": Definition("count", "runs that are right or wrong"),
    "failed": Definition("count", "runs that ended in an error; never counted as wrong"),
    "unparsed": Definition("count", "runs in whose output no answer was found"),
    "ungraded": Definition("count", "runs with an answer that was not graded"),
    "correct": Definition("count", "runs whose answer is right"),
    "samples": Definition("count", "samples with a grade (on both sides of a comparison)"),
    # Accuracy
    "accuracy": Definition("fraction", "right answers among the graded, as a fraction"),
    "ci_low": Definition("fraction", "lower bound of the interval"),
    "ci_high": Definition("fraction", "upper bound of the interval"),
    "se": Definition("fraction", "standard error"),
    "accuracy_bounds_low": Definition(
        "fraction", "the accuracy if every run without a grade were wrong"
    ),
    "accuracy_bounds_high": Definition(
        "fraction", "the accuracy if every run without a grade were right"
    ),
    "accuracy_error_minus": Definition("fraction", "from the accuracy down to the lower bound"),
    "accuracy_error_plus": Definition("fraction", "from the accuracy up to the upper bound"),
    "interval_method": Definition("text", "the formula of the interval"),
    "method": Definition("text", "what the error and the interval take for independent"),
    "n_clusters": Definition("count", "clusters (tasks) that errors are clustered by"),
    "dof": Definition("number", "degrees of freedom of the interval"),
    "confidence_level": Definition("number", "the level of the intervals"),
    "null_reason": Definition("text", "why a figure is missing"),
    "warnings": Definition("text", "what to keep in mind about the row"),
    # Times and costs
    "mean_execution_time_ms": Definition("ms", "mean time of an answer, failed runs left out"),
    "median_execution_time_ms": Definition("ms", "median time of an answer"),
    "p95_execution_time_ms": Definition("ms", "95th percentile of the time of an answer"),
    "total_cost": Definition("usd", "cost of all runs that have one, failed ones included"),
    "mean_cost": Definition("usd", "mean cost of a graded run"),
    "mean_cost_se": Definition("usd", "standard error of the mean cost"),
    "cost_per_correct": Definition("usd", "cost of the graded runs for each right answer"),
    "cost_per_correct_se": Definition("usd", "standard error of the cost per right answer"),
    "cost_per_correct_ci_low": Definition("usd", "lower bound of its interval"),
    "cost_per_correct_ci_high": Definition("usd", "upper bound of its interval"),
    "priced": Definition("count", "runs that have a cost"),
    "price_coverage": Definition("fraction", "runs that have a cost, as a fraction of all"),
    "on_pareto_front": Definition(
        "flag", "no other variant is as accurate, as cheap and as fast, and better in one of these"
    ),
    # Differences
    "both_correct": Definition("count", "samples that both variants answered right"),
    "regressed": Definition("count", "samples that only the baseline answered right"),
    "improved": Definition("count", "samples that only the candidate answered right"),
    "neither_correct": Definition("count", "samples that neither variant answered right"),
    "difference": Definition("fraction", "accuracy of the candidate minus that of the baseline"),
    "p_value": Definition("p", "p value of the difference, before correction"),
    "p_value_exact": Definition("p", "p value of McNemar's exact test"),
    "p_value_adjusted": Definition("p", "p value corrected for the tests of the same table"),
    "family_size": Definition("count", "tests that the correction is for"),
    "test": Definition("text", "the test that gives the p value"),
    "correction": Definition("text", "how p values are corrected for the number of tests"),
    "verdict": Definition("text", "candidate_better, baseline_better, equivalent or inconclusive"),
    "mde": Definition("fraction", "smallest difference that the pairs show with 80% power"),
    "sentence": Definition("text", "the result in words"),
    # Parsing
    "parsing_method": Definition("text", "how the answer was found in the output"),
    "rated": Definition("count", "runs that have a parsing confidence"),
    "mean_parsing_confidence": Definition("number", "mean confidence of the parser, 0 to 1"),
    "confidence_gap": Definition("fraction", "mean confidence minus accuracy"),
    "metrics_runs": Definition("count", "runs that have parsing metrics"),
    "mean_parsing_attempts": Definition("number", "mean number of parsers tried"),
    "fallback_rate": Definition("fraction", "runs where the first parser failed"),
    "mean_extraction_time_ms": Definition("ms", "mean time of parsing"),
    "parsing_errors": Definition("count", "runs with an error on the way to the answer"),
    "answered": Definition("count", "runs that did not fail"),
    "unparsed_rate": Definition("fraction", "answered runs in which no answer was found"),
    "unparsed_rate_ci_low": Definition("fraction", "lower bound of its interval"),
    "unparsed_rate_ci_high": Definition("fraction", "upper bound of its interval"),
    "brier": Definition("number", "Brier score of the confidence: 0 is perfect"),
    "brier_skill": Definition("number", "skill over always saying the mean accuracy"),
    "calibration_error": Definition("number", "expected calibration error"),
    "calibration_error_if_calibrated": Definition(
        "number", "the calibration error that chance alone would give"
    ),
    "auroc": Definition("number", "how well the confidence ranks right above wrong; 0.5 is chance"),
    # Failures
    "input_fingerprint": Definition("text", "what identifies the question and its expected answer"),
    "outcome": Definition("text", "correct, wrong, failed, unparsed or ungraded"),
    "of_runs": Definition("count", "all runs of the variant"),
    "rate": Definition("fraction", "the share of the variant's runs"),
    "rate_ci_low": Definition("fraction", "lower bound of the share's interval"),
    "rate_ci_high": Definition("fraction", "upper bound of the share's interval"),
    "dimension": Definition("text", "what the runs of the slice have in common"),
    "value": Definition("text", "the value that they have in common"),
    "rest_accuracy": Definition("fraction", "accuracy of the variant's other graded runs"),
    "change": Definition("text", "gain: only the candidate is right; regression: the baseline"),
    "candidate_run_id": Definition("text", "the run of the candidate"),
    "baseline_run_id": Definition("text", "the run of the baseline"),
    # Runs
    "sample_index": Definition("count", "the place of the sample in its task, from 0"),
    "repeat_index": Definition("count", "the how-many-eth time the sample was asked, from 0"),
    "sample_id": Definition("text", "the data set's own id of the sample"),
    "input_text": Definition("text", "the question"),
    "expected_answer": Definition("text", "the answer key"),
    "raw_output": Definition("text", "what the model wrote"),
    "parsed_answer": Definition("text", "the answer found in it"),
    "parsing_confidence": Definition("number", "confidence of the parser, 0 to 1"),
    "is_correct": Definition("flag", "whether the answer is right; empty where it is not graded"),
    "score": Definition("number", "the grade, where grading is not yes or no"),
    "execution_time_ms": Definition("ms", "how long the model took"),
    "cost_estimate": Definition("usd", "what the run cost"),
    "prompt_tokens": Definition("count", "tokens of the question"),
    "completion_tokens": Definition("count", "tokens of the answer"),
    "error": Definition("text", "what ended the run without an answer"),
    "created_at": Definition("time", "when the run was made, UTC"),
    "metadata_json": Definition("text", "everything else that was recorded, as JSON"),
    "parsing_attempts": Definition("count", "parsers tried"),
    "fallback_used": Definition("flag", "whether the first parser failed and another answered"),
    "confidence_score": Definition("number", "confidence that the parser reported, 0 to 1"),
    "extraction_time_ms": Definition("ms", "time of parsing"),
    "error_details": Definition("text", "what went wrong in parsing"),
}

UNITS: dict[Kind, str] = {"fraction": "fraction", "ms": "ms", "usd": "USD", "time": "UTC"}
