"""Memory of the process: what the C library keeps for the next page, and what it gives back."""

import ctypes
import gc
import sys
from typing import Any

_TRIM_THRESHOLD, _ARENA_MAX = -1, -8
_KEPT = 8 * 1024 * 1024


def keep_for_next_page() -> None:
    """Lets all threads share their memory, of which some stays with the process.

    By default each thread gives the memory of a page back and takes it anew for the next one,
    which costs a third of the time of a page.
    """
    if (library := _c_library()) is not None:
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)


def give_back() -> None:
    """Gives the system what an analysis took: some of it waits for garbage collection, the rest
    for the C library."""
    gc.collect()
    if (library := _c_library()) is not None:
        library.malloc_trim(0)


def _c_library() -> Any:
    """The one of GNU; None elsewhere."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
