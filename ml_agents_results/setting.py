"""Setting: declared once with its default, meaning and bounds, and checked against them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import (
    Any,
    Generic,
    Literal,
    Self,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from ml_agents_results.errors import UsageError

T = TypeVar("T")


@dataclass(eq=False)
class Setting(Generic[T]):
    """A setting, declared once: its default, meaning, bounds, and whether resuming may change it.

    As a field of a dataclass it reads as the value that was given (None gives none), else as its
    default; on the class it reads as this declaration.

    Args:
        help: The meaning, with the unit, as the command line shows it.
        unset: The meaning of None, if that is the default.
        metavar: The name of its value in the help of the command line.
        at_least: The least value.
        above: A bound that the value must exceed.
        recorded: Whether it is recorded at its default too, because it defines the experiment.
        changeable: Whether it may change when an experiment is resumed: it says how answers are
            obtained, not what is measured.
        reaching: Whether it reaches beyond the database: it names an address, a folder, a program,
            or lets one run. A stranger's has to be given anew when the experiment is resumed.
    """

    default: T
    help: str
    unset: str = ""
    metavar: str | None = None
    at_least: float | None = None
    above: float | None = None
    recorded: bool = False
    changeable: bool = False
    reaching: bool = False
    name: str = field(init=False)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self._owner = name, owner

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__.get(self.name, self.default)
        return value

    def __set__(self, instance: object, value: T) -> None:
        if value is None or value is self:
            instance.__dict__.pop(self.name, None)
        else:
            instance.__dict__[self.name] = value

    @property
    def kind(self) -> Any:
        """The type of its values, without None: `int`, `float`, `bool`, `str`, a Literal, ..."""
        declared = get_args(_type_hints(self._owner)[self.name])[0]
        if isinstance(declared, UnionType):
            return next(kind for kind in get_args(declared) if kind is not type(None))
        return declared

    def check(self, value: object) -> None:
        """Raises UsageError if a value is of another kind or out of bounds."""
        check_value(self.name, value, self.kind, at_least=self.at_least, above=self.above)


@cache
def _type_hints(owner: type) -> dict[str, Any]:
    return get_type_hints(owner)


def check_value(
    name: str,
    value: object,
    kind: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
) -> None:
    """Raises UsageError if `value` is neither None nor a value of `kind` within the bounds.

    Texts and mappings are not shown in errors: an address may hold a password.
    """
    if value is None:
        return
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(
                f"{name} is {value!r}", f"It must be one of: {', '.join(get_args(kind))}"
            )
    elif kind is str:
        if not isinstance(value, str):
            raise UsageError(f"{name} must be a string", "Put it in quotes.")
    elif kind is bool:
        # Neither "no" nor anything else that counts as true in Python switches something on.
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}", "It must be true or false, without quotes.")
    elif kind in (int, float):
        _check_number(name, value, kind, at_least, above)
    elif not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise UsageError(f"{name} must be a mapping", "For example {input: question}.")


def _check_number(
    name: str, value: object, kind: type, at_least: float | None, above: float | None
) -> None:
    fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    number: Any = value
    if (
        not fits
        or not math.isfinite(number)
        or (at_least is not None and number < at_least)
        or (above is not None and number <= above)
    ):
        bound = "" if at_least is None else f" of at least {at_least:g}"
        bound = bound if above is None else f" above {above:g}"
        kinds = "whole number" if kind is int else "number"
        raise UsageError(f"{name} is {value!r}", f"It must be a {kinds}{bound}.")
