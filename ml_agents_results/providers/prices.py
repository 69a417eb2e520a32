"""Prices of requests, from the table of the genai-prices package; nothing is fetched."""

import logging

log = logging.getLogger(__name__)

_UNKNOWN: set[tuple[str, str]] = set()
"""Addresses and models without a price, which was logged."""


class Prices:
    """Prices at one endpoint.

    The cost of a model that the table does not have is None, which is logged once.
    """

    def __init__(self, url: str) -> None:
        """`url`: the endpoint's address, by which the table identifies the provider."""
        self._url = url

    def cost(
        self,
        model: str,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
    ) -> float | None:
        """USD; None where the price or the usage is unknown.

        `cached_tokens`: those of the prompt that the endpoint had read before.
        """
        from genai_prices import Usage, calc_price

        if prompt_tokens is None or completion_tokens is None or (self._url, model) in _UNKNOWN:
            return None
        usage = Usage(
            input_tokens=prompt_tokens,
            output_tokens=completion_tokens,
            cache_read_tokens=cached_tokens,
        )
        try:
            return float(calc_price(usage, model, provider_api_url=self._url).total_price)
        except LookupError:
            _UNKNOWN.add((self._url, model))
            log.warning("no price is known for %s at %s: its cost stays empty", model, self._url)
            return None
