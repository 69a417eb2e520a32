"""The line of a samples file of lm-evaluation-harness: a question as one filter leaves it."""

from collections.abc import Callable, Sized
from contextlib import suppress
from functools import cached_property
from math import isfinite
from typing import Any

from ml_agents_results.formats.coercion import mapping, sequence, text, without_absent

_NO_ANSWER = "[invalid]"
"""What a filter gives if it finds no answer."""

_SOLUTION = "####"
_NORMALIZED: dict[str, Callable[[str], Sized]] = {"acc_norm": str, "acc_bytes": str.encode}
_OF_LINES = (
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
)


class LmEvalLine:
    """What a line says of its question, its answer and their metrics."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row

    @cached_property
    def _arguments(self) -> list[list[Any]]:
        """The arguments of each request; older files have lists instead of names."""
        named = self.row.get("arguments")
        requests = list(named.values()) if isinstance(named, dict) else sequence(named)
        return [
            list(request.values()) if isinstance(request, dict) else sequence(request)
            for request in requests
        ]

    def _argument(self, request: int, position: int) -> Any:
        known = self._arguments
        if len(known) > request and len(known[request]) > position:
            return known[request][position]
        return None

    @property
    def question(self) -> str | None:
        return text(self._argument(0, 0))

    @property
    def metrics(self) -> dict[str, Any]:
        """The values of the metrics; older lines do not list their names."""
        names = self.row.get("metrics")
        if not isinstance(names, list):
            names = [name for name in self.row if name not in _OF_LINES]
        return {
            name: self.row[name]
            for name in names
            if isinstance(name, str) and name in self.row and not name.endswith("_stderr")
        }

    @property
    def expected(self) -> str | None:
        """The expected answer in the form of the answers: of multiple choice, the choice that the
        target counts; of a solution in the style of GSM8K, what follows its last `####`."""
        target: Any = self.row.get("target")
        if choices := self.choices:
            with suppress(TypeError, ValueError):
                if 0 <= (index := int(target)) < len(choices):
                    return choices[index]
        known = text(target)
        return known if known is None else known.rpartition(_SOLUTION)[2].strip() or known

    @property
    def output(self) -> str | None:
        """The first output; of multiple choice, the log-likelihoods."""
        if self.likelihoods:
            return text(self.likelihoods)
        outputs = [sequence(answers) for answers in sequence(self.row.get("resps"))]
        return text(outputs[0][0]) if outputs and outputs[0] else None

    @property
    def answer(self) -> str | None:
        """What the filter took from the output; of multiple choice, the likeliest choice."""
        if likelihoods := self.likelihoods:
            choices = self.choices
            return choices[likelihoods.index(max(likelihoods))] if choices else None
        return None if self.has_no_answer else text(self.filtered)

    @property
    def filtered(self) -> object:
        """What the filter took from the first output."""
        filtered = self.row.get("filtered_resps")
        first = filtered[0] if isinstance(filtered, list) and filtered else filtered
        return first if not isinstance(first, list) else next(iter(first), None)

    @property
    def has_no_answer(self) -> bool:
        """Whether the filter found none."""
        return self.filtered == _NO_ANSWER

    @property
    def metadata(self) -> dict[str, Any]:
        """What runs have no field for."""
        taken = ("doc_id", "arguments", "metrics")
        kept = {name: self.row.get(name) for name in _OF_LINES if name not in taken}
        return without_absent({**kept, "generation": mapping(self._argument(0, 1))})

    @cached_property
    def likelihoods(self) -> list[float]:
        """The log-likelihood of each choice; none where answers are texts."""
        known = [_likelihood(sequence(answers)) for answers in sequence(self.row.get("resps"))]
        return [one for one in known if one is not None] if None not in known else []

    @cached_property
    def choices(self) -> list[str]:
        """The choices; their numbers where several have the same text in different contexts."""
        number = len(self.likelihoods)
        if not 1 < number <= len(self._arguments):
            return []
        choices = [self._continuation(index).strip() for index in range(number)]
        return choices if len(set(choices)) == number else list(map(str, range(number)))

    def choice_by(self, metric: str) -> str | None:
        """The answer by a metric that chooses by the likelihood per character or byte."""
        if metric not in _NORMALIZED or not self.choices:
            return None
        measure = _NORMALIZED[metric]
        means = [
            one / max(len(measure(self._continuation(index))), 1)
            for index, one in enumerate(self.likelihoods)
        ]
        return self.choices[means.index(max(means))]

    def _continuation(self, index: int) -> str:
        """A choice as lm-eval measures it: without the space that separates it from the
        question."""
        return (text(self._argument(index, 1)) or "").removeprefix(" ")


def _likelihood(answers: list[Any]) -> float | None:
    """The log-likelihood of a choice; None if the answer is something else."""
    first = answers[0] if answers else None
    if not isinstance(first, list) or len(first) != 2 or str(first[1]) not in ("True", "False"):
        return None
    try:
        likelihood = float(first[0])
    except (TypeError, ValueError):
        return None
    return likelihood if isfinite(likelihood) else -1e308
