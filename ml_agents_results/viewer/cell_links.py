"""Links of table cells: each count leads to the runs that it counts."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from ml_agents_results.records import Variant
from ml_agents_results.reports.accuracy_report import ALL_TASKS
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.html import Link
from ml_agents_results.reports.report import Row
from ml_agents_results.reports.wording import UNKNOWN
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.viewer.run_query import RunQuery

_OUTCOMES: dict[str, tuple[str, ...]] = {
    "runs": (),
    "of_runs": (),
    "graded": ("correct", "wrong", "scored"),
    "correct": ("correct",),
    **{name: (name,) for name in ("failed", "truncated", "refused", "unparsed", "ungraded")},
}
_CHANGES = ("improved", "regressed")


def cell_links(
    labels: Mapping[Variant, str], tasks: Sequence[str] = (), *, primary: bool = True
) -> Link:
    """Links of tables whose rows are about these variants, or two of them.

    Args:
        tasks: The tasks that rows name.
        primary: Whether counts are of the primary metric: outcomes are.
    """
    named = {label: variant for variant, label in labels.items()}

    def link(row: Row, column: Column) -> str | None:
        if column.name in ("candidate_run_id", "baseline_run_id") and row.get(column.name):
            return "/run?" + urlencode({"id": row[column.name]})
        if column.name == "sample_index" and "task" in row:
            experiment = next(iter(labels)).experiment_id if labels else None
            return experiment and sample_link(experiment, row["task"] or "", row["sample_index"])
        if not primary or not row.get(column.name):
            return None
        task = _tasks(row, tasks)
        if column.name in _OUTCOMES and (variant := named.get(row.get("variant", ""))):
            outcomes = _OUTCOMES[column.name]
            if "outcome" in row and column.name == "runs":
                outcomes = (row["outcome"],)
            filters = RunFilters(variant.experiment_id, (variant,), task, outcomes)
            return RunQuery(filters).url()
        if column.name in _CHANGES and {"candidate", "baseline"} <= row.keys():
            two = named.get(row["candidate"]), named.get(row["baseline"])
            return changed_link(column.name, *two, task)
        return None

    return link


def changed_link(
    change: str, candidate: Variant | None, baseline: Variant | None, tasks: tuple[str, ...] = ()
) -> str | None:
    """The list of runs that improved or regressed."""
    if candidate is None or baseline is None:
        return None
    filters = RunFilters(
        candidate.experiment_id,
        tasks=tasks,
        change="improved" if change == "improved" else "regressed",
        candidate=candidate,
        baseline=baseline,
    )
    return RunQuery(filters).url()


def sample_link(experiment_id: str, task: str, sample_index: int) -> str:
    pairs = {"experiment": experiment_id, "task": task, "index": sample_index}
    return "/sample?" + urlencode(pairs, errors="surrogatepass")


def experiment_crumbs(experiment_id: str, name: str | None) -> list[tuple[str, str]]:
    """The way from the first page to an experiment."""
    link = "/experiment?" + urlencode({"id": experiment_id})
    return [("/", "Experiments"), (link, name or experiment_id)]


def _tasks(row: Row, tasks: Sequence[str]) -> tuple[str, ...]:
    """The task that a row is about; none if it is about all."""
    task = row.get("task", ALL_TASKS)
    if task in tasks:
        return (task,)
    return ("",) if task == UNKNOWN and "" in tasks and len(tasks) > 1 else ()
