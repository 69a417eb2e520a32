"""Logs of OpenAI's evals, as it writes them."""

import json
from pathlib import Path
from typing import Any


def event(sample: Any, kind: str, **data: Any) -> dict[str, Any]:
    return {
        "run_id": "R1",
        "sample_id": sample,
        "type": kind,
        "data": data,
        "created_at": "2026-01-15 10:30:01.000000+00:00",
    }


def sampling(sample: str, sampled: Any = "4", **others: Any) -> dict[str, Any]:
    prompt = [{"role": "user", "content": f"{sample}?"}]
    usage = {"prompt_tokens": 20, "completion_tokens": 2}
    return event(
        sample, "sampling", prompt=prompt, sampled=[sampled], model="m-1", usage=usage, **others
    )


def write(path: Path, *events: Any, **spec: Any) -> Path:
    first = {
        "spec": {
            "completion_fns": ["m"], "eval_name": "arith.dev.v0", "base_eval": "arith",
            "run_id": "R1", "created_at": "2026-01-15 10:30:00.000000", **spec,
        }
    }  # fmt: skip
    lines = [first, *events, {"final_report": {"accuracy": 0.5}}]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path
