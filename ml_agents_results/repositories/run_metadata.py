"""Members of the metadata of runs: which there are, their texts, and what they are equal to."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Text, case, cast, func, literal, select
from sqlalchemy import type_coerce as coerced

from ml_agents_results.database.models import Run
from ml_agents_results.database.types import to_stored


def metadata_keys(connection: Connection, experiment_id: str) -> Sequence[str]:
    """The members of the metadata that some of the first runs have, but for lists and
    objects."""
    some = select(Run.metadata_json).where(Run.experiment_id == experiment_id).limit(50)
    found: dict[str, None] = {}
    for metadata in connection.scalars(some):
        members = metadata.items() if isinstance(metadata, dict) else ()
        found |= {name: None for name, one in members if not isinstance(one, list | dict)}
    return sorted(found)


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
