"""Responses of client libraries, in the shapes that they document."""

from types import SimpleNamespace
from typing import Any

import pytest

from ml_agents_results.providers.interface import Completion
from ml_agents_results.recording.model_responses import read_response

CHAT = {
    "id": "chatcmpl-1",
    "model": "served-2026",
    "choices": [
        {
            "message": {"content": "42", "reasoning_content": "6 x 7"},
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 7},
    },
}
RESPONSES = {
    "id": "resp_1",
    "model": "served-2026",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "4"}, {"text": "2"}]},
    ],
    "usage": {"input_tokens": 20, "output_tokens": 9},
}
MESSAGES = {
    "id": "msg_1",
    "model": "served-2026",
    "content": [{"type": "thinking", "thinking": "6 x 7"}, {"type": "text", "text": "42"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 5,
        "output_tokens": 9,
    },
}
EXPECTED: dict[str, tuple[Any, ...]] = {
    "chat": (CHAT, "stop", "6 x 7", 5, 7),
    "responses": (RESPONSES, "max_output_tokens", None, None, None),
    "messages": (MESSAGES, "end_turn", "6 x 7", 5, None),
}


def as_object(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(one) for key, one in value.items()})
    return [as_object(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("shape", EXPECTED)
@pytest.mark.parametrize("form", [dict, as_object])
def test_known_shapes(shape: str, form: Any) -> None:
    given, reason, reasoning, cached, thought = EXPECTED[shape]
    assert read_response(form(given)) == (
        "42",
        Completion(
            "42",
            *("served-2026", 20, 9, cached, thought),
            reasoning_text=reasoning,
            response_id=given["id"],
            finish_reason=reason,
        ),
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("plain", "plain"),
        ({"choices": [{"text": "old"}]}, "old"),
        ({"choices": [{"message": {"content": None, "refusal": "No."}}]}, "No."),
        ({"choices": []}, None),
        ({}, None),
        (None, None),
    ],
)
def test_other_shapes(given: object, text: str | None) -> None:
    assert read_response(given)[0] == text


def test_odd_usage_never_costs_the_answer() -> None:
    usage = {"prompt_tokens": -1, "completion_tokens": "many", "completion_tokens_details": 3}
    text, read = read_response({**CHAT, "usage": usage})
    assert (text, read.prompt_tokens, read.completion_tokens) == ("42", None, None)
