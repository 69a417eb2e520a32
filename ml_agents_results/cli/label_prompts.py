"""Label prompts: shows the runs of a queue at a terminal and asks a person what they are worth."""

import sys
import time
from typing import TYPE_CHECKING

from ml_agents_results.reports.terminal import say

if TYPE_CHECKING:
    from ml_agents_results.experiments.labelling import Labelling, LabelScale
    from ml_agents_results.records import RunRecord

SHOWN = 3000
"""Characters of an output to show, its last ones."""


def ask(question: str) -> str | None:
    """What a person types; None at the end of the input, or after Ctrl-C.

    Asks on stderr: stdout is for the result.
    """
    say(f"{question}:")
    try:
        typed = sys.stdin.readline()
    except KeyboardInterrupt:
        typed = ""
    return typed.strip() if typed else None


def label_runs(labelling: "Labelling") -> int:
    """Asks for a label of every open run; returns how many there were."""
    waiting = labelling.open_runs()
    done = labelling.queue.size - len(waiting)
    labelled = 0
    for queued in waiting:
        _show(labelling, labelling.run(queued), done + labelled + 1)
        started = time.monotonic()
        answer = _ask(labelling.scale)
        if answer is None:
            break
        value, label, note = answer
        labelling.save(queued, value, label=label, note=note, seconds=time.monotonic() - started)
        labelled += 1
    return labelled


def _show(labelling: "Labelling", run: "RunRecord", number: int) -> None:
    where = f" {run.approach_name}" + (f", {run.model}" if run.model else "")
    hidden = "" if labelling.queue.blind else where
    task = f" {run.task}:{run.sample_index}" if run.task else ""
    say(f"\n{number} of {labelling.queue.size}{hidden}{task}")
    say(f"Question: {run.input_text}\nExpected: {run.expected_answer}")
    say(f"\nOutput:\n{(run.raw_output or run.parsed_answer or '')[-SHOWN:]}\n")


def _ask(scale: "LabelScale") -> tuple[float | None, str | None, str | None] | None:
    """Value, label and note; None to stop."""
    note: str | None = None
    while True:
        typed = ask(_question(scale))
        if typed in (None, "q"):
            return None
        if typed == "n":
            note = ask("Note") or None
        elif typed == "x":
            return None, "cannot tell", note
        elif (value := scale.value(typed or "")) is not None:
            return value, _label(scale, value), note
        else:
            say("That is not on the scale.")


def _question(scale: "LabelScale") -> str:
    if scale.points:
        values = f"{scale.lower:g} to {scale.upper:g}"
    else:
        values = "1 correct, 5 partly, 0 wrong" if scale.partial else "1 correct, 0 wrong"
    return f"{values}, x cannot tell, n note, q stop"


def _label(scale: "LabelScale", value: float) -> str | None:
    if scale.points:
        return None
    return {1.0: "correct", 0.5: "partly", 0.0: "wrong"}[value]
