"""grade: asks a person for answers that no parser found, or for labels of random runs."""

import getpass
from typing import TYPE_CHECKING, Any

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import EXPERIMENT, resolve_id
from ml_agents_results.cli.help_panels import LABELS
from ml_agents_results.cli.label_prompts import SHOWN, ask, label_runs
from ml_agents_results.cli.option_groups import Names, grouped, option
from ml_agents_results.cli.output_options import JSON, emit_json
from ml_agents_results.cli.selection_options import APPROACHES, MODELS, TASKS, filters_of
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say, write

if TYPE_CHECKING:
    from ml_agents_results.experiments.labelling import Labelling
    from ml_agents_results.experiments.regrading import Regrading
    from ml_agents_results.processor import ResultsProcessor


@grouped
def grade(
    experiment_id: list[str] = EXPERIMENT,
    run_id: str | None = option("RUN_ID", "Run whose answer you have read."),
    answer: str | None = option("TEXT", "The answer of that run."),
    random: int | None = option(
        "N", "Draw N runs at random into a queue and label them.", panel=LABELS, min=1
    ),
    queue: str | None = option(
        "NAME", "Queue to go on with; with --random, the name of the new one.", panel=LABELS
    ),
    seed: int | None = option("N", "Seed of the drawing. [default: 0]", panel=LABELS),
    metric: str | None = option(
        "NAME", "Metric that the labels are scores of. [default: human]", panel=LABELS
    ),
    scale: str | None = option(
        "SCALE", "correct, partial, or a range such as 1-10. [default: correct]", panel=LABELS
    ),
    whole_samples: bool | None = option(
        None,
        "Draw N samples with all their runs, so that approaches are compared on the same ones.",
        "--whole-samples",
        panel=LABELS,
        show_default=False,
    ),
    blind: bool | None = option(
        None,
        "Hide approach and model. [default: blind]",
        "--blind/--not-blind",
        panel=LABELS,
        show_default=False,
    ),
    author: str | None = option(
        "NAME", "Name of the person who labels. [default: your login name]", panel=LABELS
    ),
    approach: Names = APPROACHES,
    model: Names = MODELS,
    task: Names = TASKS,
    *,
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Read answers that no parser found, or label random runs; `score` grades by rules.

    Labels are scores of a metric of their own. How their runs were drawn is kept with each, so
    that figures for all runs may be inferred from them.
    """
    from ml_agents_results.experiments.labelling import HUMAN, Labelling, LabelScale, draw_queue
    from ml_agents_results.experiments.platform_files import rewrite_platform_files
    from ml_agents_results.experiments.regrading import Regrading
    from ml_agents_results.processor import ResultsProcessor

    labels = random is not None or queue is not None
    reading = run_id is not None or answer is not None
    drawing = (seed, metric, scale, whole_samples, blind, approach, model, task)
    if (run_id is None) != (answer is None):
        raise UsageError("--run-id and --answer go together", "Give both or neither.")
    if labels and reading:
        raise UsageError("--run-id is not for labels", "Leave out --random and --queue.")
    if random is None and any(option is not None for option in drawing):
        raise UsageError("these options say how runs are drawn, and none are", "Add: --random 50")
    if author is not None and not labels:
        raise UsageError("--author is for labels", "Add --random or --queue.")
    database = where.current()
    with database.read() as connection:
        experiment = resolve_id(connection, experiment_id)
    document: dict[str, Any] = {"experiment_id": experiment}
    with ResultsProcessor(database) as processor:
        if labels:
            author = author or getpass.getuser()
            if random is None:
                labelling = _continued(processor, experiment, queue or "", author)
            else:
                drawn = draw_queue(
                    processor,
                    experiment,
                    random,
                    seed=seed or 0,
                    metric=metric or HUMAN,
                    scale=None if scale is None else LabelScale.of(scale),
                    filters=filters_of(approach_name=approach, model=model, task=task),
                    blind=blind is not False,
                    author=author,
                    name=queue,
                    whole_samples=bool(whole_samples),
                )
                counts = f"{drawn.size} of {drawn.population} runs, seed {drawn.seed}"
                say(f"Queue {drawn.name}: {counts}.")
                labelling = Labelling(processor, experiment, drawn, author)
            labelled = label_runs(labelling)
            document |= {
                "queue": labelling.queue.name,
                "metric": labelling.queue.metric,
                "author": labelling.author,
                "labelled": labelled,
                "open": len(labelling.open_runs()),
            }
        else:
            grading = Regrading(processor, experiment)
            document["grader"] = grading.grader
            if run_id is not None and answer is not None:
                run = grading.correct(run_id, answer)
                document.update(read=1, run_id=run_id, is_correct=run.is_correct)
            else:
                document["read"] = _read_by_hand(grading)
            rewrite_platform_files(database, experiment)
    if as_json:
        emit_json(document)
    else:
        write(", ".join(f"{name}: {value}" for name, value in document.items()))


def _continued(
    processor: "ResultsProcessor", experiment_id: str, name: str, author: str
) -> "Labelling":
    """Labels of a queue that was drawn before."""
    from ml_agents_results.experiments.labelling import Labelling
    from ml_agents_results.repositories.queue_repository import QueueRepository

    with processor.database.read() as connection:
        queue = QueueRepository(connection, experiment_id).get(name)
    return Labelling(processor, experiment_id, queue, author)


def _read_by_hand(grading: "Regrading") -> int:
    """Shows every run without an answer and asks for it; returns how many were read."""
    read = 0
    for run in grading.unread():
        output = (run.raw_output or "")[-SHOWN:]
        say(f"\n{run.approach_name} {run.task}:{run.sample_index} ({run.id})")
        say(f"Question: {run.input_text}\n\nOutput:\n{output}\n")
        answer = ask("The answer it states (Enter: none, q: stop)")
        if answer in (None, "q"):
            break
        if answer:
            grading.correct(run.id or "", answer)
            read += 1
    return read
