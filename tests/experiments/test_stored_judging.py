"""Judges asked about stored answers, at a real endpoint and with real SQLite files."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.stored_judging import Judged, StoredJudging
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers import open_provider
from ml_agents_results.records import RunRecord, ScoreRecord
from ml_agents_results.scoring.judging import find_rubric, read_rubric
from tests.commands import call, document, refusal
from tests.endpoint import Endpoint, Fault

OUTPUTS = ["It is 4.", "It is 5.", "Four, I think.", "It is 4, surely."]


def judge(body: dict[str, Any]) -> str:
    """Right is what holds a 4; of two answers the longer one is better."""
    data = re.findall(r"<<<\n(.*?)\n>>>", body["messages"][0]["content"], re.DOTALL)
    if "Answer A:" in body["messages"][0]["content"]:
        verdict = "A" if len(data[-2]) > len(data[-1]) else "B"
    else:
        verdict = "yes" if "4" in data[-1] else "no"
    return json.dumps({"reasoning": f"I read {data[-1]}", "verdict": verdict})


@pytest.fixture
def processor(sqlite_database: Database) -> ResultsProcessor:
    """Two approaches' answers to two questions each; one more was cut off, one failed."""
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("e", {})
    runs = [
        RunRecord("e", approach, index, model="m", input_text="2+2?", expected_answer="4",
                  raw_output=OUTPUTS[2 * index + number], parsed_answer="4")
        for number, approach in enumerate(("None", "CoT"))
        for index in range(2)
    ]  # fmt: skip
    runs += [
        RunRecord("e", "CoT", 2, model="m", raw_output="It is", finish_reason="length"),
        RunRecord("e", "CoT", 3, model="m", error="down"),
    ]
    processor.save_runs(runs)
    return processor


def judged(
    processor: ResultsProcessor,
    endpoint: Endpoint,
    rubric: str = "correct",
    *,
    models: tuple[str, ...] = ("judge-1",),
    max_cost: float | None = None,
    **options: Any,
) -> Judged:
    config = ExperimentConfig(base_url=endpoint.url, max_retries=0, seed=5)
    providers = [open_provider("openai-compatible", model, config) for model in models]
    judging = StoredJudging(processor, "e", find_rubric(rubric), providers, config, **options)
    return judging.run(2, max_cost=max_cost)


def scores(processor: ResultsProcessor, metric: str = "judge_correct") -> list[ScoreRecord]:
    return [
        score for run in processor.iter_runs("e") for score in run.scores or ()
        if score.metric == metric
    ]  # fmt: skip


def test_each_answer_is_judged_once_with_what_it_cost(processor: ResultsProcessor) -> None:
    with Endpoint(judge, cost=0.5) as endpoint:
        result = judged(processor, endpoint)
        assert (result.read, result.scored, result.asked, result.left) == (4, 4, 4, 0)
        assert result.without == {"truncated": 1}
        assert result.cost == 2.0
        assert result.prompt_tokens > 300
        again = judged(processor, endpoint)
        assert (again.asked, again.scored, endpoint.requests) == (0, 4, 4)
    found = scores(processor)
    assert [score.value for score in found] == [0, 1, 1, 0]
    assert found[0].explanation == "I read It is 5."
    details = found[0].details_json or {}
    assert (details["served_model"], details["seed"], found[0].cost_estimate) == ("judge-1", 5, 0.5)
    (metric,) = list(processor.get_experiment("e").metrics or ())
    assert (metric.kind, metric.scorer, metric.lower, metric.upper) == ("binary", "judge", 0, 1)
    definition = metric.definition_json
    assert definition["served_models"] == ["judge-1"]
    assert definition["grader"]["judges"] == [{"provider": "openai-compatible", "model": "judge-1"}]
    assert definition["grader"]["fingerprint"] == find_rubric("correct").fingerprint
    assert "reference" in definition["grader"]["prompt"]
    # What the judge cost is not what the answers cost.
    assert all(run.cost_estimate is None for run in processor.iter_runs("e"))


def test_a_failure_of_the_judge_is_no_value_and_is_asked_again(processor: ResultsProcessor) -> None:
    def confused(body: dict[str, Any]) -> str:
        return judge(body) if "5" in body["messages"][0]["content"] else "I cannot decide."

    with Endpoint(confused, cost=0.25) as endpoint:
        endpoint.fail(
            Fault.SERVER_ERROR, when=lambda body: "Four" in body["messages"][0]["content"]
        )
        result = judged(processor, endpoint)
        assert (result.scored, result.unjudged) == (1, 3)
        assert result.without == {"truncated": 1, "unreadable": 2, "failed": 1}
        assert [score.value for score in scores(processor)] == [0, None, None, None]
        assert judged(processor, endpoint).asked == 0
        endpoint.answer = judge
        again = judged(processor, endpoint, retry=True)
    assert (again.asked, again.scored, again.unjudged) == (3, 4, 0)
    # One of the three was never answered before; the other two were paid twice.
    assert again.cost == 4 * 0.25 + 2 * 0.25
    (read,) = {
        len((score.details_json or {}).get("history", ())) for score in scores(processor)[1:]
    }
    assert read == 1


