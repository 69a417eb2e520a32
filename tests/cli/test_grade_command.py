"""`ml-agents grade --random`: labels of runs drawn at random, by several people."""

from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call, document, refusal


@pytest.fixture
def filled(processor: ResultsProcessor, db_path: Path) -> Path:
    processor.save_experiment("e", {})
    processor.save_runs(
        RunRecord("e", "SecretApproach", index, model="secret-model", raw_output=f"it is {index}")
        for index in range(20)
    )
    return db_path


def test_labels_are_scores_that_say_how_their_runs_were_drawn(
    filled: Path, processor: ResultsProcessor
) -> None:
    begun = ("grade", "--experiment-id", "e", "--db-path", filled, "--author", "ada")
    shown = call(*begun, "--random", 3, "--seed", 5, typed="1\nn\nnot a number\n0\n9\nq\n")
    assert "Queue human-1: 3 of 20 runs, seed 5." in shown.stderr
    assert "That is not on the scale." in shown.stderr
    assert "secret" not in shown.output.lower()
    ended = document(*begun, "--queue", "human-1", typed="x\n")
    assert (ended["labelled"], ended["open"]) == (1, 0)
    scores = processor.scores_frame("e").sort_values("created_at")
    assert scores.value.tolist()[:2] == [1, 0]
    assert scores.label.tolist() == ["correct", "wrong", "cannot tell"]
    assert scores.explanation[scores.label == "wrong"].tolist() == ["not a number"]
    assert set(scores.author) == {"ada"}
    for position, details in enumerate(scores.details_json):
        assert details["blind"] is True
        assert details["queue"] == {
            "name": "human-1", "position": position, "size": 3, "population": 20, "seed": 5,
            "filters": {},
        }  # fmt: skip


def test_a_range_is_a_scale(filled: Path, processor: ResultsProcessor) -> None:
    call(
        "grade", "--experiment-id", "e", "--random", 2, "--scale", "1-10", "--metric", "style",
        "--not-blind", "--db-path", filled, typed="11\n7.5\nq\n",
    )  # fmt: skip
    assert processor.scores_frame("e").value.tolist() == [7.5]
    [style] = list(processor.get_experiment("e").metrics or ())
    assert (style.name, style.kind, style.lower, style.upper) == ("style", "numeric", 1, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", 1], "these options say how runs are drawn, and none are"),
        (["--random", 21], "21 runs cannot be drawn from 20"),
        (["--random", 2, "--scale", "good"], "'good' is not a scale"),
        (["--random", 2, "--run-id", "r", "--answer", "1"], "--run-id is not for labels"),
    ],
)
def test_options_that_do_not_fit(filled: Path, options: list[object], message: str) -> None:
    said, _ = refusal("grade", "--experiment-id", "e", *options, "--db-path", filled, code=2)
    assert said == message
