"""Logs in the shape of Inspect's, made up: as a document, as `.json` and as `.eval`."""

import json
import zipfile
from pathlib import Path
from typing import Any


def sample(sample_id: str | int = "q1", epoch: int = 1, **others: Any) -> dict[str, Any]:
    return {
        "id": sample_id,
        "epoch": epoch,
        "input": f"Question {sample_id}?",
        "target": "4",
        "messages": [
            {"content": f"Think. Question {sample_id}?", "source": "input", "role": "user"},
            {"content": "ANSWER: 4", "source": "generate", "role": "assistant"},
        ],
        "output": {
            "choices": [{"message": {"content": "ANSWER: 4"}, "stop_reason": "stop"}],
            "completion": "ANSWER: 4",
        },
        "scores": {
            "match": {"value": "C", "answer": "4", "history": []},
            "includes": {"value": "I", "answer": "answer: 4", "explanation": "x"},
        },
        "metadata": {"topic": "sums"},
        "store": {},
        "events": [{"event": "model", "text": 'a "quoted" {bracket'}] * 3,
        "model_usage": {
            "openrouter/lab/m": {
                "input_tokens": 20,
                "input_tokens_cache_read": 5,
                "output_tokens": 7,
            },
            "lab/judge": {"input_tokens": 1, "output_tokens": 1, "total_cost": 0.5},
        },
        "started_at": "2026-01-02T03:04:05+00:00",
        "completed_at": "2026-01-02T03:04:06+02:00",
        "total_time": 1.5,
        "working_time": 0.25,
        "uuid": f"uuid-{sample_id}-{epoch}",
        "attachments": {},
        **others,
    }


def log(*samples: dict[str, Any], **evaluated: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "status": evaluated.pop("status", "success"),
        "eval": {
            "eval_id": "E1",
            "run_id": "R1",
            "created": "2026-01-02T03:04:05+00:00",
            "task": "pkg/arith",
            "task_id": "T1",
            "task_args": {},
            "dataset": {
                "name": "sums",
                "sample_ids": list(dict.fromkeys(one.get("id") for one in samples)),
            },
            "model": "openrouter/lab/m",
            "model_args": {"api_key": "sk-veryverysecretkey123456", "huge": "x" * 1000},
            "config": {"epochs": 1},
            "revision": {"type": "git", "origin": "git@x:y.git", "commit": "abc"},
            "packages": {"inspect_ai": "0.3.285"},
            "scorers": [{"name": "pkg/match"}, {"name": "includes"}],
            **evaluated,
        },
        "plan": {"steps": [{"solver": "chain_of_thought"}, {"solver": "generate"}]},
        "results": {"scores": []},
        "stats": {},
        "samples": list(samples),
        "reductions": [],
    }


def write_json(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_eval(
    path: Path, document: dict[str, Any], *, zstandard: bool = False, finished: bool = True
) -> Path:
    header = {name: part for name, part in document.items() if name != "samples"}
    members = {"_journal/start.json": {k: header[k] for k in ("version", "eval", "plan")}}
    for one in document["samples"]:
        members[f"samples/{one['id']}_epoch_{one['epoch']}.json"] = one
    if finished:
        members["header.json"] = header
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(content))
    return pack_with_zstandard(path) if zstandard else path


def pack_with_zstandard(path: Path) -> Path:
    """The archive with every member in Zstandard, in several frames, as Inspect writes it."""
    import struct
    import zlib

    import zstandard

    with zipfile.ZipFile(path) as archive:
        members = [(one.filename.encode(), archive.read(one)) for one in archive.infolist()]
    body, directory = b"", b""
    for name, data in members:
        pieces = [data[at : at + 700] for at in range(0, len(data), 700)]
        packed = b"".join(zstandard.ZstdCompressor().compress(piece) for piece in pieces)
        fields = struct.pack(
            "<HHHHHIIIHH", 20, 0, 93, 0, 33, zlib.crc32(data), len(packed), len(data), len(name), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + fields
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\x03\x04" + fields + name + packed
    end = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(body), 0
    )
    path.write_bytes(body + directory + end)
    return path
