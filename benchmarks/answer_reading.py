"""How often answers are read right, what their confidence is worth, and how fast they are scored.

    python -m benchmarks answer_reading
    python -m benchmarks.answer_reading FILE...     answers of one's own, with a person's verdicts

A file has one answer a line: question, target, output, style, and verdict (`right`, `wrong`,
`ungraded`, or a list of those that are acceptable). Without files the answers of tests/scoring/data
are read: they were mended on, so that their shares say that nothing was lost, not how often an
answer that nobody has seen is read right; docs/scoring.md has those figures.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.figures import ROOT, Figure, quick, report
from ml_agents_results.experiments.rescoring import StoredScoring
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.scoring.extraction import parse
from ml_agents_results.scoring.graders import grade

SETS = ROOT / "tests" / "scoring" / "data"
BANDS = (0.9, 0.8, 0.6, 0.0)
"""Lower ends of the bands of confidence."""

ANSWERS = 100_000
SECONDS = 60.0


class Read(NamedTuple):
    """An answer that was read: its verdicts, how it stood, and what that was worth."""

    style: str
    wanted: tuple[str, ...]
    given: str
    evidence: str | None
    confidence: float


def answers(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def read(case: dict[str, Any]) -> Read:
    question = case["question"]
    parsed = parse(
        case["output"], None, question, "regex",
        kind=case.get("kind"), choices=case.get("choices"), finish_reason=case.get("finish"),
    )  # fmt: skip
    verdict = grade(
        parsed.parsed_answer, case["target"], question=question,
        kind=case.get("kind"), choices=case.get("choices"),
    )  # fmt: skip
    given = {True: "right", False: "wrong", None: "ungraded"}[verdict.is_correct]
    wanted = case["verdict"] if isinstance(case["verdict"], list) else [case["verdict"]]
    evidence = parsed.extraction.get("evidence")
    return Read(
        case.get("style", ""), tuple(wanted), given, evidence, parsed.parsing_confidence or 0.0
    )


def tables(found: Sequence[Read]) -> None:
    """Prints right and wrong answers by style, and what evidence and confidence are worth."""
    styles: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        if len(one.wanted) == 1:
            styles[one.style][f"{one.wanted[0]} called {one.given}"] += 1
    for style, counts in sorted(styles.items()):
        print(f"{style:<18}" + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    graded = [one for one in found if one.evidence is not None]
    for name, key in (("evidence", lambda one: one.evidence), ("confidence", _band)):
        groups: dict[Any, list[bool]] = defaultdict(list)
        for one in graded:
            groups[key(one)].append(one.given in one.wanted)
        for value, met in sorted(groups.items(), key=lambda pair: str(pair[0])):
            print(f"{name} {value!s:<12} {len(met):>6} read, {sum(met):>6} as wanted")


def _band(one: Read) -> str:
    low = next(low for low in BANDS if one.confidence >= low)
    return f"from {low:g}"


def share(found: Sequence[Read], wanted: str, given: str) -> float:
    """The share of the answers with one wanted verdict that get another one."""
    of_kind = [one for one in found if one.wanted == (wanted,)]
    return sum(one.given == given for one in of_kind) / len(of_kind)


def scored_again(count: int) -> float:
    """Seconds of processor time for scoring stored answers again by `exact`."""
    cases = [case for case in answers(sorted(SETS.glob("*.jsonl"))) if len(case["output"]) < 5000]
    with TemporaryDirectory() as folder, ResultsProcessor(f"{folder}/scored.db") as processor:
        processor.save_experiment("e", {})
        processor.save_runs(
            RunRecord(
                "e", "CoT", index, model="m", input_text=f"Sample {index}. {case['question']}",
                expected_answer=case["target"], raw_output=f"{case['output']}\n",
                metadata_json={"sample": index},
            )
            for index in range(count)
            for case in (cases[index % len(cases)],)
        )  # fmt: skip
        started = time.process_time()
        StoredScoring(processor, "e", "exact", name="again", reparse=True).run()
        return time.process_time() - started


def main() -> int:
    own = [Path(name) for name in sys.argv[1:]]
    found = [read(case) for case in answers(own or sorted(SETS.glob("*.jsonl")))]
    tables(found)
    certain = [one for one in found if one.evidence is not None and one.confidence >= BANDS[0]]
    met = sum(one.given in one.wanted for one in certain) / len(certain)
    figures = [
        Figure("right answers read right", share(found, "right", "right"), "", 1.0, "all of them",
               at_least=0.96),
        Figure("wrong answers called right", share(found, "wrong", "right") or 1e-9, "", 0.01,
               "one in a hundred", at_most=1.0),
        Figure("wanted verdicts at confidence 0.9", met, "", 1.0, "all of them", at_least=0.98),
    ]  # fmt: skip
    if not own:
        count = ANSWERS // 10 if quick() else ANSWERS
        seconds = scored_again(count) * ANSWERS / count
        limit = 2 * SECONDS
        figures.append(
            Figure("scoring 100,000 answers again (cpu)", seconds, "s", limit,
                   "two cores for 60 s", at_most=1.0)
        )  # fmt: skip
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
