"""Own approaches: a prompt file or a function of the user's, without packaging.

`terse=prompts/terse.md` asks with the prompt of that file; `my_module:solve`, or
`name=my_module:solve`, calls that function with each question. `@approach("name")` names a function
where it is defined.
"""

import asyncio
import hashlib
import inspect
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ml_agents_results.errors import NotFoundError, ResultsError, UsageError
from ml_agents_results.experiments.approaches.base import (
    Approach,
    Asked,
    PromptingApproach,
    Step,
    Trace,
)
from ml_agents_results.experiments.approaches.prompt_files import read_prompt
from ml_agents_results.providers.interface import Message
from ml_agents_results.recording.model_responses import read_response
from ml_agents_results.records import APPROACHES
from ml_agents_results.scoring.graders import load_function

_NAMED: dict[str, Callable[..., Any]] = {}
"""Functions of this process by the names that `approach` gave them."""

_LONGEST_ERROR = 2000
"""Characters of an exception of the user's function that are recorded."""

_ARGUMENTS = ("question", "ask", "history", "seed")
_BUILT_IN = {name.lower() for pair in APPROACHES.items() for name in pair}


F = TypeVar("F", bound=Callable[..., Any])


def approach(name: str) -> Callable[[F], F]:
    """Decorator: names a function of a question, plain or async, as an approach.

    `ExperimentConfig(approaches=[name])` then finds it, as long as its module is imported;
    `--approach module:function` finds it under this name without that. What it may take and return
    is in docs/running.md.

    Raises:
        UsageError: The name is empty, that of a built-in approach, or has one of `=:,`.
    """
    if name.lower() in _BUILT_IN or not name.strip() or set(name) & set("=:,"):
        raise UsageError(
            f"a function cannot be called {name!r}",
            "Give it a name that no built-in approach has, without = : and commas.",
        )

    def decorate(function: F) -> F:
        _NAMED[name] = function
        return function

    return decorate


class FunctionFailed(ResultsError):
    """The user's function raised an exception, or returned nothing that can be recorded."""


class PromptApproach(PromptingApproach):
    """One request with a prompt of the user's."""

    steps = ("answer",)

    def __init__(self, name: str, path: Path) -> None:
        if not path.is_file():
            raise NotFoundError(f"there is no prompt {path}", f"Check --approach {name}={path}.")
        super().__init__({"answer": read_prompt(path)})
        self.name = name


class FunctionApproach(Approach):
    """A function of the user's, plain or async, called with the question.

    It takes `question` and, if it names them, `ask` (asks the experiment's model with a prompt and
    returns the text; to be awaited in an async function), `history` and `seed`. It returns the
    output: a text, or a response of a client library.
    """

    steps = ("source",)

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._function = function
        super().__init__({"source": _source(function)})
        self.name = name
        self._arguments = _named(name, function)
        self.asks_model = "ask" in self._arguments

    async def answer(self, asked: Asked, trace: Trace) -> None:
        """Calls the function; a plain one in a thread.

        Raises:
            FunctionFailed: It raised an exception, or returned nothing that can be recorded.
            ProviderError: The model could not be asked.
        """
        loop = asyncio.get_running_loop()

        async def ask(prompt: str) -> str:
            messages = [*asked.history, Message("user", prompt)]
            completion = await asked.provider.complete(messages, seed=asked.seed)
            number = sum(step.name.startswith("ask") for step in trace.steps) + 1
            trace.steps.append(Step(f"ask {number}", prompt, completion))
            return completion.text

        def ask_and_wait(prompt: str) -> str:
            return asyncio.run_coroutine_threadsafe(ask(prompt), loop).result()

        asynchronous = inspect.iscoroutinefunction(self._function)
        offered: Mapping[str, Any] = {
            "question": asked.question,
            "ask": ask if asynchronous else ask_and_wait,
            "history": [(message.role, message.content) for message in asked.history],
            "seed": asked.seed,
        }
        call = partial(self._function, **{name: offered[name] for name in self._arguments})
        if not self._arguments:
            call = partial(self._function, asked.question)
        started = time.perf_counter()
        try:
            returned = await (call() if asynchronous else asyncio.to_thread(_called, call))
        except (ResultsError, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, ResultsError) or (task is not None and task.cancelling()):
                raise
            raise FunctionFailed(f"{self.name} was cancelled by itself") from error
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            shown = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
            raise FunctionFailed(f"{self.name} raised {shown}") from error
        self._note(returned, round(1000 * (time.perf_counter() - started)), trace)

    def _note(self, returned: object, latency_ms: int, trace: Trace) -> None:
        text, completion = read_response(returned)
        if text is None:
            raise FunctionFailed(
                f"{self.name} returned {type(returned).__name__}, not a text",
                "Return what the model wrote, or the response of a client library.",
            )
        trace.raw_output = text
        if not trace.steps:
            completion.latency_ms = latency_ms
            trace.steps.append(Step("function", "", completion))


def _called(call: Callable[[], Any]) -> Any:
    """What a function returns; one that would end its thread, or the loop, raises an exception."""
    try:
        return call()
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(repr(error)) from error


def is_own(spec: str) -> bool:
    """Whether a name is that of a prompt file or a function of the user's."""
    return "=" in spec or ":" in spec or spec in _NAMED


def own_approach(spec: str) -> Approach:
    """The approach of `name=prompt.md`, `module:function`, `name=module:function`, or a name that
    `approach` gave.

    Raises:
        UsageError, NotFoundError, InvalidFileError: There is none, or it cannot be used.
    """
    if spec in _NAMED:
        return FunctionApproach(spec, _NAMED[spec])
    name, named, source = spec.partition("=")
    if not named:
        name, source = spec.partition(":")[2], spec
    name, source = name.strip(), source.strip()
    if not name or not source:
        raise UsageError(f"{spec!r} is not an approach", "Write name=prompt.md or module:function.")
    if name.lower() in _BUILT_IN:
        raise UsageError(f"{name} is a built-in approach", "Give your own another name.")
    path = Path(source)
    if path.suffix in (".md", ".txt") or path.is_file():
        return PromptApproach(name, path)
    if ":" not in source:
        raise NotFoundError(
            f"there is no prompt {source}", "Write name=prompt.md or name=module:function."
        )
    function = load_function(source)
    if not named:
        given = (given for given, known in _NAMED.items() if known is function)
        name = next(given, name)
    return FunctionApproach(name, function)


def _named(name: str, function: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments that a function takes by name; none where it takes the question only, whatever
    it calls it."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise UsageError(f"the signature of {name} cannot be read: {error}") from error
    required = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    unknown = [name for name in required if name not in _ARGUMENTS]
    if len(required) == 1 and unknown:
        return ()
    if unknown:
        raise UsageError(
            f"{name} takes {unknown[0]!r}, which nobody gives it",
            f"It may take: {', '.join(_ARGUMENTS)}.",
        )
    return tuple(one.name for one in parameters if one.name in _ARGUMENTS)


def _source(function: Callable[..., Any]) -> str:
    """The code of the function's file, so that a change of what it calls is noticed, too."""
    unwrapped = inspect.unwrap(function)
    try:
        file = inspect.getsourcefile(unwrapped)
        text = Path(file).read_text(encoding="utf-8") if file else inspect.getsource(unwrapped)
    except (OSError, TypeError):
        text = ""
    named = f"{unwrapped.__module__}:{getattr(unwrapped, '__qualname__', '')}"
    return f"{named}\n{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
