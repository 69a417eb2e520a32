"""The words for codes and figures: the same in tables, reports and papers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.reports.column import Kind

UNKNOWN = "-"
SMALLEST_PRINTED_P = 1e-300

EXPLANATIONS = {
    "conflicting_targets": "some questions occur with several expected answers; each is a sample "
    "of its own",
    "cost_coverage": "some runs have no cost; totals and means are over those that have one",
    "coverage": "more than 5% of the runs have no grade, or the variants differ in that by "
    "more than 2 points",
    "datasets_differ": "the two experiments ran on different datasets",
    "difference_not_resolved": "the accuracies do not differ clearly, so a price per further right "
    "answer means nothing",
    "duplicate_content": "some questions occur more than once with the same expected answer; "
    "--cluster input_fingerprint treats them as one",
    "experiment_without_runs": "an experiment that was named has no runs that pass the filters",
    "definitions_differ": "the metrics of the two experiments have the same name and other "
    "definitions",
    "few_clusters": "few tasks (or other clusters): intervals that speak for tasks like these are "
    "wide on purpose; for these very tasks only see the rows `these tasks`, or --cluster none",
    "few_discordant": "few samples were answered right by one variant only: the test has little "
    "power, and in clusters intervals may be too narrow",
    "few_tasks": "fewer than five tasks, or three variants, have no ranks over tasks",
    "few_labels": "fewer than 30 labels, or nearly all alike: the interval may be too narrow",
    "few_pairs": "fewer than ten samples are labelled for both variants: their corrected means are "
    "compared, which takes more labels",
    "few_seeds": "fewer than five seeds: the interval for seeds like these has few degrees of "
    "freedom",
    "few_samples": "there are few samples: intervals may be too narrow",
    "graders_differ": "the two experiments were graded differently",
    "few_disagreements": "fewer than 10 runs are rated differently: intervals may be too narrow",
    "failed_costs": "more than 5% of the money went to runs that failed or have no grade",
    "few_correct": "fewer than 10 right answers: a cost per right answer has no interval",
    "ids_over_indexes": "the ids of samples contradict their indexes; pairs are by id",
    "independent_runs": "quantiles, shares and calibration take runs as independent, however "
    "errors are clustered elsewhere",
    "same_variants": "several experiments have the same variants: where they are seeds of one "
    "study, --pool experiment joins them",
    "pooled_experiments": "the experiments are pooled: their runs are repeats of the same samples, "
    "and the figures speak for these seeds",
    "looking_early": "the study is not done, or ended when it was decided: intervals and p values "
    "are those that hold at every look",
    "not_shuffled": "the questions were not asked in random order: what is there may be the easy "
    "part (run --shuffle SEED)",
    "too_early": "too few samples, or too few that differ, for an interval that holds at each look",
    "metrics_differ": "the two experiments are measured by DIFFERENT METRICS: their difference "
    "means something only if both are on the same scale",
    "judge_adds_nothing": "the judge says little of what people say: the labels alone are as good",
    "labels_not_random": "the judge's mean differs between labelled and other samples (p < .01): "
    "were the labelled ones chosen?",
    "labels_skipped": "some runs of the queue were passed over: if those were the hard ones, the "
    "labels are no random part",
    "all_labelled": "every sample has a label: nothing is left for the judge",
    "mixed_grades": "some answers to a sample were graded differently; each counts by its share",
    "negative_component": "a component of variance came out below 0 and counts as 0",
    "no_answers": "most runs have a grade and no parsed answer: there is no majority",
    "one_seed": "one seed says nothing of others like it",
    "unbalanced": "samples were asked a different number of times by the seeds; means are compared",
    "mismatched_inputs": "some paired samples differ in question or expected answer: are these the "
    "same dataset?",
    "within_models": "approaches are compared within each model; --baseline with the name of a "
    "model compares the models within each approach",
    "within_approaches": "models are compared within each approach",
    "several_baselines": "each variant is compared with the one that is most like it: of the same "
    "model or of the same approach; --baseline with a whole variant compares all with that one",
    "models_differ": "the model differs as well: the approach is not the only difference",
    "n_lt_2": "one sample is too few for an error bar",
    "no_correct": "no answer was correct",
    "no_costs": "no run has a cost",
    "no_differences": "both variants have the same value on every sample",
    "partly_asked": "asked a part of the samples only: the first may be the easy ones",
    "no_discordant": "both variants answered exactly the same samples right",
    "no_graded_runs": "no run was graded",
    "no_repeats": "no sample was asked more than once",
    "no_shared_samples": "the variants share no graded sample; compare --unpaired uses all that "
    "each variant was asked",
    "no_values": "no run has this value",
    "no_double_ratings": "no run has two ratings",
    "not_categories": "the values are numbers on no scale of at most 101 steps",
    "not_connected": "some variants are only ever better, or only ever worse, than the others",
    "null_clusters": "some samples have no value to cluster by; each is a cluster of its own",
    "one_category": "all ratings are the same",
    "one_class": "all answers are right, or all are wrong",
    "one_cluster": "one task (or other cluster) is too few for a clustered error; --cluster none "
    "treats samples as independent",
    "one_distinct_confidence": "every run has the same confidence",
    "one_unit_decides": "one rating alone makes the difference: the coefficient has no error",
    "outputs_not_read": "there are too many runs to read their outputs; slices by length and by "
    "answer marker are left out",
    "population_changed": "runs were added or changed after the labelled ones were drawn: the "
    "labels are a random part of those before",
    "partial_overlap": "some samples were graded in one variant only and are left out of the pairs",
    "sample_ids_not_unique": "an id stands for several samples of a task and pairs nothing; pairs "
    "are by question and expected answer",
    "separated": "it is never better, or never worse: its strength is infinite",
    "shared_samples_unpaired": "the variants share samples; a paired comparison is more precise",
    "skewed_ratings": "more than 80% of the ratings are the same category: kappa is low at high "
    "agreement, so look at the matrix",
    "skewed": "the values are very skewed: the interval may be too narrow on one side",
    "small_tasks": "some tasks have fewer than 10 samples: what varies within them is hardly known",
    "tasks_show_nothing": "so few tasks cannot show a difference between so many variants, however "
    "large it is: the groups over tasks say nothing",
    "too_few_repeats": "no sample was asked that often",
    "unequal_epochs": "samples were asked a different number of times; each weighs the same",
    "unjudged_labels": "some labelled samples have no value of the judge and are left out",
    "values_outside_bounds": "the mean lies outside the bounds that the metric declares; the "
    "interval does without them",
    "zero_between_cluster_variance": "all tasks (or other clusters) agree exactly",
    "zero_variance": "all values are equal",
}


def explain(code: str) -> str:
    """A warning or the reason for a missing figure, in words."""
    return EXPLANATIONS.get(code, code.replace("_", " "))


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.7553 as `75.5%`; `-` for what is not known."""
    return UNKNOWN if fraction is None else f"{100 * fraction:.{digits}f}%"


