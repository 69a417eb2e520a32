"""Reasoning approaches: the steps in which a model is asked a question.

Each approach is one small class; its prompts are files in `prompts/<Approach>/<step>.md`, which
`prompts_dir` overrides file by file. The placeholders of a file (`{question}`, `{answer}`, ...) are
replaced in one pass; any other braces, in the file or in the values, stay.
"""

from collections.abc import Sequence
from pathlib import Path

from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.approaches.base import Approach, PromptingApproach, Step, Trace
from ml_agents_results.experiments.approaches.built_in import (
    ChainOfThought,
    ChainOfVerification,
    Direct,
    ReasoningAsPlanning,
    Reflection,
    SkeletonOfThought,
    TreeOfThought,
)
from ml_agents_results.experiments.approaches.own import approach, is_own, own_approach
from ml_agents_results.experiments.approaches.program import ProgramOfThought
from ml_agents_results.experiments.approaches.prompt_files import fingerprint, read_prompts
from ml_agents_results.records import APPROACHES, canonical_approach
from ml_agents_results.sandbox.program_runner import check_possible

__all__ = ["Approach", "Step", "Trace", "approach", "load_approaches", "prompt_fingerprints"]

_CLASSES: dict[str, type[PromptingApproach]] = {
    approach.name: approach
    for approach in (
        Direct,
        ChainOfThought,
        ProgramOfThought,
        Reflection,
        ReasoningAsPlanning,
        ChainOfVerification,
        SkeletonOfThought,
        TreeOfThought,
    )
}


def load_approaches(
    names: Sequence[str], prompts_dir: Path | None = None, allow_code_execution: bool = False
) -> list[Approach]:
    """The approaches of these long or short names, or of the user's own (see `own`), in this order,
    each once.

    Args:
        prompts_dir: A folder with the layout of `prompts/`, which supplies what it lacks.
        allow_code_execution: Whether ProgramOfThought may run the programs that models write.

    Raises:
        UsageError: An unknown name, no name, or a prompt file that no approach reads.
        NotFoundError: There is no such folder.
        InvalidFileError: A prompt is not text, or does not contain the question.
    """
    given = list(dict.fromkeys(name.strip() for name in names))
    own = {name: own_approach(name) for name in given if is_own(name)}
    long_names = [name if name in own else canonical_approach(name) for name in given]
    unknown = [name for name in long_names if name not in _CLASSES and name not in own]
    known = ", ".join(s if s == long else f"{long} ({s})" for s, long in APPROACHES.items())
    if unknown or not long_names:
        what = f"there is no approach {', '.join(unknown)}" if unknown else "no approach is given"
        raise UsageError(
            what,
            f"Choose from: {known}; or write name=prompt.md, or module:function. What @approach "
            "names is known once its module is imported.",
        )
    if allow_code_execution:
        check_possible()
    built_in = [_CLASSES[name] for name in long_names if name in _CLASSES]
    prompts = read_prompts(built_in, prompts_dir)
    loaded: dict[str, Approach] = {
        name: own[name] if name in own else _CLASSES[name](prompts[name], allow_code_execution)
        for name in long_names
    }
    titles = [approach.name for approach in loaded.values()]
    if doubled := sorted({title for title in titles if titles.count(title) > 1}):
        raise UsageError(
            f"two approaches are called {doubled[0]}", "Name one otherwise: name=module:function."
        )
    return list(loaded.values())


def prompt_fingerprints(approaches: Sequence[Approach]) -> dict[str, str]:
    """SHA-256 in hex of every prompt, under `<Approach>/<step>`."""
    return {
        f"{approach.name}/{step}": fingerprint(approach.prompts[step])
        for approach in approaches
        for step in approach.steps
    }
