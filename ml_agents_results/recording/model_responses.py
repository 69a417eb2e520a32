"""Responses of client libraries: text, usage and finish reason, read by their attributes.

No client is imported and none is patched: any object or mapping with these names is read. Known are
OpenAI's Chat Completions and Responses, Anthropic's messages, and what others return in their form.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.providers.interface import Completion, token_count


def read_response(response: object) -> tuple[str | None, Completion]:
    """What the response of a client library says: its text, None without one, and all of it.

    Odd usage figures are unknown; they never cost the answer.
    """
    choice = _item(_get(response, "choices"))
    message = _get(choice, "message")
    usage = _get(response, "usage")
    details = _get(usage, "completion_tokens_details", "output_tokens_details")
    cached = _get(_get(usage, "prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    read = token_count(_get(usage, "cache_read_input_tokens"))
    created = token_count(_get(usage, "cache_creation_input_tokens"))
    prompt = token_count(_get(usage, "prompt_tokens", "input_tokens"))
    if read is not None or created is not None:
        # Anthropic counts what was cached apart from what was not.
        prompt = (prompt or 0) + (read or 0) + (created or 0)
    text = _answer(response, message, choice)
    thinking = _joined(_get(response, "content"), "thinking")
    return text, Completion(
        text or "",
        model=_get(response, "model"),
        response_id=_get(response, "id"),
        finish_reason=_get(choice, "finish_reason")
        or _get(response, "stop_reason")
        or _get(_get(response, "incomplete_details"), "reason")
        or (_get(response, "status") if _get(response, "output") is not None else None),
        reasoning_text=_get(message, "reasoning_content", "reasoning") or thinking,
        prompt_tokens=prompt,
        completion_tokens=_get(usage, "completion_tokens", "output_tokens"),
        cached_tokens=cached if read is None else read,
        reasoning_tokens=_get(details, "reasoning_tokens"),
    )


def _answer(response: object, message: object, choice: object) -> str | None:
    if isinstance(response, str):
        return response
    content = _get(message, "content")
    if content is None:
        content = _get(response, "content")
    for text in (
        content if isinstance(content, str) else _joined(content, "text"),
        _get(message, "refusal"),
        _get(choice, "text"),
        _get(response, "output_text"),
        _output(_get(response, "output")),
        _get(response, "text"),
    ):
        if isinstance(text, str):
            return text
    return None


def _output(items: object) -> str | None:
    """The texts of a Responses output: a list of messages, each a list of parts."""
    if not _is_list(items):
        return None
    texts = [_joined(_get(item, "content"), "text") for item in items]  # type: ignore[attr-defined]
    known = [text for text in texts if text is not None]
    return "".join(known) if known else None


def _joined(parts: object, name: str) -> str | None:
    if not _is_list(parts):
        return None
    texts = [_get(part, name) for part in parts]  # type: ignore[attr-defined]
    known = [text for text in texts if isinstance(text, str)]
    return "".join(known) if known else None


def _get(source: object, *names: str) -> Any:
    for name in names:
        value = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
        if value is not None:
            return value
    return None


def _item(items: object) -> Any:
    return items[0] if _is_list(items) and items else None  # type: ignore[index]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
