"""What recording costs: runs a second of the runner beside the bare client, and memory as it grows.

    python benchmarks/runner_overhead.py [--runs 3000] [--large 20000]

The endpoint answers at once, in a process of its own; concurrency is 32. Beside it, the official
client makes the same calls as its documentation shows, with nothing parsed, graded or recorded.
The runner's time goes from the new database to the last file, schema and backups included; imports
are outside for both. Times are this machine's, and the endpoint takes its share of it.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.figures import Figure, report
from tests.endpoint import EndpointProcess

CONCURRENCY = 32
QUESTIONS = 500
LEAST = 300.0
"""Recorded runs a second that the runner must reach."""

QUIET = 0.8
"""Share of a processor that the runner gets on a machine with nothing else to do."""

GROWTH_MB = 40.0
"""Memory that twenty times as many runs may take beyond the smaller experiment."""


def bare(url: str, runs: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, of calls by the client alone."""
    import openai

    async def work() -> tuple[float, float]:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        left = iter(range(runs))

        async def worker() -> None:
            for number in left:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"Question {number}?"}]
                )

        start, busy = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        return time.perf_counter() - start, time.process_time() - busy

    return asyncio.run(work())


def recorded(url: str, runs: int, folder: str) -> tuple[float, float]:
    """The same of runs asked, parsed, graded, saved, backed up and written to files."""
    import openai  # noqa: F401 - as in `bare`, its import is not measured

    from ml_agents_results.config import DatabaseConfig, ExperimentConfig
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.processor import ResultsProcessor

    dataset = Path(folder) / "questions.jsonl"
    rows = (json.dumps({"input": f"Question {n}?", "target": "42"}) for n in range(QUESTIONS))
    dataset.write_text("\n".join(rows), encoding="utf-8")
    config = ExperimentConfig.from_dict(
        {
            "dataset": str(dataset),
            "repeats": runs // QUESTIONS,
            "model": "m",
            "base_url": url,
            "concurrency": CONCURRENCY,
            "output_dir": folder,
        }
    )
    start, busy = time.perf_counter(), time.process_time()
    processor = ResultsProcessor(DatabaseConfig(db_path=str(Path(folder) / f"{runs}.db")))
    summary = ExperimentRunner(config, processor).run()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    assert summary.runs == runs
    assert not summary.failed
    return seconds, busy


@dataclass(frozen=True)
class Measured:
    """One measurement.

    Attributes:
        rate: Calls or runs a second.
        busy_ms: Processor time of each, in ms.
        share: The share of one processor that the measured process got.
        endpoint: The same of the endpoint.
        peak_mb: Peak memory of the measured process.
    """

    rate: float
    busy_ms: float
    share: float
    endpoint: float
    peak_mb: float


def measure(kind: str, url: str, runs: int) -> Measured:
    """One measurement in a process of its own."""
    before = endpoint_seconds(url)
    ended = subprocess.run(
        [sys.executable, __file__, "--measure", kind, "--url", url, "--runs", str(runs)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )
    found: dict[str, float] = json.loads(ended.stdout)
    seconds, busy = found["seconds"], found["busy"]
    return Measured(
        runs / seconds,
        busy / runs * 1000,
        busy / seconds,
        (endpoint_seconds(url) - before) / seconds,
        found["peak_mb"],
    )


def endpoint_seconds(url: str) -> float:
    """Processor time that the endpoint has taken so far."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as answer:
        return float(json.load(answer)["cpu_seconds"])


def child(kind: str, url: str, runs: int) -> None:
    if kind == "bare":
        seconds, busy = bare(url, runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            seconds, busy = recorded(url, runs, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "busy": busy, "peak_mb": peak}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--large", type=int, default=20_000)
    parser.add_argument("--measure", choices=["bare", "recorded"])
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    if options.measure:
        child(options.measure, options.url, options.runs)
        return 0
    with EndpointProcess() as url:
        measured = {
            f"bare client, {options.runs:,} calls": (client := measure("bare", url, options.runs)),
            f"runner, {options.runs:,} runs": (runner := measure("recorded", url, options.runs)),
            "runner, 1,000 runs": (small := measure("recorded", url, 1000)),
            f"runner, {options.large:,} runs": (large := measure("recorded", url, options.large)),
        }
    print(f"{'':26}  a second  processor ms each  its share  endpoint's  peak memory")
    for name, one in measured.items():
        print(
            f"{name:26}  {one.rate:8.0f}  {one.busy_ms:17.2f}  {one.share:9.0%}"
            f"  {one.endpoint:10.0%}  {one.peak_mb:8.0f} MB"
        )
    if runner.share < QUIET:
        print("The machine was not quiet: others kept the processor from what is measured.")
    name, growth = f"runner, {options.runs:,} runs", large.peak_mb - small.peak_mb
    return report(
        [
            Figure(name, runner.rate, "runs/s", LEAST, "asked", at_least=1),
            Figure(f"{name}, beside calls", runner.rate, "runs/s", client.rate, "bare client"),
            Figure(
                f"memory of {options.large:,} runs beyond that of 1,000",
                max(growth, 0.0),
                "MB",
                GROWTH_MB,
                "allowed",
                at_most=1,
            ),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
