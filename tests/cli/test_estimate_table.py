"""`run --dry-run`: what an experiment would ask and cost."""

import json
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.token_weight import token_weight
from ml_agents_results.records import RunRecord
from tests.commands import document, refusal
from tests.endpoint import Endpoint


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "d.jsonl"
    rows = [{"input": "abcdefghij" * 10, "target": "x"}] * 4
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_weights_of_texts() -> None:
    assert token_weight("a" * 52) == pytest.approx(10)
    assert token_weight("1" * 24) == pytest.approx(10)
    assert token_weight(",;" * 5) == pytest.approx(6)
    assert token_weight("\u4f60\u597d" * 5) == pytest.approx(9)


def test_nothing_is_asked_and_unknown_is_not_zero(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Endpoint() as endpoint:
        shown = document(
            "run", "--dry-run", "--dataset", dataset, "--approach", "None,Reflection",
            "--base-url", endpoint.url, "--model", "m", "--max-tokens", 50, "--repeats", 2,
        )  # fmt: skip
        assert endpoint.requests == 0
    assert not (tmp_path / "ml_agents_results.db").exists()
    plain, reflection = shown["variants"]
    assert (shown["runs"], plain["runs"], plain["calls"], reflection["calls"]) == (16, 8, 8, 24)
    assert (plain["most_output_tokens"], reflection["most_output_tokens"]) == (400, 1200)
    assert (plain["output_tokens"], plain["cost"], plain["most_cost"]) == (None, None, None)
    # 8 prompts of a little more than 100 letters.
    assert 150 < plain["input_tokens"] < 400


def test_a_pilot_is_asked_and_its_length_varies(tmp_path: Path, dataset: Path) -> None:
    lengths = iter((2, 4, 6, 8))
    with Endpoint(lambda body: "x " * next(lengths), cost=0.5) as endpoint:
        arguments = (
            "run", "--dry-run", "--pilot", 2, "--dataset", dataset, "--base-url", endpoint.url,
            "--model", "a,b", "--concurrency", 1, "--parsing", "regex", "--repeats", 5,
            "--db-path", tmp_path / "none.db",
        )  # fmt: skip
        shown = document(*arguments)
        assert endpoint.requests == 4
    assert not (tmp_path / "none.db").exists()
    for row in shown["variants"]:
        assert (row["runs"], row["based_on"], row["cost"]) == (20, 2, 10.0)
    written = sorted(row["output_tokens"] for row in shown["variants"])
    assert sum(written) == (2 + 4 + 6 + 8) * 10
    # t(0.975, 1) = 12.7062; the sum of 20 further values has the variance s^2 (20^2 / 2 + 20).
    row = shown["variants"][0]
    scale = row["cost"] / row["output_tokens"]
    low, high = row["cost_low"] / scale, row["cost_high"] / scale
    assert low == 0.0
    spread = (high - row["output_tokens"]) / 12.7062 / (20**2 / 2 + 20) ** 0.5
    # Two of the four lengths: they differ by 2, 4 or 6.
    assert any(spread**2 == pytest.approx(d * d / 2, rel=0.01) for d in (2, 4, 6))
    assert "--pilot goes with --dry-run" in refusal("run", "--pilot", 2, code=2)[0]


def test_earlier_answers_of_the_model_tell(
    dataset: Path, processor: ResultsProcessor, db_path: Path
) -> None:
    processor.save_experiment("e", {})
    processor.save_runs(
        RunRecord(
            "e", "None", index, provider="openai-compatible", model="m", raw_output="x",
            input_text="abcdefghij" * 10, prompt_tokens=40, completion_tokens=tokens,
        )
        for index, tokens in enumerate((10, 20, 90))
    )  # fmt: skip
    with Endpoint() as endpoint:
        shown = document(
            "run", "--dry-run", "--dataset", dataset, "--base-url", endpoint.url, "--model", "m",
            "--db-path", db_path,
        )  # fmt: skip
    (plain,) = shown["variants"]
    assert (plain["based_on"], plain["input_tokens"], plain["output_tokens"]) == (3, 160, 160)
