"""Prompt files: reading them and filling in their placeholders."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ml_agents_results.errors import InvalidFileError, NotFoundError, UsageError

if TYPE_CHECKING:
    from ml_agents_results.experiments.approaches.base import PromptingApproach

SUFFIX = ".md"

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def read_prompts(
    approaches: "Sequence[type[PromptingApproach]]", folder: Path | None
) -> dict[str, dict[str, str]]:
    """The prompts of these approaches: by approach name, by step.

    Raises:
        NotFoundError: There is no such folder.
        UsageError: The folder overrides nothing, or has a file that belongs to no step.
        InvalidFileError: A prompt is not UTF-8, or does not contain the question.
    """
    own = _overrides(approaches, folder) if folder is not None else {}
    prompts: dict[str, dict[str, str]] = {}
    for approach in approaches:
        built_in = files(__package__) / "prompts" / approach.name
        prompts[approach.name] = {
            step: own.get((approach.name, step))
            or (built_in / f"{step}{SUFFIX}").read_text(encoding="utf-8")
            for step in approach.steps
        }
    return prompts


def fill(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with its placeholders replaced; braces in the values stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), prompt)


def fingerprint(prompt: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def _overrides(
    approaches: "Sequence[type[PromptingApproach]]", folder: Path
) -> dict[tuple[str, str], str]:
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder of prompts {folder}", "Check --prompts.")
    prompts = {}
    for approach in approaches:
        for path in sorted((folder / approach.name).glob("*")):
            if path.suffix != SUFFIX or path.stem not in approach.steps:
                steps = ", ".join(f"{step}{SUFFIX}" for step in approach.steps)
                raise UsageError(
                    f"{path} is not a prompt of {approach.name}", f"Its prompts are {steps}."
                )
            prompts[approach.name, path.stem] = read_prompt(path)
    if not prompts:
        example = f"{approaches[0].name}/{approaches[0].steps[0]}{SUFFIX}"
        raise UsageError(
            f"{folder} has no prompt of the chosen approaches",
            f"Its layout is {example}.",
        )
    return prompts


def read_prompt(path: Path) -> str:
    """The text of a prompt file. Raises InvalidFileError."""
    try:
        prompt = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        what = f"the prompt {path} is not UTF-8 text"
        raise InvalidFileError(what, "Save it as UTF-8.") from None
    except OSError as error:
        what = f"the prompt {path} cannot be read: {error.strerror}"
        raise InvalidFileError(what, "Check --prompts.") from error
    if "{question}" not in prompt:
        raise InvalidFileError(
            f"the prompt {path} does not contain the question",
            "Put {question} where the question belongs.",
        )
    return prompt
