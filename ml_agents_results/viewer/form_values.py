"""Form values: numbers and lists out of what a form or a link sent."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ml_agents_results.errors import UsageError


def require_known(params: Iterable[str], known: Collection[str]) -> None:
    """Raises UsageError for a parameter that a page does not take."""
    if unknown := sorted(set(params) - set(known)):
        raise UsageError(
            f"there is no parameter {', '.join(map(repr, unknown))}", f"Known: {', '.join(known)}"
        )


def number_of(value: Any) -> float | None:
    """None for what is empty. Raises UsageError for what is not a number."""
    if value in (None, ""):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{str(value)[:50]!r} is not a number", "Write it like 0.5.")
    return number


def whole_of(value: Any, otherwise: int) -> int:
    """A whole number. Raises UsageError for what is not one."""
    number = number_of(value)
    if number is None:
        return otherwise
    if number != int(number) or not -(2**62) < number < 2**62:
        raise UsageError(f"{number:g} is not a whole number of use", "Write it like 50.")
    return int(number)


def list_of(value: Any) -> Sequence[Any]:
    """Empty for what is not a list."""
    return value if isinstance(value, list) else []
