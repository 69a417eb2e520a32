"""Fault watch: notices that asking on is pointless, from the answers and errors that come back."""

from ml_agents_results.errors import ResultsError
from ml_agents_results.experiments.approaches.own import FunctionFailed
from ml_agents_results.providers.interface import (
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
)
from ml_agents_results.records import canonical_finish_reason

LONGEST_SILENCE = 20
"""Requests in a row (or two for each in flight) without a usable answer, after all retries, that
end the asking: the endpoint is down, and further requests would fail too."""

FEW = 5
"""Requests that all fail alike, or are all cut off before any text, before any other has come back,
which end the asking: a setting is wrong for every request."""


class FaultWatch:
    """Is told of every answer and failure, and returns the error that should end the asking.

    Args:
        concurrency: Requests in flight.
        what: What is asked, for messages: `runs`, `verdicts`.
        cut_off_hint: What helps where every answer is cut off before any text.
    """

    def __init__(self, concurrency: int, what: str, cut_off_hint: str) -> None:
        self._patience = max(LONGEST_SILENCE, 2 * concurrency)
        self._what = what
        self._cut_off_hint = cut_off_hint
        self._silence = 0
        self._same = 0
        self._last_fault = ""
        self._answered = False

    def failed(self, error: ResultsError) -> ResultsError | None:
        """After a failed request.

        Raises:
            ProviderError: The same error, if every other request would fail like this one.
        """
        if isinstance(error, ProviderError) and error.fatal:
            raise error
        silent = isinstance(error, ProviderError) and error.retryable
        self._silence = self._silence + 1 if silent else 0
        if self._silence >= self._patience:
            return ProviderUnavailable(
                f"{self._silence} {self._what} in a row got no answer; the last one: "
                f"{error.message}",
                f"Check the endpoint. The failed {self._what} are saved: "
                "add --retry-failed to ask them again.",
            )
        about_all = isinstance(error, FunctionFailed) or (
            isinstance(error, ProviderError) and not (error.retryable or error.by_content)
        )
        if about_all and self._is_same(error.message):
            return RequestRefused(
                f"the first {self._same} {self._what} all failed alike: {error.message}",
                f"A setting is wrong for every request. The failed {self._what} are saved: "
                "add --retry-failed to ask them again.",
            )
        return None

    def answered(self, text: str, finish_reason: str | None) -> ResultsError | None:
        """After an answer: an error where only cut-off ones without any text have come so far."""
        self._silence = 0
        if text.strip() or canonical_finish_reason(finish_reason or "") != "length":
            self._answered = True
        elif self._is_same("cut off before any text"):
            return ProviderError(
                f"the first {self._same} answers were all cut off at the token limit before any "
                "text",
                f"A reasoning model spends tokens before it answers. {self._cut_off_hint}",
            )
        return None

    def _is_same(self, fault: str) -> bool:
        """Whether nothing but this fault has come back so far, a few times."""
        self._same = self._same + 1 if fault == self._last_fault else 1
        self._last_fault = fault
        return not self._answered and self._same >= FEW
