"""Run folders of HELM, as it writes them."""

import json
from pathlib import Path
from typing import Any


def state(instance_id: Any = "id7", trial: int = 0, **others: Any) -> dict[str, Any]:
    perturbation = others.pop("perturbation", None)
    return {
        "instance": {
            "id": instance_id,
            "split": "test",
            "input": {"text": "2+2?"},
            "references": [
                {"output": {"text": "three"}, "tags": []},
                {"output": {"text": "four"}, "tags": ["correct"]},
            ],
            **({"perturbation": perturbation} if perturbation else {}),
        },
        "train_trial_index": trial,
        "request": {"model": "lab/m", "prompt": "Q: 2+2?"},
        "result": {
            "success": True,
            "cached": False,
            "completions": [{"text": " B", "logprob": -1.5}],
            "request_time": 0.5,
            "request_datetime": 1768473000,
        },
        "output_mapping": {"A": "three", "B": "four"},
        **others,
    }


def stats(
    instance_id: str = "id7", trial: int = 0, perturbation: Any = None, **means: float
) -> dict[str, Any]:
    return {
        "instance_id": instance_id,
        "train_trial_index": trial,
        **({"perturbation": perturbation} if perturbation else {}),
        "stats": [
            {"name": {"name": name, "split": "test"}, "count": 1, "mean": mean}
            for name, mean in means.items()
        ],
    }


def write(folder: Path, states: Any, measured: Any) -> Path:
    folder.mkdir()
    spec = {
        "name": "mmlu:subject=logic,model=lab_m",
        "adapter_spec": {"method": "multiple_choice_joint", "model": "lab/m"},
    }
    for name, content in (
        ("run_spec", spec),
        ("scenario_state", {"adapter_spec": {}, "request_states": states}),
        ("per_instance_stats", measured),
        ("stats", []),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
