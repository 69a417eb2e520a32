"""Options that choose the statistics of an analysis: baseline, intervals, tests, clusters."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ml_agents_results.cli.help_panels import STATISTICS
from ml_agents_results.cli.option_values import completing
from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import choices
from ml_agents_results.statistics.choices import PairingRule

if TYPE_CHECKING:
    from ml_agents_results.services.analysis_options import AnalysisOptions

Metric = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Metric to report on. [default: the primary one of the experiment]",
        rich_help_panel=STATISTICS,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME,...",
        help="Metric to report on, or several. [default: the primary one of the experiment]",
        rich_help_panel=STATISTICS,
    ),
]
Family = Annotated[
    choices.Family,
    typer.Option(
        help="Tests that p values are corrected for: those by one metric, or those by all metrics.",
        rich_help_panel=STATISTICS,
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="VARIANT",
        help="Variant to compare with: an approach (within each model), a model (within each "
        "approach), or several parts joined by slashes. [default: the approach None, else the one "
        "recorded first]",
        rich_help_panel=STATISTICS,
    ),
]
Contrasts = Annotated[
    choices.Contrasts,
    typer.Option(
        help="Compare each variant with the baseline, or every pair.", rich_help_panel=STATISTICS
    ),
]
Unpaired = Annotated[
    bool,
    typer.Option(
        "--unpaired",
        help="Compare all samples of each variant instead of those they share.",
        rich_help_panel=STATISTICS,
    ),
]
PairBy = Annotated[
    PairingRule | None,
    typer.Option(
        "--pair-by",
        help="What makes samples of two variants the same one; content is the question and "
        "expected answer. [default: the data set's index or ids, else content]",
        rich_help_panel=STATISTICS,
    ),
]
Pooled = Annotated[
    choices.Pool | None,
    typer.Option(
        "--pool",
        metavar="experiment",
        help="Join experiments that differ in their seed: their runs are then repeats of one "
        "variant.",
        rich_help_panel=STATISTICS,
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WHAT,...",
        help="Compare variants even if their dataset, grader or metric differs.",
        autocompletion=completing(lambda: get_args(choices.Allowance)),
        rich_help_panel=STATISTICS,
    ),
]
Interval = Annotated[
    choices.IntervalMethod,
    typer.Option(help="Interval for accuracies.", rich_help_panel=STATISTICS),
]
DifferenceInterval = Annotated[
    choices.DifferenceMethod,
    typer.Option(help="Interval for paired differences.", rich_help_panel=STATISTICS),
]
Test = Annotated[
    choices.PairedTest,
    typer.Option(help="P value of a paired difference.", rich_help_panel=STATISTICS),
]
Correction = Annotated[
    choices.Correction,
    typer.Option(help="Multiple-testing correction.", rich_help_panel=STATISTICS),
]
Simultaneous = Annotated[
    bool,
    typer.Option(
        "--simultaneous",
        help="Widen the intervals of a table's differences so that all hold jointly.",
        rich_help_panel=STATISTICS,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Unit to cluster standard errors by: task, sample_id, input_fingerprint, "
        "metadata:NAME (a column of your own, such as the passage) or none. "
        "[default: task if there is more than one]",
        autocompletion=completing(
            lambda: ("task", "sample_id", "input_fingerprint", "metadata:", "none")
        ),
        rich_help_panel=STATISTICS,
    ),
]
NullCluster = Annotated[
    choices.NullCluster,
    typer.Option(
        help="Samples without a value to cluster by: an error, or each its own cluster.",
        rich_help_panel=STATISTICS,
    ),
]
AcrossTasks = Annotated[
    bool,
    typer.Option(
        "--cluster-across-tasks",
        help="The same value is the same cluster in every task (parallel tasks, such as "
        "translations). [default: clusters lie within tasks]",
        rich_help_panel=STATISTICS,
    ),
]
GroupMap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Families of related tasks, as JSON: {"task": "family", ...}. Errors are clustered by '
        "family; macro averages take the mean of each family first.",
        rich_help_panel=STATISTICS,
    ),
]
Missing = Annotated[
    choices.Missing,
    typer.Option(
        help="Runs without a grade: exclude them, or count them as incorrect.",
        rich_help_panel=STATISTICS,
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        help="Equivalence margin: the largest difference that does not matter, such as 0.02.",
        rich_help_panel=STATISTICS,
    ),
]
Confidence = Annotated[
    float,
    typer.Option(
        help="Confidence level of all intervals, between 0 and 1.", rich_help_panel=STATISTICS
    ),
]


@dataclass(kw_only=True)
class FigureOptions:
    """How the figures of variants are computed."""

    interval: Interval = "wilson"
    cluster: Cluster = None
    null_cluster: NullCluster = "error"
    cluster_across_tasks: AcrossTasks = False
    group_map: GroupMap = None
    missing: Missing = "exclude"
    confidence: Confidence = 0.95

    def analysis(self, **more: Any) -> "AnalysisOptions":
        """The choices of an analysis that these options and `more` name."""
        from ml_agents_results.services.analysis_options import AnalysisOptions

        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        across, families = chosen.pop("cluster_across_tasks"), families_in(chosen.pop("group_map"))
        return AnalysisOptions(across_tasks=across, families=families, **chosen, **more)


@dataclass(kw_only=True)
class ComparisonOptions(FigureOptions):
    """How variants are compared."""

    contrasts: Contrasts = "vs-baseline"
    unpaired: Unpaired = False
    pair_by: PairBy = None
    difference_interval: DifferenceInterval = "bonett-price"
    test: Test = "mid-p"
    correction: Correction = "holm"
    simultaneous: Simultaneous = False
    margin: Margin = None


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
