"""Reads exported logs as Inspect does, and says what it found.

Run where inspect-ai is installed: python read_exports.py FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

from inspect_ai.analysis import samples_df
from inspect_ai.log import list_eval_logs, read_eval_log


def told(path: Path) -> dict[str, Any]:
    log = read_eval_log(str(path))
    header = read_eval_log(str(path), header_only=True)
    # Of a whole log it adds what samples it has to what the log says of the data set.
    header.eval.dataset = log.eval.dataset
    assert header.eval == log.eval
    assert header.results == log.results
    frame = samples_df(str(path), quiet=True)
    return {
        "experiment": log.eval.run_id,
        "model": log.eval.model,
        "solver": log.eval.solver,
        "status": log.status,
        "task": log.eval.task,
        "metrics": {
            name: metric.value
            for score in (log.results.scores if log.results else [])
            for name, metric in score.metrics.items()
        },
        "rows": json.loads(frame.to_json(orient="records")),
        "samples": [sample.model_dump(mode="json") for sample in log.samples or []],
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    listed = {Path(info.name.removeprefix("file://")).name for info in list_eval_logs(str(folder))}
    found = {path.name: told(path) for path in sorted(folder.iterdir())}
    json.dump({"listed": sorted(listed), "logs": found}, sys.stdout)
