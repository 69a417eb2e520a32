"""Items on disk: what is read before it can be used, and may be too large to hold."""

import pickle
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Generic, TypeVar

_IN_MEMORY = 64 * 1024
_T = TypeVar("_T")


class Spool(Generic[_T]):
    """Keeps items in the order they are added, in memory while they are small.

    The file has no name and only this process can read it.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._end = 0

    def add(self, item: _T) -> int:
        """Adds an item and returns the offset that `get` takes."""
        offset = self._end
        self._file.seek(offset)
        pickle.dump(item, self._file, pickle.HIGHEST_PROTOCOL)
        self._end = self._file.tell()
        return offset

    def get(self, offset: int) -> _T:
        self._file.seek(offset)
        item: _T = pickle.load(self._file)
        return item

    def __iter__(self) -> Iterator[_T]:
        """The items in their order. Others may be read meanwhile."""
        offset = 0
        while offset < self._end:
            item = self.get(offset)
            offset = self._file.tell()
            yield item
        self._file.close()
