"""Stored answers scored again: by the code that read and graded them first; no model is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.scoring import kinds
from ml_agents_results.scoring.built_in_graders import GRADERS
from ml_agents_results.scoring.extraction import ENDPOINT_REASON, VERSION, ParsedAnswer, parse
from ml_agents_results.scoring.graders import Grader, grade
from ml_agents_results.scoring.kinds import AnswerKind, Guess
from ml_agents_results.scoring.verdicts import Verdict


class Rescored(NamedTuple):
    """One stored answer, scored again.

    Attributes:
        parsed: What was read now; None where the stored reading was kept.
        verdict: The grader's.
    """

    parsed: ParsedAnswer | None
    verdict: Verdict


@dataclass(frozen=True)
class Rescoring:
    """How stored answers are scored again.

    Attributes:
        grader: The grader with its settings.
        reparse: Whether answers are read anew from the raw outputs. A person's reading (`manual`)
            is kept all the same; without it only answers that were never read are.
        kind: The kind of all answers; None takes what is stored with the run, else each target's.
        pattern: A regular expression with one group that finds the answer.
        by_task: The kind of each task, where it was guessed from stored targets (`guess_kinds`).
    """

    grader: Grader
    reparse: bool = False
    kind: AnswerKind | None = None
    pattern: str | None = None
    by_task: "dict[str, Guess] | None" = None

    @property
    def definition(self) -> dict[str, Any]:
        """What the metric's definition holds: equal ones give equal scores."""
        return {
            "grader": self.grader.definition,
            "reparse": self.reparse,
            "extractor": VERSION,
            "answer_kind": self.kind
            or {task: guess.describe() for task, guess in (self.by_task or {}).items()},
            "answer_pattern": self.pattern,
        }

    def score(self, run: RunRecord) -> Rescored:
        """Scores one run; it is not changed.

        Raises:
            UsageError, ResultsError: As `grade` does.
        """
        metadata = run.metadata_json or {}
        guess = (self.by_task or {}).get(run.task or "")
        kind = self.kind or metadata.get("answer_kind") or (guess.kind if guess else None)
        labels = metadata.get("labels") or (guess.labels if guess else ())
        question, choices = run.input_text or "", metadata.get("choices")
        answer, parsed = run.parsed_answer, None
        unread = self.reparse or answer is None
        if unread and run.raw_output is not None and run.parsing_method != "manual":
            parsed = parse(
                run.raw_output,
                None,
                question,
                "regex",
                kind=kind,
                choices=choices,
                labels=labels,
                finish_reason=metadata.get(ENDPOINT_REASON)
                or run.finish_reason
                or metadata.get("finish_reason"),
                pattern=self.pattern,
            )
            answer = parsed.parsed_answer
        verdict = grade(
            answer,
            run.expected_answer,
            self.grader,
            question=question,
            output=run.raw_output,
            choices=choices,
            kind=kind,
            labels=labels,
            metadata=metadata,
        )
        if verdict.label == "unparsed" and parsed is not None and parsed.outcome is not None:
            verdict = verdict._replace(label=parsed.outcome)
        return Rescored(parsed, verdict)


def metric_of(
    grader: Grader,
    definition: dict[str, Any],
    *,
    name: str | None = None,
    is_primary: bool = False,
) -> MetricRecord:
    """The metric whose values a grader produces; its kind is None where only they tell it."""
    bounded = grader.name in GRADERS or grader.scale == "binary"
    return MetricRecord(
        name or grader.name,
        grader.scale,
        lower=0 if bounded else None,
        upper=1 if bounded else None,
        higher_is_better=True if bounded else None,
        scorer="grader",
        definition_json=definition,
        is_primary=is_primary,
    )


def guess_kinds(runs: Iterable[RunRecord]) -> dict[str, Guess]:
    """The kind of each task, guessed from the targets that are stored with its runs."""
    targets: dict[str, list[str]] = {}
    shown: dict[str, list[dict[str, str]]] = {}
    seen: set[tuple[str, int]] = set()
    for run in runs:
        key = (run.task or "", run.sample_index)
        if run.expected_answer is None or key in seen:
            continue
        seen.add(key)
        choices = (run.metadata_json or {}).get("choices")
        expected = kinds.expectation(run.input_text or "", None, choices)
        targets.setdefault(key[0], []).append(run.expected_answer)
        shown.setdefault(key[0], []).append(dict(expected.options))
    return {task: kinds.guess(targets[task], shown[task]) for task in targets}
