"""Other tools at the same work: recording a run, and comparing two variants on paired samples.

They live in build/peers (`make bench-peers`), where `peer_programs` runs once for each.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.databases import APPROACHES, fill, responses
from benchmarks.harness import ROOT, Measured, in_turns
from benchmarks.saving import SAVES, repeated
from ml_agents_results.processor import ResultsProcessor

PYTHON = ROOT / "build" / "peers" / "bin" / "python"


def recording(folder: Path) -> Iterator[Measured]:
    for peer in ("mlflow", "optuna", "inspect"):
        if measured := _ask(peer, folder):
            with closing(ResultsProcessor(str(folder / f"{peer}-ours.db"))) as processor:
                processor.save_experiment("e", {})
                saves = map(processor.save_run_result, responses("e"))
                [ours] = in_turns(repeated(partial(next, saves)), rounds=1)
            yield Measured(
                f"{peer}, a run", measured["seconds"] * 1000, ours.wall[0] * 1000 / SAVES
            )


def comparison(folder: Path, pairs: int) -> Iterator[Measured]:
    """Processor time of whole programs: ours clusters by task, of theirs see `peer_programs`."""
    database = folder / "pairs.db"
    with closing(ResultsProcessor(str(database))) as processor:
        fill(processor, 2 * pairs, text=200)
        for side, approach in zip("ab", APPROACHES, strict=True):
            with (folder / f"{side}.jsonl").open("w", encoding="utf-8") as file:
                for run in processor.iter_runs("e000"):
                    if run.approach_name == approach:
                        line = {"id": run.sample_index, "task": run.task, "correct": run.is_correct}
                        file.write(json.dumps(line) + "\n")
    command = [str(Path(sys.executable).with_name("ml-agents")), "compare", "--json"]
    command += ["--experiment-ids", "e000", "--db-path", str(database)]
    taken = []
    for _ in range(3):
        before = _cpu_of_children()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(_cpu_of_children() - before)
    for peer in ("evalstats", "abeval", "inspect_logs"):
        if peer == "inspect_logs":
            _ask("write_inspect_logs", folder)
        before = _cpu_of_children()
        if result := _ask(peer, folder):
            failed = "" if result["ended"] != "OverflowError" else ", ends with OverflowError"
            name = f"{peer.replace('_', ' ')}, {pairs:,} pairs{failed}"
            yield Measured(name, _cpu_of_children() - before, median(taken))


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ask(peer: str, folder: Path) -> dict[str, Any] | None:
    """What it measured; None where it is not installed, which is printed."""
    if not PYTHON.exists():
        sys.exit(f"{PYTHON} does not exist; `make bench-peers` makes it")
    program = str(ROOT / "benchmarks" / "peer_programs.py")
    ended = subprocess.run(
        [str(PYTHON), program, peer, str(folder)], check=True, stdout=subprocess.PIPE
    )
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    if "missing" in result:
        print(f"       {peer} is not installed: {result['missing']}")
        return None
    return result
