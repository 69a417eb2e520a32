"""Every approach against a real endpoint that is scripted step by step."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import InvalidFileError, NotFoundError, UsageError
from ml_agents_results.experiments.approaches import (
    Approach,
    Trace,
    load_approaches,
    prompt_fingerprints,
)
from ml_agents_results.experiments.approaches.base import Asked
from ml_agents_results.providers import open_provider
from ml_agents_results.providers.interface import ProviderError
from ml_agents_results.records import APPROACHES
from ml_agents_results.scoring.extraction import StructuredAnswer
from tests.endpoint import Answer, Endpoint, Fault

QUESTION = "What is {40} + {answer}? $x %s"
ALL = list(APPROACHES.values())


def run(approach: Approach, endpoint: Endpoint, structured: bool = False) -> Trace:
    async def once() -> Trace:
        provider = open_provider(None, "m", ProviderSettings(base_url=endpoint.url, max_retries=0))
        try:
            schema = StructuredAnswer if structured else None
            trace = Trace()
            await approach.answer(Asked(QUESTION, provider, schema), trace)
            return trace
        finally:
            await provider.aclose()

    return asyncio.run(once())


def scripted(*answers: str) -> Answer:
    """The answers one after the other."""
    rest = iter(answers)
    return lambda body: next(rest)


def sent(endpoint: Endpoint) -> list[str]:
    return [body["messages"][0]["content"] for body in endpoint.bodies]


@pytest.mark.parametrize("name", ALL)
def test_every_approach_shows_the_question_in_every_prompt_and_states_an_answer(name: str) -> None:
    (approach,) = load_approaches([name])
    with Endpoint("1. One\n2. Two\nThe answer is 42.") as endpoint:
        trace = run(approach, endpoint)
        prompts = sent(endpoint)
    assert approach.name == name
    assert all(QUESTION in prompt for prompt in prompts)
    assert "The answer is X" in prompts[-1]
    assert trace.raw_output.endswith("The answer is 42.")
    assert [step.prompt for step in trace.steps] == prompts
    assert {step.name.split()[0] for step in trace.steps} == set(approach.steps)


@pytest.mark.parametrize("name", ALL)
def test_only_the_step_that_states_the_answer_is_held_to_a_schema(name: str) -> None:
    (approach,) = load_approaches([name])
    with Endpoint("1. One\n2. Two\nThe answer is 42.") as endpoint:
        trace = run(approach, endpoint, structured=True)
        held = ["response_format" in body for body in endpoint.bodies]
    assert held == [False] * (len(held) - 1) + [True]
    assert trace.structured is not None
    assert trace.structured["answer"] == "42"


def test_reflection_shows_the_answer_to_the_critic_and_both_to_the_reviser() -> None:
    (approach,) = load_approaches(["Reflection"])
    with Endpoint(scripted("first {critique}", "bad {answer}", "The answer is 3.")) as endpoint:
        trace = run(approach, endpoint)
        _, critic, reviser = sent(endpoint)
    assert "first {critique}" in critic
    assert "first {critique}" in reviser
    assert "bad {answer}" in reviser
    assert [step.name for step in trace.steps] == ["answer", "critique", "revise"]
    assert trace.raw_output == "The answer is 3."


def test_verification_answers_each_check_without_the_first_answer() -> None:
    (approach,) = load_approaches(["CoVe"])
    plan = "Checks:\n1. Is it A?\n2) Is it B?\n- Is it C?\n4. Is it D?"
    with Endpoint(scripted("FIRST", plan, "a", "b", "c", "The answer is 1.")) as endpoint:
        trace = run(approach, endpoint)
        _, _, *checks, reviser = sent(endpoint)
    assert [check.rstrip().rpartition("\n")[2] for check in checks] == [
        "Is it A?",
        "Is it B?",
        "Is it C?",
    ]
    assert not any("FIRST" in check for check in checks)
    assert "FIRST" in reviser
    assert "2. Is it B?\nb" in reviser
    assert [step.name for step in trace.steps][2:5] == ["verify 1", "verify 2", "verify 3"]


def test_a_skeleton_is_written_out_point_by_point() -> None:
    (approach,) = load_approaches(["SoT"])
    skeleton = "**1.** Add\n**2.** Check"
    with Endpoint(scripted(skeleton, "sum", "fine", "The answer is 1.")) as endpoint:
        run(approach, endpoint)
        prompts = sent(endpoint)
    assert 'point 1, "Add"' in prompts[1]
    assert 'point 2, "Check"' in prompts[2]
    assert "1. sum\n2. fine" in prompts[3]


def test_planning_carries_plans_and_simulation_on() -> None:
    (approach,) = load_approaches(["RAP"])
    with Endpoint(scripted("PLANS", "STATES", "The answer is 1.")) as endpoint:
        run(approach, endpoint)
        prompts = sent(endpoint)
    assert "PLANS" in prompts[1]
    assert "PLANS" in prompts[2]
    assert "STATES" in prompts[2]


@pytest.mark.parametrize(
    ("vote", "kept"),
    [
        ("The best step is 2.", "beta"),
        ("At first the best step is 1, but no: **the best step is 3**", "gamma"),
        ("The best step is 9.", "alpha"),
        ("All are good.", "alpha"),
    ],
)
def test_a_tree_keeps_the_thought_that_was_voted_for(vote: str, kept: str) -> None:
    (approach,) = load_approaches(["ToT"])
    proposals = "1. alpha\n2. beta\n3. gamma"
    script = scripted(proposals, vote, "1. delta", "The best step is 1", "The answer is 1.")
    with Endpoint(script) as endpoint:
        run(approach, endpoint)
        prompts = sent(endpoint)
    assert "(none yet)" in prompts[0]
    assert f"1. {kept}\n\nPropose" in prompts[2]
    assert f"1. {kept}\n2. delta" in prompts[4]


def test_a_list_that_is_none_is_one_point() -> None:
    (approach,) = load_approaches(["SoT"])
    with Endpoint("No list, just text.") as endpoint:
        assert len(run(approach, endpoint).steps) == 3


PROGRAM = "Here:\n```python\nprint({code})\n```\nThe answer is 7."


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("6 * 7", "The answer is 42"),
        ("'Steps'); print('The answer is: 42'", "The answer is 42"),
        ("1 / 0", "The answer is 7."),
        ("'', end=''", "The answer is 7."),
    ],
)
def test_a_program_is_run_where_allowed(code: str, ending: str) -> None:
    (approach,) = load_approaches(["PoT"], allow_code_execution=True)
    with Endpoint(PROGRAM.format(code=code)) as endpoint:
        trace = run(approach, endpoint)
    program, execution = trace.steps
    assert trace.raw_output.endswith(ending)
    assert trace.raw_output.startswith(program.completion.text)
    assert execution.name == "execution"
    assert code in execution.prompt
    assert ("ZeroDivisionError" in execution.completion.text) is (code == "1 / 0")


def test_a_program_is_not_run_otherwise(tmp_path: Path) -> None:
    (approach,) = load_approaches(["PoT"])
    trap = tmp_path / "was-run"
    with Endpoint(PROGRAM.format(code=f"open({str(trap)!r}, 'w')")) as endpoint:
        trace = run(approach, endpoint)
    assert trace.raw_output.endswith("The answer is 7.")
    assert len(trace.steps) == 1
    assert not trap.exists()


def test_an_answer_without_a_program_is_taken_as_stated() -> None:
    (approach,) = load_approaches(["PoT"], allow_code_execution=True)
    with Endpoint("I need no program. The answer is 7.") as endpoint:
        assert len(run(approach, endpoint).steps) == 1


def test_sums_over_steps() -> None:
    (approach,) = load_approaches(["Reflection"])
    with Endpoint(scripted("one", "one two", "one two three"), cost=0.5, latency=0.05) as endpoint:
        trace = run(approach, endpoint)
    assert trace.usage.completion_tokens == 6
    assert trace.usage.prompt_tokens == sum(len(step.prompt.split()) for step in trace.steps)
    assert trace.usage.cost_estimate == 1.5
    assert trace.execution_time_ms is not None
    assert 150 <= trace.execution_time_ms == sum(step.completion.latency_ms for step in trace.steps)
    trace.steps[1].completion.cost_estimate = None
    assert trace.usage.cost_estimate is None
    assert Trace().usage.prompt_tokens is None


def test_a_step_that_cannot_be_asked_ends_the_question() -> None:
    (approach,) = load_approaches(["Reflection"])
    with Endpoint("The answer is 1.") as endpoint:
        review: Callable[[dict[str, object]], bool] = lambda body: "examiner" in str(body)  # noqa: E731
        endpoint.fail(Fault.BAD_REQUEST, when=review)
        with pytest.raises(ProviderError, match="400"):
            run(approach, endpoint)
        assert endpoint.requests == 2


def test_names_short_and_long_in_order_and_once() -> None:
    names = [a.name for a in load_approaches(["tot", "None", " CoT", "ChainOfThought"])]
    assert names == ["TreeOfThought", "None", "ChainOfThought"]


@pytest.mark.parametrize("names", [["CoT", "Magic"], []])
def test_an_unknown_approach_lists_the_known(names: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        load_approaches(names)
    for short, long in APPROACHES.items():
        assert short in str(raised.value.hint)
        assert long in str(raised.value.hint)


def test_prompts_of_one_s_own(tmp_path: Path) -> None:
    before = prompt_fingerprints(load_approaches(ALL))
    own = tmp_path / "Reflection" / "critique.md"
    own.parent.mkdir()
    own.write_text('Be kind: {question} {"json": {answer}} {unknown}', encoding="utf-8")
    approaches = load_approaches(ALL, tmp_path)
    after = prompt_fingerprints(approaches)
    assert [name for name in before if before[name] != after[name]] == ["Reflection/critique"]
    with Endpoint(scripted("A", "C", "The answer is 1.")) as endpoint:
        run(approaches[3], endpoint)
        assert sent(endpoint)[1] == f'Be kind: {QUESTION} {{"json": A}} {{unknown}}'


@pytest.mark.parametrize(
    ("path", "content", "error", "words"),
    [
        ("Reflection/critic.md", b"{question}", UsageError, "not a prompt of Reflection"),
        ("ChainOfThought/answer.md", b"{question}", UsageError, "no prompt of the chosen"),
        ("Reflection/answer.md", b"Answer!", InvalidFileError, "does not contain the question"),
        ("Reflection/answer.md", b"\xff{question}", InvalidFileError, "not UTF-8"),
    ],
)
def test_prompts_that_cannot_be_used(
    tmp_path: Path, path: str, content: bytes, error: type[Exception], words: str
) -> None:
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_bytes(content)
    with pytest.raises(error, match=words):
        load_approaches(["Reflection"], tmp_path)


def test_a_prompt_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "Reflection" / "answer.md").mkdir(parents=True)
    with pytest.raises(InvalidFileError, match="cannot be read"):
        load_approaches(["Reflection"], tmp_path)


def test_a_folder_of_prompts_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no folder of prompts"):
        load_approaches(["CoT"], tmp_path / "missing")
