"""What saves cost next to the bare driver: one by one, many at once, imported.

The driver writes the same rows, ready as tuples, into the same tables with the same indexes and
pragmas.
"""

import gc
import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import count, islice
from pathlib import Path

from benchmarks.databases import Bare, database, records, responses, without_backups
from benchmarks.harness import Measured, in_turns
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord

SAVES = 300
THREE = ("f1", "rouge", "bleu")


def responses_one_by_one(folder: Path, rounds: int) -> Iterator[Measured]:
    """A platform's responses with parsing metrics; also with automatic backups, as predecessors
    save them, with a connection for every save, and as a loop of one's own records them."""
    ours, again = folder / "ours.db", folder / "again.db"
    with ExitStack() as stack:
        processor = stack.enter_context(closing(without_backups(ours)))
        looped = stack.enter_context(closing(without_backups(folder / "loop.db")))
        backed_up = stack.enter_context(closing(ResultsProcessor(str(folder / "backed-up.db"))))
        for one in (processor, backed_up):
            one.save_experiment("e", {})
        ready = [iter(list(islice(responses("e"), 1 + SAVES * (1 + rounds)))) for _ in range(2)]
        processor.save_run_result(next(ready[0]))
        bare = Bare(ours, folder / "bare.db")
        shutil.copy(bare.empty, again)
        connection = stack.enter_context(closing(bare.open(bare.empty)))
        experiment = stack.enter_context(looped.experiment("loop", config={}))
        numbers = count()

        def with_connection() -> None:
            with closing(bare.open(again)) as own:
                bare.save(own)

        def in_loop() -> None:
            sample = {"id": str(next(numbers)), "question": "What follows?"}
            with experiment.run(sample, approach="CoT", model="m") as run:
                run.raw_output = "The answer is 42. " * 170
                run.score("exact", True)

        saved, limit, with_backups, before, recorded = in_turns(
            repeated(lambda: processor.save_run_result(next(ready[0]))),
            repeated(lambda: bare.save(connection)),
            repeated(lambda: backed_up.save_run_result(next(ready[1]))),
            repeated(with_connection),
            repeated(in_loop),
            rounds=rounds,
        )
    name = f"{SAVES} durable saves"
    yield Measured(name, saved, limit)
    yield Measured(f"{name}, processor time", saved, limit)
    yield Measured(f"{name}, backed up every 100", with_backups, limit)
    yield Measured("a connection per save", before, saved)
    yield Measured(f"{SAVES} runs of a loop of one's own", recorded, limit)


def repeated(save: Callable[[], object], times: int = SAVES) -> Callable[[], None]:
    def work() -> None:
        for _ in range(times):
            save()

    return work


def runs_with_scores(folder: Path, rounds: int) -> Iterator[Measured]:
    path = folder / "scored.db"
    with closing(without_backups(path)) as processor:
        processor.save_experiment("e", {})
        ready = records("e", 2 * (1 + SAVES * (1 + rounds)), metrics=THREE)
        processor.save_run(next(ready))
        bare = Bare(path, folder / "bare.db")
        with closing(bare.open(bare.empty)) as connection:
            saved, limit = in_turns(
                repeated(lambda: processor.save_run(next(ready))),
                repeated(lambda: bare.save(connection)),
                rounds=rounds,
            )
    name = f"{SAVES} durable saves with {len(THREE)} scores"
    yield Measured(name, saved, limit)
    yield Measured(f"{name}, processor time", saved, limit)


def many_at_once(folder: Path, runs: int) -> Iterator[Measured]:
    gc.set_threshold(10_000)  # As the command line does.
    for metrics in ((), THREE):
        ready, path = tuple(records("e", runs, metrics=metrics)), folder / f"{len(metrics)}.db"
        with closing(ResultsProcessor(str(path))) as processor:
            processor.save_experiment("e", {})
            processor.save_runs(ready)
        bare = Bare(path, folder / "empty.db")

        saves = partial(_save_runs, ready, bare.empty, path)
        saved, limit = in_turns(saves, partial(bare.fill, folder / "bare.db"), rounds=5)
        scores = f" with {len(metrics)} scores each" * bool(metrics)
        yield Measured(f"save_runs of {runs:,} records{scores}, processor time", saved, limit)


def _save_runs(ready: Sequence[RunRecord], empty: Path, path: Path) -> None:
    shutil.copy(empty, path)
    with closing(ResultsProcessor(str(path))) as processor:
        processor.save_runs(ready)


def imports(folder: Path, lines: int) -> Iterator[Measured]:
    """Our own JSON lines, and a table of one's own with right or wrong and three metrics."""
    gc.set_threshold(10_000)
    own, table = folder / "runs.jsonl", folder / "answers.jsonl"
    with closing(ResultsProcessor(str(database(lines)))) as processor:
        export(processor.database, "e000", own, "jsonl")
    _write_answers(table, lines)
    for name, source in (("", own), (" with three metrics each", table)):
        filled = folder / "filled.db"
        import_file(source, filled)
        bare = Bare(filled, folder / "empty.db")
        imported = partial(import_file, source, folder / "imported.db")
        ours, limit = in_turns(imported, partial(bare.fill, folder / "bare.db"), rounds=2)
        yield Measured(f"import of {lines:,} lines{name}, processor time", ours, limit)


def import_file(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(ResultsProcessor(str(target))) as processor:
        load(processor.database, [LogSource(source)], ImportOptions())


def _write_answers(path: Path, lines: int) -> None:
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for index in range(lines):
            line = {
                "id": f"q{index // 2}",
                "prompt_name": ("base", "cot")[index % 2],
                "model": "m",
                "question": f"Question {index // 2}: what follows? " + "x" * 100,
                "response": f"The answer is {index}" + " y" * 60,
                "gold": str(index),
                "correct": chance.random() < 0.6,
                "f1": chance.random(),
                "rouge_l": round(chance.random(), 4),
                "rating": chance.randint(1, 5),
            }
            file.write(json.dumps(line) + "\n")


def into_a_large_file(_folder: Path, runs: int) -> Iterator[Measured]:
    """Durable saves into a file of so many runs, next to one of 10,000."""
    number, name, works = 200, "saves", []
    with ExitStack() as stack:
        for size in (runs, 10_000):
            processor = stack.enter_context(closing(without_backups(database(size))))
            # The files are kept for other works.
            stack.callback(processor.delete_experiment, name)
            processor.save_experiment(name, {})
            ready = map(processor.save_run_result, responses(name))
            works.append(repeated(partial(next, ready), number))
        large, small = in_turns(*works, rounds=7)
    yield Measured(f"{number} durable saves at {runs:,} runs", large, small)
