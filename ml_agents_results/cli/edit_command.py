"""edit: what people say about an experiment, and the metric that reports are about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import EXPERIMENT, resolve_id
from ml_agents_results.cli.option_groups import Names, grouped, option
from ml_agents_results.cli.option_values import listed, require_utf8
from ml_agents_results.cli.output_options import JSON, emit_json
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import write

if TYPE_CHECKING:
    from ml_agents_results.records import ExperimentRecord


@grouped
def edit(
    experiment_id: list[str] = EXPERIMENT,
    name: str | None = option("TEXT", "New name."),
    description: str | None = option("TEXT", "New description."),
    add_tag: Names = option("TAG,...", "Tags to add; with commas or repeated."),
    remove_tag: Names = option("TAG,...", "Tags to remove."),
    note: str | None = option("TEXT", "A note to add, with the time."),
    primary: str | None = option("METRIC", "Metric that reports are to be about."),
    *,
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Name, describe, tag or annotate an experiment, or choose its primary metric.

    The values of the former primary metric become scores: nothing is lost.
    """
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.metric_repository import MetricRepository

    if not any((name, description, add_tag, remove_tag, note, primary)):
        raise UsageError("nothing to change is given", "For example: --add-tag prod")
    for text in (name, description, note, primary, *(add_tag or ())):
        if text is not None:
            require_utf8(text)
    database = where.current()
    with database.read() as connection:
        chosen = resolve_id(connection, experiment_id)
    with database.write() as connection:
        experiments = ExperimentRepository(connection)
        record = experiments.get(chosen)
        changed = replace(
            record,
            name=record.name if name is None else name,
            description=record.description if description is None else description,
            tags_json=_tags(record, listed(add_tag), listed(remove_tag)),
            notes_json=[*record.notes_json, *_notes(note)],
            metrics=None,
        )
        experiments.save(changed)
        if primary is not None:
            MetricRepository(connection, chosen).make_primary(primary)
        metric = MetricRepository(connection, chosen).primary()
    document: dict[str, Any] = {
        "experiment_id": chosen,
        "name": changed.name,
        "description": changed.description,
        "tags": changed.tags_json,
        "notes": changed.notes_json,
        "metric": None if metric is None else metric.name,
    }
    if as_json:
        emit_json(document)
    else:
        tags = ", ".join(map(str, changed.tags_json)) or "none"
        measured = document["metric"] or "none"
        write(f"{chosen}: name {changed.name or '-'}, tags {tags}, metric {measured}.")


def _tags(record: "ExperimentRecord", added: list[str], removed: list[str]) -> list[Any]:
    """The tags in the order in which they came; one that is not there cannot be removed."""
    for tag in removed:
        if tag not in record.tags_json:
            known = ", ".join(map(str, record.tags_json)) or "none"
            raise UsageError(f"{record.id} has no tag {tag!r}", f"Its tags: {known}.")
    kept = [tag for tag in record.tags_json if tag not in removed]
    return list(dict.fromkeys([*kept, *added]))


def _notes(note: str | None) -> list[dict[str, str]]:
    if note is None:
        return []
    return [{"text": note, "at": datetime.now(UTC).isoformat(timespec="seconds")}]
