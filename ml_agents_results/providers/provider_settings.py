"""What a provider is opened with, and what an endpoint's answer says, whatever its protocol."""

import math
from dataclasses import dataclass, field

from ml_agents_results.providers.retry import Retries
from ml_agents_results.providers.urls import Address


@dataclass(frozen=True)
class Target:
    """Which model is asked, and where.

    Attributes:
        name: The provider's name.
        key: None where there is none to send.
        key_variable: The environment variable the key comes from.
    """

    name: str
    model: str
    address: Address
    key: str | None = field(default=None, repr=False)
    key_variable: str = "OPENAI_API_KEY"


@dataclass(frozen=True)
class ProviderSettings:
    """How a model is asked.

    Attributes:
        temperature: None leaves it to the endpoint.
        max_tokens: Upper bound on the tokens of one answer; None leaves it to the endpoint.
        seed: For endpoints that take one.
        timeout: Seconds for one attempt, from connecting to the last byte.
        retries: How stubbornly a failed attempt is repeated.
        requests_per_minute: Attempts to start in a minute at most; None sets no limit.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    timeout: float = 120.0
    retries: Retries = field(default_factory=Retries)
    requests_per_minute: float | None = None


@dataclass(slots=True)
class Reply:
    """What an endpoint's answer says, whatever its protocol."""

    text: str
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    cost: float | None
    response_id: str | None
    finish_reason: str | None

    def __post_init__(self) -> None:
        """Keep what servers put in the wrong shape out of the record."""
        self.prompt_tokens = _count(self.prompt_tokens)
        self.completion_tokens = _count(self.completion_tokens)
        self.cached_tokens = _count(self.cached_tokens)
        self.cost = _usd(self.cost)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _usd(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
        return float(value)
    return None
