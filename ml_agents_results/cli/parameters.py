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
        if not parameter.multiple:
            parameter.process_value = partial(_processed, parameter)


def _processed(parameter: Any, context: Any, value: Any) -> Any:
    is_text = parameter.type_descriptor.annotation is str and isinstance(value, str)
    if not is_text and (parameter.required or value is not parameter.default):
        return type(parameter).process_value(parameter, context, value)
    return parameter.callback(context, parameter, value) if parameter.callback else value