def test_both_orders_are_asked_and_a_change_with_the_order_is_a_tie(
    processor: ResultsProcessor,
) -> None:
    with Endpoint(judge) as endpoint:
        result = judged(processor, endpoint, "preference")
        assert (result.read, result.scored, endpoint.requests) == (2, 2, 4)
        assert result.without == {"truncated": 1}
        always_first = json.dumps({"reasoning": "", "verdict": "A"})
        endpoint.answer = always_first
        biased = judged(processor, endpoint, "preference", name="biased")
    assert [score.value for score in scores(processor, "judge_preference")] == [0.5, 1]
    assert (biased.position_dependent, biased.scored) == (2, 2)
    assert [score.value for score in scores(processor, "biased")] == [0.5, 0.5]
    with Endpoint(judge) as endpoint, pytest.raises(UsageError, match="no answers of the baseline"):
        judged(processor, endpoint, "preference", name="x", baseline="PoT")


def test_repeats_and_models_are_authors_and_their_majority_counts(
    processor: ResultsProcessor,
) -> None:
    def noisy(body: dict[str, Any]) -> str:
        turned = body["seed"] == 6
        text = judge(body)
        return text.replace('"yes"', '"no"') if turned else text

    with Endpoint(noisy) as endpoint:
        result = judged(processor, endpoint, repeats=3, primary=True)
        panel = judged(processor, endpoint, models=("a", "b"), name="panel")
    assert (result.read, result.scored) == (12, 12)
    assert result.agreement == pytest.approx(5 / 6)
    assert {score.author for score in scores(processor)} == {"judge#0", "judge#1", "judge#2"}
    assert [run.is_correct for run in processor.iter_runs("e")] == [
        False, True, None, None, True, False,
    ]  # fmt: skip
    assert panel.agreement == 1
    assert {score.author for score in scores(processor, "panel")} == {"a", "b"}
    details = [score.details_json or {} for score in scores(processor)]
    assert {one.get("agreement") for one in details if one.get("authors") == 3} == {2 / 3, 1.0}


def test_judging_that_was_stopped_goes_on_where_it_was(processor: ResultsProcessor) -> None:
    with Endpoint(judge, cost=0.5) as endpoint:
        first = judged(processor, endpoint, max_cost=0.5)
        assert 1 <= first.asked <= 2
        assert first.left == 4 - first.asked
        second = judged(processor, endpoint)
        assert (second.asked, second.left, endpoint.requests) == (4 - first.asked, 0, 4)
    with Endpoint(judge) as endpoint, pytest.raises(UsageError, match="does not say what"):
        judged(processor, endpoint, name="x", max_cost=1)


def test_two_at_once_ask_for_nothing_twice(processor: ResultsProcessor, tmp_path: Path) -> None:
    processor.save_runs(
        RunRecord("e", "CoT", 10 + i, model="m", raw_output=f"It is {i}.") for i in range(20)
    )
    with Endpoint(judge, latency=0.02) as endpoint:
        path = processor.database.config.db_path
        others = [
            threading.Thread(target=lambda: judged(ResultsProcessor(path), endpoint))
            for _ in range(2)
        ]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join()
        assert endpoint.requests == 24
    assert len(scores(processor)) == 24


def test_another_rubric_is_another_metric(processor: ResultsProcessor) -> None:
    other = read_rubric("---\nname: judge_correct\nkind: binary\n---\nRight? {output}\n")
    assert other.fingerprint != find_rubric("correct").fingerprint
    with Endpoint(judge) as endpoint:
        judged(processor, endpoint)
        with pytest.raises(UsageError, match="defined otherwise"):
            judged(processor, endpoint, repeats=2)
        forced = judged(processor, endpoint, models=("judge-2",), force=True)
        assert (forced.asked, endpoint.requests) == (4, 8)
        (score, *_) = scores(processor)
        assert (score.details_json or {})["history"][0]["details_json"]["model"] == "judge-1"


def test_the_command_judges_shows_what_it_would_do_and_where_graders_differ(
    processor: ResultsProcessor,
) -> None:
    path = processor.database.config.db_path
    common = ("score", "--experiment-id", "e", "--db-path", path)
    asked = ("--grader", "judge", "--rubric", "correct", "--model", "m")
    with Endpoint(judge, cost=0.01) as endpoint:
        where = ("--base-url", endpoint.url)
        plan = document(*common, *asked, *where, "--dry-run")
        assert (plan["verdicts"], plan["calls"], endpoint.requests) == (4, 4, 0)
        assert plan["prompt_tokens"] > 400
        result = document(*common, *asked, *where)
        assert (result["scored"], result["cost"]) == (4, 0.04)
        said = call(*common, *asked, *where).stdout
        assert "4 of 4 verdicts, 0 asked for now, 1 truncated" in said
    differing = document(*common, "--grader", "exact", "--diff", "judge_correct")
    assert [(one["before"], one["after"]) for one in differing["examples"]] == [(0, 1), (0, 1)]
    assert (
        "differs from judge_correct on 2 of 5"
        in call(*common, "--grader", "exact", "--diff", "judge_correct").stdout
    )
    before = document(*common, "--grader", "exact", "--dry-run")
    assert (before["metric"], before["differing"]) == ("correct", 4)
    assert not scores(processor, "exact")
    assert refusal(*common, "--rubric", "correct", code=2)[0] == "--rubric does not go with a rule"
    assert refusal(*common, *asked[:2], code=2)[0] == "a judge needs a rubric"


@pytest.mark.slow
def test_the_embedded_model_judges(processor: ResultsProcessor) -> None:
    config = ExperimentConfig(provider="local", temperature=0.0, max_tokens=400)
    providers = [open_provider("local", None, config)]
    result = StoredJudging(processor, "e", find_rubric("correct"), providers, config).run()
    assert (result.asked, result.scored + result.unjudged) == (4, 4)
    assert result.scored > 0
    assert result.served_models == ["SmolLM2-135M-Instruct"]
