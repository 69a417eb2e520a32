"""How often answers are read right, what their confidence is worth, and how fast they are scored.

    python -m benchmarks.answer_reading FILE...     answers of one's own, with a person's verdicts

A file has one answer a line: question, target, output, style, and verdict (`right`, `wrong`,
`ungraded`, or a list of those that are acceptable). The benchmark reads the answers of
tests/scoring/data: they were mended on, so that their shares say that nothing was lost, not how
often an answer that nobody has seen is read right; docs/scoring.md has those figures.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import ROOT, Measured
from ml_agents_results.experiments.rescoring import StoredScoring
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.scoring.extraction import parse
from ml_agents_results.scoring.graders import grade

SETS = sorted((ROOT / "tests" / "scoring" / "data").glob("*.jsonl"))
BANDS = (0.9, 0.8, 0.6, 0.0)
"""Lower ends of the bands of confidence."""


class Read(NamedTuple):
    """An answer that was read: its verdicts, how it stood, and what that was worth."""

    style: str
    wanted: tuple[str, ...]
    given: str
    evidence: str | None
    confidence: float

    @property
    def met(self) -> bool:
        return self.given in self.wanted

    @property
    def band(self) -> str:
        return f"from {next(low for low in BANDS if self.confidence >= low):g}"


def _answers(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _read(case: dict[str, Any]) -> Read:
    kind: dict[str, Any] = {name: case.get(name) for name in ("kind", "choices")}
    question = case["question"]
    parsed = parse(
        case["output"], None, question, "regex", finish_reason=case.get("finish"), **kind
    )
    verdict = grade(parsed.parsed_answer, case["target"], question=question, **kind)
    given = {True: "right", False: "wrong", None: "ungraded"}[verdict.is_correct]
    wanted = case["verdict"] if isinstance(case["verdict"], list) else [case["verdict"]]
    evidence, confidence = parsed.extraction.get("evidence"), parsed.parsing_confidence or 0.0
    return Read(case.get("style", ""), tuple(wanted), given, evidence, confidence)


def _show(read: Sequence[Read]) -> None:
    """Prints right and wrong answers by style, and what evidence and confidence are worth."""
    styles: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in read:
        if len(answer.wanted) == 1:
            styles[answer.style][f"{answer.wanted[0]} called {answer.given}"] += 1
    for style, counts in sorted(styles.items()):
        print(f"{style:<18}" + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    kinds: dict[str, Callable[[Read], object]] = {
        "evidence": lambda answer: answer.evidence,
        "confidence": lambda answer: answer.band,
    }
    for kind, key in kinds.items():
        groups: dict[str, list[bool]] = defaultdict(list)
        for answer in read:
            if answer.evidence is not None:
                groups[str(key(answer))].append(answer.met)
        for value, met in sorted(groups.items()):
            print(f"{kind} {value:<12} {len(met):>6} read, {sum(met):>6} as wanted")


def shares(_folder: Path, files: Sequence[Path] = SETS) -> Iterator[Measured]:
    read = [_read(case) for case in _answers(files)]
    _show(read)

    def share(wanted: str, given: str) -> float:
        of_kind = [answer for answer in read if answer.wanted == (wanted,)]
        return sum(answer.given == given for answer in of_kind) / len(of_kind)

    sure = [a.met for a in read if a.evidence is not None and a.confidence >= BANDS[0]]
    yield Measured("right answers read right", share("right", "right"), 1)
    yield Measured("wrong answers called right", share("wrong", "right"), 0.01)
    yield Measured("wanted verdicts at confidence 0.9", sum(sure) / len(sure), 1)


def scored_again(folder: Path, answers: int) -> Iterator[Measured]:
    """Stored answers scored again by `exact`; what fewer take is scaled to 100,000."""
    cases = [case for case in _answers(SETS) if len(case["output"]) < 5000]
    with ResultsProcessor(str(folder / "scored.db")) as processor:
        processor.save_experiment("e", {})
        processor.save_runs(
            RunRecord(
                "e",
                "CoT",
                index,
                model="m",
                input_text=f"Sample {index}. {case['question']}",
                expected_answer=case["target"],
                raw_output=f"{case['output']}\n",
                metadata_json={"sample": index},
            )
            for index in range(answers)
            for case in (cases[index % len(cases)],)
        )
        started = time.process_time()
        StoredScoring(processor, "e", "exact", name="again", reparse=True).run()
        seconds = (time.process_time() - started) * 100_000 / answers
    yield Measured("scoring 100,000 answers again", seconds, 2 * 60)


if __name__ == "__main__":
    for found in shares(Path(), [Path(name) for name in sys.argv[1:]]):
        print(f"{found.name:<34} {found.ours:.4f}")
