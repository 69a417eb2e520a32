"""What recording costs: runs a second of the runner beside the bare client, and memory as it grows.

    python benchmarks/runner_overhead.py [--runs 3000] [--large 20000]

The endpoint answers at once, in a process of its own; concurrency is 32. The limit is the official
client making the same calls with nothing parsed, graded or recorded. Ratios travel, times do not:
with two cores the endpoint, the client and the recorder share them.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.endpoint import EndpointProcess

CONCURRENCY = 32
QUESTIONS = 500
LEAST = 300.0
"""Recorded runs a second that the runner must reach."""

GROWTH_MB = 40.0
"""Memory that twenty times as many runs may take beyond the smaller experiment."""


def bare(url: str, runs: int) -> float:
    """Calls a second of the client alone."""
    import openai

    async def work() -> float:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        left = iter(range(runs))

        async def worker() -> None:
            for number in left:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"Question {number}?"}]
                )

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        return runs / (time.perf_counter() - start)

    return asyncio.run(work())


def recorded(url: str, runs: int, folder: str, parsing: str = "auto") -> float:
    """Runs a second of the runner, asked, parsed, graded, saved, backed up and written to files."""
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
            "parsing": parsing,
            "output_dir": folder,
        }
    )
    processor = ResultsProcessor(DatabaseConfig(db_path=str(Path(folder) / f"{runs}.db")))
    start = time.perf_counter()
    summary = ExperimentRunner(config, processor).run()
    seconds = time.perf_counter() - start
    assert summary.runs == runs
    assert not summary.failed
    return runs / seconds


def measure(kind: str, url: str, runs: int) -> dict[str, float]:
    """One measurement in a process of its own: its rate, processor time and peak memory."""
    ended = subprocess.run(
        [sys.executable, __file__, "--measure", kind, "--url", url, "--runs", str(runs)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )
    result: dict[str, float] = json.loads(ended.stdout)
    return result


def child(kind: str, url: str, runs: int) -> None:
    if kind == "bare":
        rate = bare(url, runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rate = recorded(url, runs, folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"rate": rate, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}))


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
        limit = measure("bare", url, options.runs)
        runner = measure("recorded", url, options.runs)
        small = measure("recorded", url, 1000)
        large = measure("recorded", url, options.large)
    print(f"bare client      {limit['rate']:7.0f} calls/s   {limit['peak_mb']:6.0f} MB peak")
    print(f"runner, recorded {runner['rate']:7.0f} runs/s    {runner['peak_mb']:6.0f} MB peak")
    print(f"share of the limit {runner['rate'] / limit['rate']:.0%}")
    extra = (runner["cpu"] - limit["cpu"]) / options.runs * 1000
    print(f"processor time beyond the client {extra:.2f} ms a run")
    growth = large["peak_mb"] - small["peak_mb"]
    print(
        f"memory {small['peak_mb']:.0f} MB at 1,000 runs, {large['peak_mb']:.0f} MB at "
        f"{options.large:,} ({large['rate']:.0f} runs/s)"
    )
    reached = runner["rate"] >= LEAST and growth <= GROWTH_MB
    print("reached" if reached else f"missed: {LEAST:g} runs/s, {GROWTH_MB:g} MB growth")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
