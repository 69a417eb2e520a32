"""Options for the settings of an experiment, made from their declarations in `config`."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from ml_agents_results.cli.help_panels import MODEL, OUTPUT, QUESTIONS, SCORING
from ml_agents_results.cli.option_values import listed
from ml_agents_results.config import ProviderSettings, settings
from ml_agents_results.setting import Setting

_PANELS = {
    **dict.fromkeys(("dataset", "dataset_recipe", "samples", "repeats"), QUESTIONS),
    **dict.fromkeys(("examples", "shots", "shuffle"), QUESTIONS),
    **dict.fromkeys(("provider", "max_cost", *vars(ProviderSettings)), MODEL),
    **dict.fromkeys(("parsing", "grader", "answer_kind", "answer_pattern"), SCORING),
    "output_dir": OUTPUT,
}
"""Setting to the section of the help; the others are the command's own."""


def takes_settings(
    *, resuming: bool = False, names: Collection[str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: gives a command an option for each setting in place of its parameter `settings`,
    which receives the values that were given, by name. Settings that the command has a parameter
    for itself are left to it.

    Args:
        resuming: Only the settings that resuming may change, or that have to be given anew for an
            experiment from elsewhere.
        names: Only these settings.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        options = {
            setting.name: _option(setting, resuming)
            for setting in settings()
            # A mapping needs an option of its own.
            if setting.name not in signature.parameters
            and setting.kind != Mapping[str, str]
            and (setting.changeable or setting.reaching or not resuming)
            and (names is None or setting.name in names)
        }
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters += options.values() if parameter.name == "settings" else [parameter]

        @wraps(command)
        def with_settings(**values: Any) -> None:
            given = {name: values.pop(name) for name in options}
            command(**values, settings={k: v for k, v in given.items() if v is not None})

        # How `inspect` and `typing` let a function declare another signature than its own.
        with_settings.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_settings

    return decorate


def named_models(values: Sequence[str] | None) -> dict[str, Any]:
    """The settings of the models that were named; none where none was."""
    names = listed(values)
    if len(names) > 1:
        return {"models": names}
    return {"model": names[0]} if names else {}


def _option(setting: Setting[Any], resuming: bool) -> inspect.Parameter:
    name = f"--{setting.name.replace('_', '-')}"
    default = setting.unset or setting.default
    if resuming:
        default = "as before" if setting.changeable else "as before, and it has to be the same"
    shown = f" [default: {default}]" if default not in (None, "", False) else ""
    option = typer.Option(
        name,
        metavar=setting.metavar,
        help=setting.help + shown,
        rich_help_panel=_PANELS.get(setting.name),
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[setting.kind | None, option],
    )
