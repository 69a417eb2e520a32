"""Files of Every Eval Ever: samples, with the totals next to them."""

import json
from pathlib import Path
from typing import Any

UUID = "6f1f4b0e-7e43-4c0e-9d0b-0123456789ab"


def line(sample_id: Any = "q1", **others: Any) -> dict[str, Any]:
    return {
        "schema_version": "0.3.0",
        "evaluation_id": "arith/lab_m/1767",
        "model_id": "lab/m",
        "evaluation_name": "arith",
        "evaluation_result_id": "r1",
        "sample_id": sample_id,
        "interaction_type": "single_turn",
        "input": {"raw": "2+2?", "formatted": "Q: 2+2?", "reference": ["4"]},
        "output": {"raw": ["It is 4"]},
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": "4",
                "extraction_method": "regex",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": 1.0, "is_correct": True},
        "token_usage": {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25},
        "performance": {"latency_ms": 812.4},
        "metadata": {"approach": "CoT", "topic": "sums"},
        **others,
    }


def write(folder: Path, *lines: Any, totals: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{UUID}_samples.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    document = {
        "schema_version": "0.3.0",
        "evaluation_id": "arith/lab_m/1767",
        "evaluation_timestamp": "1767323045.5",
        "retrieved_timestamp": "1767323046",
        "source_metadata": {"source_name": "our lab", "source_type": "evaluation_run"},
        "eval_library": {"name": "inspect_ai", "version": "0.3"},
        "model_info": {"name": "m", "id": "lab/m", "inference_platform": "openrouter"},
        "evaluation_results": [
            {"evaluation_result_id": "r1", "metric_config": {"metric_name": "accuracy"}},
            {"evaluation_result_id": "r2", "metric_config": {"metric_name": "f1"}},
        ],
    }
    if totals:
        (folder / f"{UUID}.json").write_text(json.dumps(document), encoding="utf-8")
    return path
