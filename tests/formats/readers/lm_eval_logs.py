"""Output of lm-evaluation-harness, as it writes it: rows of samples files, and the results file."""

import json
from pathlib import Path
from typing import Any

DATE = "2026-01-02T03-04-05.678901"


def row(doc_id: Any = 0, name: str = "strict", **others: Any) -> dict[str, Any]:
    return {
        "doc_id": doc_id,
        "doc": {"question": f"{doc_id}?", "id": f"q{doc_id}", "topic": "sums"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": f"Q: {doc_id}?", "arg_1": {"until": ["\n"]}}},
        "resps": [["It is 4", "It is 5"]],
        "filtered_resps": ["4"],
        "filter": name,
        "metrics": ["f1", "exact_match"],
        "doc_hash": f"hash{doc_id}",
        "prompt_hash": "p",
        "f1": 0.5,
        "exact_match": 1.0,
        **others,
    }


def choices(*likelihoods: float, **others: Any) -> dict[str, Any]:
    return row(
        arguments={
            f"gen_args_{n}": {"arg_0": "Q:", "arg_1": f" choice {n}"}
            for n in range(len(likelihoods))
        },
        resps=[[[str(one), "False"]] for one in likelihoods],
        filtered_resps=[[str(one), "False"] for one in likelihoods],
        metrics=["acc", "acc_norm"],
        acc=0.0,
        acc_norm=1.0,
        **others,
    )


def write(folder: Path, task: str, *rows: Any, results: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"samples_{task}_{DATE}.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    if results:
        document = {
            "results": {task: {}},
            "configs": {task: {"num_fewshot": 3, "metadata": {"api_key": "k", "version": 1}}},
            "config": {"model": "local", "model_args": "api_key=sk-secret", "limit": None},
            "lm_eval_version": "0.4.9",
            "git_hash": "abc",
            "date": 1767323045.5,
            "model_source": "local-chat-completions",
            "model_name": "lab/m",
            "model_name_sanitized": "lab__m",
        }
        (folder / f"results_{DATE}.json").write_text(json.dumps(document), encoding="utf-8")
    return path
