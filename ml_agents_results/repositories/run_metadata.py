"""Members of the metadata of runs: which there are, their texts, and what they are equal to."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Text, case, cast, func, literal, select
from sqlalchemy import type_coerce as coerced

from ml_agents_results.database.models import Run
from ml_agents_results.database.types import from_stored, to_stored
from ml_agents_results.repositories.counts import UNQUOTABLE


def metadata_keys(connection: Connection, experiment_id: str) -> Sequence[str]:
    """The members of the metadata that some of the first runs have and that can be asked for, but
    for lists and objects."""
    some = select(Run.metadata_json).where(Run.experiment_id == experiment_id).limit(50)
    found: dict[str, None] = {}
    for metadata in connection.scalars(some):
        members = metadata.items() if isinstance(metadata, dict) else ()
        found |= {name: None for name, one in members if not isinstance(one, list | dict)}
    return sorted(name for name in found if not UNQUOTABLE & set(name))


def members_of_runs(
    connection: Connection, ids: Sequence[str], names: Sequence[str], length: int
) -> dict[str, Sequence[str | None]]:
    """The members of these names, as texts of up to `length` characters; None for what a run
    does not have."""
    sqlite = connection.dialect.name == "sqlite"
    members = (func.substr(metadata_member(sqlite, name), 1, length) for name in names)
    chosen = select(Run.id, *members).where(Run.id.in_(ids))
    return {
        run_id: [None if one is None else from_stored(one) for one in values]
        for run_id, *values in connection.execute(chosen)
    }


def is_member(sqlite: bool, name: str, value: str) -> Any:
    """That a member of the metadata has this value; truth values are written as in JSON."""
    return metadata_member(sqlite, name) == literal(to_stored(value), Text)


def metadata_member(sqlite: bool, name: str) -> ColumnElement[Any]:
    """A member of the metadata of a run, as text."""
    metadata = coerced(Run.metadata_json, Text)
    if sqlite:
        # Joined to a text, an object is one, too. Older databases hold what is not JSON.
        member, kind = (
            function(metadata, f'$."{name}"') for function in (func.json_extract, func.json_type)
        )
        written = case((kind.in_(("true", "false")), kind), else_=member.concat(""))
        return case((func.json_valid(metadata), written))
    # PostgreSQL decodes no NUL; an escaped one becomes the sign for what cannot be shown.
    readable = cast(func.replace(metadata, "\\u0000", "\\ufffd"), JSON)
    return cast(func.json_extract_path_text(readable, name), Text)
