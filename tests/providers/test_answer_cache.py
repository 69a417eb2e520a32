"""Answer cache: the same request is asked once, any other again; damage is noticed."""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.providers import open_provider
from ml_agents_results.providers.answer_cache import AnswerCache, CachedProvider
from ml_agents_results.providers.interface import Completion, Message
from tests.endpoint import Endpoint, Fault

QUESTION = [Message("user", "Two and two?")]


class Held(BaseModel):
    answer: str


def ask(
    endpoint: Endpoint,
    folder: Path,
    messages: Sequence[Message] = QUESTION,
    *,
    model: str = "m",
    repeat: int = 0,
    times: int = 1,
    schema: type[BaseModel] | None = None,
    **settings: Any,
) -> list[Completion]:
    """What one run gets that asks the same so many times."""

    async def run() -> list[Completion]:
        provider = open_provider(
            "mine", model, ProviderSettings(base_url=endpoint.url, max_retries=0, **settings)
        )
        cached = CachedProvider(provider, AnswerCache(folder), ["None", repeat])
        try:
            return [
                await cached.complete(messages, schema=schema if cached.structured_output else None)
                for _ in range(times)
            ]
        finally:
            await cached.aclose()

    return asyncio.run(run())


def test_a_stored_answer_has_all_but_time_and_cost(tmp_path: Path) -> None:
    with Endpoint("The answer is 4.", cost=0.5, latency=0.01) as endpoint:
        (first,) = ask(endpoint, tmp_path)
        (again,) = ask(endpoint, tmp_path)
        assert endpoint.requests == 1
    assert (first.from_cache, first.cost_estimate, first.attempts) == (False, 0.5, 1)
    assert (again.from_cache, again.cost_estimate, again.attempts) == (True, None, 0)
    assert again.latency_ms == 0 < first.latency_ms
    for name in ("text", "model", "prompt_tokens", "completion_tokens", "response_id"):
        assert getattr(again, name) == getattr(first, name)


@pytest.mark.parametrize(
    "other",
    [
        {"model": "n"},
        {"repeat": 1},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"max_tokens": 9},
        {"stop": "#"},
        {"system": "Be brief."},
        {"reasoning_effort": "low"},
        {"extra_body": '{"top_k": 1}'},
        {"seed": 1},
        {"schema": Held},
        {"messages": [Message("user", "Two and three?")]},
        {"messages": [Message("user", "x"), Message("assistant", "y"), *QUESTION]},
    ],
    ids=str,
)
def test_whatever_decides_an_answer_is_in_its_key(tmp_path: Path, other: dict[str, Any]) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        ask(endpoint, tmp_path)
        for _ in range(2):
            ask(endpoint, tmp_path, **other)
        assert endpoint.requests == 2


def test_a_run_that_asks_the_same_twice_gets_two_answers(tmp_path: Path) -> None:
    numbers = iter(range(10))
    with Endpoint(lambda body: f"The answer is {next(numbers)}.") as endpoint:
        first = ask(endpoint, tmp_path, times=2)
        again = ask(endpoint, tmp_path, times=2)
        assert endpoint.requests == 2
    assert [one.text for one in again] == [one.text for one in first]
    assert len({one.text for one in first}) == 2


def test_an_endpoint_without_schemas_is_not_asked_again_to_find_that_out(tmp_path: Path) -> None:
    other = [Message("user", "Two and three?")]
    with Endpoint("The answer is 4.") as endpoint:
        endpoint.fail(Fault.NO_SCHEMAS, None)
        for messages in (QUESTION, other):
            ask(endpoint, tmp_path, messages, schema=Held)
        asked = endpoint.requests
        for messages in (QUESTION, other):
            (stored,) = ask(endpoint, tmp_path, messages, schema=Held)
            assert (stored.from_cache, stored.structured) == (True, None)
        assert endpoint.requests == asked


def test_what_was_cut_off_is_not_stored(tmp_path: Path) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        endpoint.fail(Fault.TRUNCATED, 1)
        ask(endpoint, tmp_path)
        (again,) = ask(endpoint, tmp_path)
    assert (endpoint.requests, again.from_cache) == (2, False)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "folder"])
def test_a_damaged_entry_is_ignored_with_a_note(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        ask(endpoint, tmp_path)
        (entry,) = tmp_path.rglob("*.json")
        content = entry.read_bytes()
        if damage == "folder":
            entry.unlink()
            entry.mkdir()
        else:
            changed = {
                "cut": content[:-9],
                "changed": content.replace(b" 4.", b" 5."),
                "empty": b"",
            }
            entry.write_bytes(changed[damage])
        with caplog.at_level(logging.WARNING):
            (again,) = ask(endpoint, tmp_path)
        assert (again.text, again.from_cache) == ("The answer is 4.", False)
        assert "damaged" in caplog.text
        if damage != "folder":
            assert ask(endpoint, tmp_path)[0].from_cache
    assert not list(tmp_path.rglob("*.draft"))


def test_no_secret_and_no_request_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-test-4f9a8b7c6d5e4f3a2b1c"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with Endpoint(f"I know {key}. The answer is 4.") as endpoint:
        ask(endpoint, tmp_path, extra_body=json.dumps({"user": "somebody"}))
    (entry,) = tmp_path.rglob("*.json")
    text = entry.read_text("utf-8")
    assert key not in text
    assert "Two and two" not in text
    assert "somebody" not in text
    assert endpoint.url not in text


def test_a_folder_that_cannot_be_one_is_refused_and_a_full_one_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be created"):
        AnswerCache(file)
    with pytest.raises(UsageError, match="no name"):
        AnswerCache("")
    cache = AnswerCache(tmp_path / "cache")
    (tmp_path / "cache" / "ab").write_text("in the way", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        cache.store("ab" * 32, {"text": "x"})
    assert "cannot be stored" in caplog.text
