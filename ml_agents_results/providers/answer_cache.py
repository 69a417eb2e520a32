"""Answer cache: a folder of answers, each under the fingerprint of all that decides it.

An entry is a file with the SHA-256 of its content in the first line. It holds the answer and its
usage, never the request or a key. Entries appear whole or not at all: any number of processes may
use a folder, and one that is killed leaves nothing that is taken for an answer.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.providers.interface import Completion, Message, Provider, Schema
from ml_agents_results.records import canonical_finish_reason

if TYPE_CHECKING:
    from pydantic import BaseModel

logger = logging.getLogger(__name__)

VERSION = 1
"""Counts changes of what a fingerprint covers; entries of other versions are not found."""

_KEPT = (
    "text", "model", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
    "reasoning_text", "response_id", "finish_reason", "structured", "seed",
)  # fmt: skip
"""Fields of a completion that a stored one has, too: not its cost and time."""

_NOT_KEPT = ("length", "content_filter", "refusal")
"""Reasons to stop of answers that are not stored: who asks again wants another one."""


class AnswerCache:
    """The entries of a folder.

    Raises:
        UsageError: The folder has no name.
        OutputError: The folder cannot be created.
    """

    def __init__(self, name: str | Path) -> None:
        if not str(name).strip():
            raise UsageError(
                "the cache has no name", "Name a folder with --cache, or leave it out."
            )
        self._folder = folder = Path(name).expanduser()
        self._warned: set[str] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"the cache {folder} cannot be created: {error.strerror}",
                "Name another folder with --cache.",
            ) from error

    def find(self, fingerprint: str) -> dict[str, Any] | None:
        """The entry of a fingerprint; None where there is none, or it is damaged, which is logged
        once."""
        path = self._path(fingerprint)
        try:
            digest, _, content = path.read_bytes().partition(b"\n")
            if digest == sha256(content).hexdigest().encode():
                entry = json.loads(content)
                if isinstance(entry, dict):
                    return entry
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            pass
        self._warn("damaged", f"{path} is damaged: it is ignored, and the question asked again")
        return None

    def store(self, fingerprint: str, entry: Mapping[str, Any]) -> None:
        """Stores an entry in place of any before; what goes wrong is logged once."""
        path = self._path(fingerprint)
        content = json.dumps(entry).encode()
        draft = path.with_suffix(f".{uuid4().hex}.draft")
        try:
            path.parent.mkdir(exist_ok=True)
            draft.write_bytes(sha256(content).hexdigest().encode() + b"\n" + content)
            draft.replace(path)
        except OSError as error:
            self._warn("full", f"answers cannot be stored in {self._folder}: {error.strerror}")
            with suppress(OSError):
                draft.unlink()

    def _path(self, fingerprint: str) -> Path:
        return self._folder / fingerprint[:2] / f"{fingerprint}.json"

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s", message)


class CachedProvider:
    """A provider whose answers to one run, or one judge's verdict, may come from a cache.

    A stored answer has neither time nor cost, and `from_cache` is set.

    Args:
        draw: What tells it from others that ask the same, as JSON values: approach, repeat, ...
            Answers are drawn at random: those that are compared must not be copies of one another.
        reading: Whether stored answers are used; new ones are stored anyway.
    """

    def __init__(
        self,
        provider: Provider,
        answers: AnswerCache,
        draw: Sequence[Any],
        *,
        reading: bool = True,
    ) -> None:
        self.name = provider.name
        self.model = provider.model
        self.endpoint = provider.endpoint
        self.identity = provider.identity
        self._provider = provider
        self._answers = answers
        self._draw = list(draw)
        self._reading = reading
        self._asked: Counter[str] = Counter()

    @property
    def structured_output(self) -> bool:
        return self._provider.structured_output

    @structured_output.setter
    def structured_output(self, possible: bool) -> None:
        self._provider.structured_output = possible

    def sent_seed(self, seed: int | None) -> int | None:
        """See `Provider.sent_seed`."""
        return self._provider.sent_seed(seed)

    async def complete(
        self, messages: Sequence[Message], *, schema: Schema = None, seed: int | None = None
    ) -> Completion:
        """The stored answer to the same request, else the provider's, which is then stored.

        Raises:
            ProviderError: As the provider.
        """
        request = self._request(messages, seed)
        number = self._asked[request] = self._asked[request] + 1
        held, free = (_fingerprint(request, number, one) for one in (schema, None))
        if self._reading:
            completion = await asyncio.to_thread(self._stored, held)
            if completion is None and held != free:
                completion = await asyncio.to_thread(self._stored, free, without_schemas=True)
                if completion is not None:
                    # The endpoint was found not to support schemas when it was asked.
                    self.structured_output = False
            if completion is not None:
                return completion
        completion = await self._provider.complete(messages, schema=schema, seed=seed)
        if canonical_finish_reason(completion.finish_reason or "") not in _NOT_KEPT:
            obeys = self.structured_output
            entry = {**asdict(completion), "structured_output": obeys}
            await asyncio.to_thread(self._answers.store, held if obeys else free, entry)
        return completion

    async def aclose(self) -> None:
        await self._provider.aclose()

    def _request(self, messages: Sequence[Message], seed: int | None) -> str:
        return json.dumps(
            [
                VERSION,
                self.identity,
                self.sent_seed(seed),
                [[message.role, message.content] for message in messages],
                self._draw,
            ],
            sort_keys=True,
        )

    def _stored(self, fingerprint: str, *, without_schemas: bool = False) -> Completion | None:
        entry = self._answers.find(fingerprint)
        if entry is None or (without_schemas and entry.get("structured_output") is not False):
            return None
        known: dict[str, Any] = {name: entry.get(name) for name in _KEPT}
        if not isinstance(known["text"], str):
            return None
        return Completion(**known, cost_estimate=None, attempts=0, from_cache=True)


def _fingerprint(request: str, number: int, schema: Schema) -> str:
    """Of the n-th time that a run asks this request, held to a schema."""
    shape = None if schema is None else _shape(schema)
    return sha256(json.dumps([request, number, shape]).encode()).hexdigest()


@cache
def _shape(schema: "type[BaseModel]") -> str:
    return json.dumps(schema.model_json_schema(), sort_keys=True)