def points(fraction: float | None, digits: int = 1) -> str:
    """A difference in percentage points with its sign: 0.1298 as `+13.0`."""
    return UNKNOWN if fraction is None else f"{100 * fraction:+.{digits}f}"


def milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def moment(time: datetime) -> str:
    """A time in UTC: `2026-11-23 10:15:00`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def file_size(count: float) -> str:
    """A number of bytes: 1536 is `1.5 KiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def decimal(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def format_p(p: float | None) -> str:
    """A p value: `0.0428`, `1.6e-28`, `<1e-300`; `-` for what is not known."""
    if p is None:
        return UNKNOWN
    if p < SMALLEST_PRINTED_P:
        return "<1e-300"
    return f"{p:.3g}" if p >= 0.001 else f"{p:.1e}"


def measured(value: float | None, *, signed: bool = False) -> str:
    """A value of a numeric metric in its own unit, with three decimals or four digits: `0.562`,
    `7.670`, `61.25`, `1,234`; a difference with its sign."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    digits = 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
    if 0 < size < 0.01:
        return f"{value:{'+' if signed else ''}.3g}"
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.lstrip("+-") if not text.strip("+-0.,") else text


def dollars(value: float | None) -> str:
    """Three significant digits, so that a tenth of a cent does not become nothing."""
    if value is None:
        return UNKNOWN
    sign, size = ("-", -value) if value < 0 else ("", value)
    return sign + (f"${size:,.2f}" if size >= 1 or size == 0 else f"${size:.3g}")


def shown(value: Any, kind: "Kind") -> str:
    """A value as people read it; `-` for what is not known.

    A tuple is the bounds of an interval, `[60.5, 64.6]`, or a figure and those bounds,
    `62.6 [60.5, 64.6]`; fractions are then in percent without the sign.
    """
    if isinstance(value, tuple):
        *figure, low, high = (_number(part, kind, bare=True) for part in value)
        bounds = "" if value[-2] is None and value[-1] is None else f"[{low}, {high}]"
        return " ".join(filter(None, (*figure, bounds))) or UNKNOWN
    return _number(value, kind)


def _number(value: Any, kind: "Kind", *, bare: bool = False) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    match kind:
        case "fraction":
            return f"{100 * value:.1f}" if bare else percent(value)
        case "points":
            return points(value)
        case "distance":
            return f"{100 * value:.1f}"
        case "value":
            return measured(value)
        case "change":
            return measured(value, signed=True)
        case "usd":
            return dollars(value)
        case "ms":
            return milliseconds(value)
        case "p":
            return format_p(value)
        case "number":
            return decimal(value, 3)
        case _:
            return f"{value:,}"


def level_text(level: float) -> str:
    """A confidence level: 0.95 is `95%`."""
    return f"{100 * level:.4g}%"


CORRECTIONS = {"holm": "Holm", "fdr_bh": "Benjamini-Hochberg", "bonferroni": "Bonferroni"}


def correction_text(correction: str, tests: int) -> str:
    """What was done about the number of tests: `Holm over 3 tests`."""
    if correction == "none":
        return "uncorrected"
    return f"{CORRECTIONS[correction]} over {tests} test{'' if tests == 1 else 's'}"
