"""Recording one run, beside tools that record runs in SQLite through SQLAlchemy, too.

    make bench-peers

MLflow and Optuna live in an environment of their own (build/peers), where this file runs once for
each and records the same runs: a question, an answer of 3 KB, its grade, time and cost. So does
Inspect's log writer, which keeps no database: it writes 1,000 samples into one log.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RUNS = 300
PYTHON = Path(__file__).resolve().parent.parent / "build" / "peers" / "bin" / "python"
ANSWER = "So the next step follows from the one before. " * 65
AT_LEAST = {"mlflow": 40, "optuna": 50, "inspect": None}


def mlflow(folder: Path) -> float:
    """Parameters, metrics and tags of a run in one batch, as its own documentation advises."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("e")

    def record(index: int) -> None:
        run = client.create_run(experiment)
        now = int(time.time() * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[
                Metric(name, value, now, 0)
                for name, value in (("correct", 1), ("ms", 1200), ("cost", 0.002), ("conf", 0.9))
            ],
            params=[
                Param(name, value)
                for name, value in (
                    ("approach", "ChainOfThought"),
                    ("provider", "p"),
                    ("model", "m"),
                    ("sample", str(index)),
                    ("answer", "42"),
                )
            ],
            tags=[RunTag("input", f"Question {index}"), RunTag("output", ANSWER)],
        )
        client.set_terminated(run.info.run_id)

    return _seconds(record)


def optuna(folder: Path) -> float:
    """A trial with its attributes, asked and told."""
    import optuna as library

    library.logging.set_verbosity(library.logging.ERROR)
    study = library.create_study(storage=f"sqlite:///{folder / 'optuna.db'}")

    def record(index: int) -> None:
        trial = study.ask()
        trial.set_user_attr("sample", index)
        trial.set_user_attr("output", ANSWER[:2000])
        trial.set_user_attr("ms", 1200)
        trial.set_user_attr("cost", 0.002)
        study.tell(trial, 1.0)

    return _seconds(record)


def inspect(folder: Path) -> float:
    """Seconds a sample of writing one log of 1,000."""
    from inspect_ai.dataset import Sample
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalSample,
        EvalSpec,
        write_eval_log,
    )
    from inspect_ai.model import ModelOutput

    samples = []
    for index in range(1000):
        sample = Sample(input=f"Question {index}", target="42")
        samples.append(
            EvalSample(
                id=index,
                epoch=1,
                input=sample.input,
                target="42",
                output=ModelOutput.from_content("m", ANSWER),
            )
        )
    spec = EvalSpec(
        created="2026-01-01T00:00:00+00:00",
        task="t",
        dataset=EvalDataset(),
        model="m",
        config=EvalConfig(),
    )
    log = EvalLog(eval=spec, samples=samples)
    start = time.perf_counter()
    write_eval_log(log, str(folder / "log.eval"))
    return (time.perf_counter() - start) / len(samples)


def ours(folder: Path) -> float:
    from benchmarks.saving import responses
    from ml_agents_results.processor import ResultsProcessor

    processor = ResultsProcessor(str(folder / "ours.db"))
    processor.save_experiment("e", {})
    made = responses()
    return _seconds(lambda _: processor.save_run_result(next(made)))


def _seconds(record: Callable[[int], None]) -> float:
    for index in range(5):
        record(index)
    start = time.perf_counter()
    for index in range(5, RUNS + 5):
        record(index)
    return (time.perf_counter() - start) / RUNS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", choices=AT_LEAST)
    given = parser.parse_args()
    if given.record:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(globals()[given.record](Path(folder))))
        return 0
    if not PYTHON.exists():
        print(f"{PYTHON} is not there; make it with: make bench-peers", file=sys.stderr)
        return 1
    from benchmarks.figures import Figure, report

    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for place, (name, goal) in enumerate(AT_LEAST.items()):
            output = subprocess.run(
                [PYTHON, __file__, "--record", name], check=True, stdout=subprocess.PIPE
            ).stdout
            own = Path(folder) / str(place)
            own.mkdir()
            peer = json.loads(output.splitlines()[-1])
            figures.append(
                Figure(f"{name}, a run", peer * 1000, "ms", ours(own) * 1000, "ours", None, goal)
            )
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
