"""What other tools do, in an environment of their own: `make bench-peers`.

    build/peers/bin/python benchmarks/peer_programs.py NAME FOLDER

prints a JSON object: the `seconds` of recording a run (mlflow, optuna, inspect), or how comparing
the pairs in FOLDER `ended` (evalstats, abeval, inspect_logs). Imports nothing of this package.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = 300
ANSWER = "So the next step follows from the one before. " * 65


def mlflow(folder: Path) -> dict[str, Any]:
    """Parameters, metrics and tags of a run in one batch, as its own documentation advises."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("e")
    metrics = {"correct": 1, "ms": 1200, "cost": 0.002, "conf": 0.9}
    parameters = {"approach": "ChainOfThought", "provider": "p", "model": "m", "answer": "42"}

    def record(index: int) -> None:
        run, now = client.create_run(experiment), int(time.time() * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[
                Param(name, value) for name, value in {**parameters, "sample": str(index)}.items()
            ],
            tags=[RunTag("input", f"Question {index}"), RunTag("output", ANSWER)],
        )
        client.set_terminated(run.info.run_id)

    return _each(record)


def optuna(folder: Path) -> dict[str, Any]:
    """A trial with its attributes, asked and told."""
    import optuna as library

    library.logging.set_verbosity(library.logging.ERROR)
    study = library.create_study(storage=f"sqlite:///{folder / 'optuna.db'}")
    attributes = {"output": ANSWER[:2000], "ms": 1200, "cost": 0.002}

    def record(index: int) -> None:
        trial = study.ask()
        for name, value in {"sample": index, **attributes}.items():
            trial.set_user_attr(name, value)
        study.tell(trial, 1.0)

    return _each(record)


def _each(record: Callable[[int], None]) -> dict[str, Any]:
    for index in range(5):
        record(index)
    start = time.perf_counter()
    for index in range(5, RUNS + 5):
        record(index)
    return {"seconds": (time.perf_counter() - start) / RUNS}


def inspect(folder: Path) -> dict[str, Any]:
    """A sample of one log of 1,000; it keeps no database."""
    lines = [{"id": index, "task": "t", "correct": True} for index in range(1000)]
    return {"seconds": _write_log(folder / "log.eval", "m", lines, ANSWER) / len(lines)}


def _write_log(path: Path, model: str, lines: list[dict[str, Any]], answer: str) -> float:
    """The seconds of writing it."""
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalSample,
        EvalSpec,
        write_eval_log,
    )
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    samples = [
        EvalSample(
            id=line["id"],
            epoch=1,
            input=f"Question {line['id']}",
            target="42",
            output=ModelOutput.from_content(model, answer),
            scores={"match": Score(value="C" if line["correct"] else "I")},
            metadata={"task": line["task"]},
        )
        for line in lines
    ]
    spec = EvalSpec(
        created="2026-01-01T00:00:00+00:00",
        task="t",
        dataset=EvalDataset(),
        model=model,
        config=EvalConfig(),
    )
    log = EvalLog(eval=spec, samples=samples)
    start = time.perf_counter()
    write_eval_log(log, str(path))
    return time.perf_counter() - start


def _pairs(folder: Path, side: str) -> list[dict[str, Any]]:
    with (folder / f"{side}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_inspect_logs(folder: Path) -> dict[str, Any]:
    for side in ("a", "b"):
        _write_log(folder / f"{side}.eval", f"mockllm/{side}", _pairs(folder, side), "42")
    return {"ended": "done"}


def inspect_logs(folder: Path) -> dict[str, Any]:
    """Both logs as a data frame, and from it the means of the tasks' differences: it has no paired
    comparison."""
    from inspect_ai.analysis import EvalModel, SampleSummary, samples_df

    logs = [str(folder / f"{side}.eval") for side in ("a", "b")]
    frame = samples_df(logs, columns=[*EvalModel, *SampleSummary], quiet=True)
    frame["correct"] = frame["score_match"] == "C"
    table = frame.pivot_table("correct", ["metadata_task", "id"], "model")
    difference = (table.iloc[:, 1] - table.iloc[:, 0]).groupby("metadata_task").mean()
    return {"ended": f"{difference.mean():.6f}"}


def evalstats(folder: Path) -> dict[str, Any]:
    """Its defaults; it knows no clusters of samples."""
    import evalstats as library

    rows = [
        {"model": side, "item": line["id"], "score": int(line["correct"])}
        for side in ("a", "b")
        for line in _pairs(folder, side)
    ]
    library.compare(library.load_from(rows), factors="model").to_dict()
    return {"ended": "done"}


def abeval(folder: Path) -> dict[str, Any]:
    """Its defaults; its comparison knows no clusters, so an interval of clustered differences."""
    import abeval as library

    a, b = (library.extract(library.read_jsonl(folder / f"{x}.jsonl"), "correct") for x in "ab")
    left, right, _ = library.pair(a, b)
    tasks = [line["task"] for line in _pairs(folder, "a")]
    library.clustered_mean_ci([y - x for x, y in zip(left, right, strict=True)], tasks)
    try:
        library.paired_compare(left, right)
    except OverflowError:
        return {"ended": "OverflowError"}
    return {"ended": "done"}


if __name__ == "__main__":
    try:
        print(json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
