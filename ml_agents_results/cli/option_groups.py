"""Options: declared with metavar, help and section, alone or as the fields of a group."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, Protocol, get_type_hints

import typer

Names = list[str] | None
"""Values of an option that takes several, with commas or repeated."""


def option(
    metavar: str | None,
    help: str,
    *names: str,
    default: Any = None,
    panel: str | None = None,
    **settings: Any,
) -> Any:
    """An option, as the default of a parameter or field; `...` is the default of a required one.

    Args:
        names: How it is written; none is the name of the parameter.
        panel: The section of the help that it stands in.
        settings: Further ones of `typer.Option`.
    """
    return typer.Option(
        default, *names, metavar=metavar, help=help, rich_help_panel=panel, **settings
    )


def flag(name: str, help: str, *, default: Any = False, **settings: Any) -> Any:
    """An option without a value; see `option`."""
    return option(None, help, name, default=default, **settings)


def argument(metavar: str, help: str, *, default: Any = ...) -> Any:
    """An argument without a name."""
    return typer.Argument(default, metavar=metavar, help=help)


class OptionGroup(Protocol):
    """Options that the metadata of a parameter declares: `Annotated[dict[str, Any], group]`."""

    def parameters(self, taken: Collection[str]) -> list[Parameter]:
        """One parameter for each option, without those that the command has itself."""
        ...

    def value(self, given: dict[str, Any]) -> Any:
        """What the command receives."""
        ...


class _DataclassGroup:
    """The fields of a dataclass as options."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def parameters(self, _taken: Collection[str]) -> list[Parameter]:
        hints = get_type_hints(self._kind)
        return [
            Parameter(
                field.name,
                Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=hints[field.name],
            )
            for field in fields(self._kind)
        ]

    def value(self, given: dict[str, Any]) -> Any:
        return self._kind(**given)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of its groups in place of the parameters that receive them.

    A group is a dataclass, with an option for each field, or an `OptionGroup`.
    """
    declared = inspect.signature(command, eval_str=True).parameters
    parameters: list[Parameter] = []
    groups: dict[str, tuple[OptionGroup, list[str]]] = {}
    for parameter in declared.values():
        if (group := _group(parameter.annotation)) is None:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        options = group.parameters(declared)
        groups[parameter.name] = group, [one.name for one in options]
        parameters += options

    @wraps(command)
    def expanded(**given: Any) -> None:
        for name, (group, names) in groups.items():
            given[name] = group.value({one: given.pop(one) for one in names})
        command(**given)

    expanded.__annotations__ = {one.name: one.annotation for one in parameters}
    # How `inspect` and `typing` let a function declare another signature than its own.
    vars(expanded)["__signature__"] = inspect.Signature(parameters)
    return expanded


def _group(annotation: Any) -> OptionGroup | None:
    if is_dataclass(annotation):
        return _DataclassGroup(annotation)
    metadata = getattr(annotation, "__metadata__", ())
    return next((one for one in metadata if hasattr(one, "parameters")), None)
