"""Options that choose the statistics of an analysis: baseline, intervals, tests, clusters."""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.cli.help_panels import STATISTICS
from ml_agents_results.cli.option_groups import flag, option
from ml_agents_results.cli.option_values import completing, path_here
from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import choices

if TYPE_CHECKING:
    from ml_agents_results.services.analysis_options import AnalysisOptions

_option = partial(option, panel=STATISTICS)
_choice = partial(_option, None)
_flag = partial(flag, panel=STATISTICS)

METRIC = _option(
    "NAME", "Metric to report on. [default: the primary one of the experiment]", "--metric"
)
METRICS = _option(
    "NAME,...",
    "Metric to report on, or several. [default: the primary one of the experiment]",
    "--metric",
)
BASELINE = _option(
    "VARIANT",
    "Variant to compare with: an approach (within each model), a model (within each approach), or "
    "several parts joined by slashes. [default: the approach None, else the one recorded first]",
    "--baseline",
)


@dataclass(kw_only=True)
class FigureOptions:
    """How the figures of variants are computed."""

    interval: choices.IntervalMethod = _choice("Interval for accuracies.", default="wilson")
    cluster: str | None = _option(
        "COLUMN",
        "Unit to cluster standard errors by: task, sample_id, input_fingerprint, metadata:NAME (a "
        "column of your own, such as the passage) or none. [default: task if there is more than "
        "one]",
        autocompletion=completing(
            lambda: ("task", "sample_id", "input_fingerprint", "metadata:", "none")
        ),
    )
    null_cluster: choices.NullCluster = _choice(
        "Samples without a value to cluster by: an error, or each its own cluster.",
        default="error",
    )
    cluster_across_tasks: bool = _flag(
        "--cluster-across-tasks",
        "The same value is the same cluster in every task (parallel tasks, such as translations). "
        "[default: clusters lie within tasks]",
    )
    group_map: Path | None = _option(
        "FILE",
        'Families of related tasks, as JSON: {"task": "family", ...}. Errors are clustered by '
        "family; macro averages take the mean of each family first.",
        parser=path_here,
    )
    missing: choices.Missing = _choice(
        "Runs without a grade: exclude them, or count them as incorrect.", default="exclude"
    )
    confidence: float = _option(
        "NUMBER", "Confidence level of all intervals, between 0 and 1.", default=0.95
    )

    def analysis(self, **more: Any) -> "AnalysisOptions":
        """The choices of an analysis that these options and `more` name."""
        from ml_agents_results.services.analysis_options import AnalysisOptions

        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        across, families = chosen.pop("cluster_across_tasks"), families_in(chosen.pop("group_map"))
        return AnalysisOptions(across_tasks=across, families=families, **chosen, **more)


@dataclass(kw_only=True)
class ComparisonOptions(FigureOptions):
    """How variants are compared."""

    contrasts: choices.Contrasts = _choice(
        "Compare each variant with the baseline, or every pair.", default="vs-baseline"
    )
    unpaired: bool = _flag(
        "--unpaired", "Compare all samples of each variant instead of those they share."
    )
    pair_by: choices.PairingRule | None = _choice(
        "What makes samples of two variants the same one; content is the question and expected "
        "answer. [default: the data set's index or ids, else content]"
    )
    difference_interval: choices.DifferenceMethod = _choice(
        "Interval for paired differences.", default="bonett-price"
    )
    test: choices.PairedTest = _choice("P value of a paired difference.", default="mid-p")
    correction: choices.Correction = _choice("Multiple-testing correction.", default="holm")
    simultaneous: bool = _flag(
        "--simultaneous", "Widen the intervals of a table's differences so that all hold jointly."
    )
    margin: float | None = _option(
        "NUMBER", "Equivalence margin: the largest difference that does not matter, such as 0.02."
    )


def families_in(path: Path | None) -> dict[str, str]:
    """Reads a JSON file that maps tasks to families."""
    import json

    if path is None:
        return {}
    hint = 'For example: {"tracking_three": "tracking", "tracking_five": "tracking"}'
    try:
        families = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", hint) from error
    if not isinstance(families, dict) or not all(
        isinstance(name, str) for name in families.values()
    ):
        raise UsageError(f"{path} does not map tasks to families", hint)
    return families
