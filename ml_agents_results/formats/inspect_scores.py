"""Scores of Inspect's samples: what its scorers gave, as its own conversion reads it."""

from typing import Any

from ml_agents_results.formats.coercion import (
    at,
    mapping,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.grading import ANSWER, Grading
from ml_agents_results.records import ScoreRecord

VALUE = "value"
"""In the details of a score: its value where that is neither a number nor a text."""

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_MEANS = ("accuracy", "mean")


class InspectScores:
    """The scores of the samples of one log; each part of a score is a metric."""

    def __init__(self, grading: Grading, header: dict[str, Any]) -> None:
        self._grading = grading
        names = (at(one, "name") for one in sequence(at(header, "eval.scorers")))
        self._scorers = [name for name in names if isinstance(name, str)]
        self._reducer = text(at(header, "eval.config.epochs_reducer.0"))
        self._results = [*map(mapping, sequence(at(header, "results.scores")))]
        self._unlettered: set[str] = set()
        self._categories: dict[str | None, list[str]] = {}
        for result in self._results:
            if (name := text(result.get("name"))) is not None:
                self._categories.setdefault(text(result.get("scorer")), []).append(name)

    def finish(self) -> None:
        """Settles what is known when all samples have been read: that letters are Inspect's own
        scale, and what the log's own figures are."""
        for name in self._grading.metrics.keys() - self._unlettered:
            metric = self._grading.metrics[name]
            metric.lower, metric.upper, metric.higher_is_better = 0, 1, True
        self._expect_figures()

    def of(self, sample: dict[str, Any]) -> dict[str, ScoreRecord]:
        """The scores of a sample in the order of the log's scorers."""
        if sample.get("invalidation"):
            return {}
        scores = {}
        known = _scores(sample)
        names = (one for name in self._scorers for one in (name, name.rpartition("/")[2]))
        for scorer in dict.fromkeys((*(name for name in names if name in known), *known)):
            score = known[scorer]
            value, answer = score.get("value"), score.get("answer")
            explanation = score.get("explanation")
            # `includes` gives back the whole output in lower case.
            is_answer = isinstance(answer, str) and scorer.rpartition("/")[2] != "includes"
            more = without_absent({name: score.get(name) for name in ("metadata", "history")})
            if is_answer:
                more = {ANSWER: answer, **more}
            for part, inner in (value if isinstance(value, dict) else {None: value}).items():
                name = scorer if part is None else f"{scorer}.{part}"
                if not isinstance(inner, str) or inner not in _GRADES:
                    self._unlettered.add(name)
                self._grading.define(
                    name, scorer=scorer, definition=None if part is None else {"part": part}
                )
                details = {**more, VALUE: inner} if isinstance(inner, list | dict) else more
                scores[name] = ScoreRecord(
                    _graded(inner),
                    label=inner if isinstance(inner, str) else None,
                    explanation=explanation if isinstance(explanation, str) else None,
                    details_json=details or None,
                )
                scores |= self._shares(scorer, inner)
        return scores

    def _shares(self, scorer: str, value: object) -> dict[str, ScoreRecord]:
        """Whether a value is a category, for each one whose share the log states."""
        categories = [one for one in self._categories.get(scorer, ()) if one != scorer]
        if value not in categories or _graded(value) is not None:
            return {}
        for one in categories:
            self._grading.define(
                f"{scorer}.{one}", kind="binary", scorer=scorer, definition={"part": one}
            )
        return {f"{scorer}.{one}": ScoreRecord(float(one == value)) for one in categories}

    def _expect_figures(self) -> None:
        """Notes the accuracies, the means and their standard errors, as the log states them."""
        for result in self._results:
            name, scorer = text(result.get("name")), text(result.get("scorer"))
            names = [f"{scorer}.{name}", name, scorer]
            known = next((one for one in names if one in self._grading.metrics), None)
            if known is None:
                continue
            for figure, about in mapping(result.get("metrics")).items():
                value, kind = number(at(about, "value")), figure.rpartition("/")[2]
                reducer = text(result.get("reducer")) or self._reducer or "mean"
                if value is not None and kind in _MEANS:
                    how = figure if reducer == "mean" else f"{figure} ({reducer} of the epochs)"
                    self._grading.figures.expect(known, value, how)
                elif value is not None and kind == "stderr" and not at(about, "params.cluster"):
                    self._grading.figures.expect_error(known, value)


def _scores(sample: dict[str, Any]) -> dict[str, Any]:
    """All scores by scorer; older logs have a single one without a name."""
    if isinstance(sample.get("score"), dict) and not sample.get("scores"):
        return {"score": sample["score"]}
    return {
        name: {part: value for part, value in mapping(score).items() if part != "history" or value}
        for name, score in mapping(sample.get("scores")).items()
    }


def _graded(value: object) -> float | None:
    """The number that a score is, as Inspect's own `value_to_float` reads it."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return number(value)
    if value in _GRADES:
        return _GRADES[value]
    if (word := _WORDS.get(value.lower())) is not None:
        return word
    try:
        return number(float(value))
    except ValueError:
        return None
