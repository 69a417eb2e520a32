"""The ids of the samples of one log, as texts."""

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import text
from ml_agents_results.formats.log_source import LogSource


class SampleIds:
    """Makes texts of ids and numbers samples in the order in which their ids appear."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._known: dict[str, object] = {}
        self._indexes: dict[str, dict[object, int]] = {}

    def text(self, sample_id: object) -> str:
        """The id as a text.

        Raises:
            InvalidFileError: Another sample has this text as a number, or the other way round.
        """
        known = text(sample_id) or ""
        if type(self._known.setdefault(known, sample_id)) is not type(sample_id):
            raise InvalidFileError(
                f"{self._source.name} has a sample {known} whose id is a number, and another "
                "one whose id is the same as a text",
                "Give the samples of the dataset different ids.",
            )
        return known

    def index(self, sample: object, task: str = "") -> int:
        """The number of a sample within its task, from 0 in the order of first appearance."""
        indexes = self._indexes.setdefault(task, {})
        return indexes.setdefault(sample, len(indexes))
