"""How options reach a command. Typer sends every value through pydantic, which takes 75 ms to
import: it is left for the values that have to be converted or checked."""

from functools import partial
from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command to which texts and defaults come as they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_as_they_are(self.get_params(ctx))
        return super().parse_args(ctx, args)


def take_as_they_are(parameters: list[Any]) -> None:
    """Lets texts and defaults of these pass without pydantic."""
    for parameter in parameters:
        parameter.process_value = partial(_processed, parameter)


def _processed(parameter: Any, context: Any, value: Any) -> Any:
    if not (_is_as_it_is(parameter, value) or context.resilient_parsing):
        return type(parameter).process_value(parameter, context, value)
    if parameter.multiple:
        value = list(value or ())
    return parameter.callback(context, parameter, value) if parameter.callback else value


def _is_as_it_is(parameter: Any, value: Any) -> bool:
    kind = parameter.type_descriptor.annotation
    if kind is str and isinstance(value, str):
        return True
    if kind == list[str] and value and all(isinstance(one, str) for one in value):
        return True
    return value is parameter.default and not parameter.required
