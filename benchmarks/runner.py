"""What recording costs: runs a second of the runner next to the bare client, and its memory.

The endpoint answers at once, in a process of its own; concurrency is 32. The official client makes
the same calls, with nothing parsed, graded or recorded. The runner's time goes from the new
database to the last file, schema and backups included; imports are outside for both.
"""

import asyncio
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Measured, alone, peak_memory
from tests.endpoint import EndpointProcess

CONCURRENCY = 32
QUESTIONS = 500
LEAST = 300.0
"""Recorded runs a second that the runner must reach."""

QUIET = 0.8
"""Share of a processor that the runner gets on a machine with nothing else to do."""

MEBIBYTES = 40.0
"""What the larger experiment may take beyond the smaller one."""


def recording(folder: Path, runs: int, large: int) -> Iterator[Measured]:
    os.environ["OPENAI_API_KEY"] = "none"
    with EndpointProcess() as url:
        seconds, *_ = alone(_ask, url, runs)
        client = runs / seconds
        seconds, busy, _ = alone(_record, url, runs, folder)
        few, many = (alone(_record, url, number, folder)[2] for number in (1000, large))
        with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as answer:
            endpoint = float(json.load(answer)["cpu_seconds"])
    print(
        f"       {busy / runs * 1000:.2f} ms CPU a run, {busy / seconds:.0%} of a processor; "
        f"peaks {few:.0f} and {many:.0f} MiB; the endpoint took {endpoint:.0f} s CPU"
    )
    if busy / seconds < QUIET:
        print("       the machine was not quiet: others kept the processor from what is measured")
    yield Measured(f"runner, {runs:,} runs", runs / seconds, LEAST)
    yield Measured(f"runner, {runs:,} runs, next to calls", runs / seconds, client)
    name = f"memory of {large:,} runs beyond that of 1,000"
    yield Measured(name, max(many - few, 0.0), MEBIBYTES)


def _ask(url: str, runs: int) -> tuple[float, float, float]:
    """Seconds, seconds of processor time, and MiB at the peak."""
    import openai

    async def work() -> None:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        left = iter(range(runs))

        async def worker() -> None:
            for number in left:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"Question {number}?"}]
                )

        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))

    start, busy = time.perf_counter(), time.process_time()
    asyncio.run(work())
    return time.perf_counter() - start, time.process_time() - busy, peak_memory()


def _record(url: str, runs: int, folder: Path) -> tuple[float, float, float]:
    """The same of runs asked, parsed, graded, saved, backed up and written to files."""
    import openai  # noqa: F401 - as in `_ask`, its import is not measured

    from ml_agents_results.config import DatabaseConfig, ExperimentConfig
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.processor import ResultsProcessor

    folder = folder / str(runs)
    folder.mkdir()
    dataset = folder / "questions.jsonl"
    rows = (json.dumps({"input": f"Question {n}?", "target": "42"}) for n in range(QUESTIONS))
    dataset.write_text("\n".join(rows), encoding="utf-8")
    config = ExperimentConfig.from_dict(
        {
            "dataset": str(dataset),
            "repeats": runs // QUESTIONS,
            "model": "m",
            "base_url": url,
            "concurrency": CONCURRENCY,
            "output_dir": str(folder),
        }
    )
    start, busy = time.perf_counter(), time.process_time()
    processor = ResultsProcessor(DatabaseConfig(db_path=str(folder / "runs.db")))
    summary = ExperimentRunner(config, processor).run()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    assert summary.runs == runs
    assert not summary.failed
    return seconds, busy, peak_memory()
