"""Options for the settings of an experiment, made from their declarations in `config`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from ml_agents_results.cli.help_panels import MODEL, OUTPUT, QUESTIONS, SCORING
from ml_agents_results.cli.option_groups import option
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

_METAVARS = {str: "NAME", int: "N", float: "NUMBER"}


@dataclass(frozen=True)
class SettingOptions:
    """An option for each setting; the command receives the values that were given, by name.

    Attributes:
        resuming: Only the settings that resuming may change, or that have to be given anew for an
            experiment from elsewhere.
        names: Only these settings.
    """

    resuming: bool = False
    names: Collection[str] | None = None

    def parameters(self, taken: Collection[str]) -> list[Parameter]:
        """One parameter for each setting, without those that the command has itself."""
        return [
            Parameter(
                setting.name,
                Parameter.KEYWORD_ONLY,
                default=self._option(setting),
                annotation=setting.kind | None,
            )
            for setting in settings()
            # A mapping needs an option of its own.
            if setting.name not in taken
            and setting.kind != Mapping[str, str]
            and (setting.changeable or setting.reaching or not self.resuming)
            and (self.names is None or setting.name in self.names)
        ]

    def value(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value is not None}

    def _option(self, setting: Setting[Any]) -> Any:
        default = setting.unset or setting.default
        if self.resuming:
            default = "as before" if setting.changeable else "as before, and it has to be the same"
        shown = f" [default: {default}]" if default not in (None, "", False) else ""
        name = f"--{setting.name.replace('_', '-')}"
        panel = _PANELS.get(setting.name)
        return option(
            setting.metavar or _METAVARS.get(setting.kind), setting.help + shown, name, panel=panel
        )


def named_models(values: Sequence[str] | None) -> dict[str, Any]:
    """The settings of the models that were named; none where none was."""
    names = listed(values)
    if len(names) > 1:
        return {"models": names}
    return {"model": names[0]} if names else {}
