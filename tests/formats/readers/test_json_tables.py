"""Samples in JSON documents of one's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import ResultsError
from tests.formats.readers.conftest import Importer

Refused = Callable[..., ResultsError]

SAMPLES = [
    {"question": "2+2?", "answer": "4", "correct": True},
    {"question": "1+2?", "answer": "5", "correct": False},
]
FRAME = {name: {str(n): one[name] for n, one in enumerate(SAMPLES)} for name in SAMPLES[0]}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"accuracy": 0.5, "model": "m", "results": SAMPLES, "seeds": [1, 2]}, "results[]"),
        ({"model": "m", "run": {"details": SAMPLES}}, "run.details[]"),
        ({"model": "m", "results": dict(zip("ab", SAMPLES, strict=True))}, "results"),
        ({"model": "m", "results": FRAME}, "results"),
        (
            {
                "model": "m",
                "per_skill": {one: {"passed": 5, "total": 10, "f1": 0.5} for one in "ab"},
                "eval": SAMPLES,
            },
            "eval[]",
        ),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_only_samples_of_a_document(
    tmp_path: Path, imported: Importer, document: dict[str, Any], place: str, indent: int | None
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document, indent=indent))
    result, runs = imported(path)
    known = [(run.model, run.input_text, run.raw_output, run.is_correct) for run in runs]
    assert known == [("m", "2+2?", "4", True), ("m", "1+2?", "5", False)]
    assert result.sources[0]["chosen"]["rows"] == f"{place} (the samples in the document)"


def test_documents_of_a_folder(tmp_path: Path, imported: Importer) -> None:
    (folder := tmp_path / "outputs").mkdir()
    for model in ("a", "b"):
        (folder / f"{model}.json").write_text(json.dumps({"model": model, "results": SAMPLES}))
    (folder / "config.json").write_text('{"temperature": 0}')
    result, runs = imported(folder)
    assert sorted({run.model for run in runs}) == ["a", "b"]
    assert "left out 1 files that are not logs: config.json" in result.warnings[0]


def test_verdicts_by_id(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "eval_results.json"
    path.write_text('{"instance_a": true, "instance_b": false}')
    _, runs = imported(path)
    assert [(run.sample_id, run.is_correct) for run in runs] == [
        ("instance_a", True), ("instance_b", False),
    ]  # fmt: skip


def test_one_run_on_one_line(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**SAMPLES[0], "details": {"tokens": 3}}))
    _, [run] = imported(path)
    assert (run.raw_output, run.is_correct) == ("4", True)


def test_samples_in_several_places_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"short": SAMPLES, "long": SAMPLES}, indent=1))
    error = refused(path)
    assert "samples in several places: short[], long[]" in error.message
    assert "jq -c '.short[]' FILE" in str(error.hint)
