"""Pilot: asks a few questions of each variant, to see what answers use before all are asked."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from ml_agents_results.errors import ResultsError
from ml_agents_results.experiments.approaches.base import Trace
from ml_agents_results.experiments.plan import PlannedVariant
from ml_agents_results.experiments.pool import Pool, Work, run_pool
from ml_agents_results.experiments.question import Question
from ml_agents_results.experiments.study import Study
from ml_agents_results.providers.interface import Provider
from ml_agents_results.repositories.earlier_usage import AnswerUsage

_SEED = 1
"""Of the choice of questions, so that the same pilot asks the same."""


def pilot_usage(
    study: Study, providers: Sequence[Provider], count: int, say: Callable[[str], None]
) -> Mapping[PlannedVariant, Sequence[AnswerUsage]]:
    """What `count` questions of each variant have used, drawn at random; nothing is recorded.

    Args:
        study: Planned for the models of the providers.

    Raises:
        ResultsError: No question of any variant was answered; it is the last error.
        KeyboardInterrupt: Ctrl-C.
    """
    pool = _PilotPool(study, providers, count)
    failure, interrupted = run_pool(pool, providers, say)
    if interrupted:
        raise KeyboardInterrupt
    if failure is not None:
        raise failure
    if not any(pool.usage.values()) and pool.last_error is not None:
        raise pool.last_error
    return pool.usage


class _PilotPool(Pool):
    """Asks each model up to `concurrency` questions at once."""

    def __init__(self, study: Study, providers: Sequence[Provider], count: int) -> None:
        super().__init__(study.config.grace)
        self.usage: dict[PlannedVariant, list[AnswerUsage]] = {v: [] for v in study.plan.variants}
        self.last_error: ResultsError | None = None
        self._study = study
        self._providers = providers
        questions = list(study.plan.questions)
        self._questions = Random(_SEED).sample(questions, min(count, len(questions)))

    def _workers(self) -> Work:
        free = [asyncio.Semaphore(self._study.config.concurrency) for _ in self._providers]
        return [
            self._ask(index, variant, question, free)
            for index, variant in enumerate(self._study.plan.variants)
            for question in self._questions
        ]

    async def _ask(
        self,
        index: int,
        variant: PlannedVariant,
        question: Question,
        free: Sequence[asyncio.Semaphore],
    ) -> None:
        study = self._study
        model, number = divmod(index, len(study.approaches))
        approach, provider = study.approaches[number], self._providers[model]
        trace = Trace()
        async with free[model]:
            if self._stopping.is_set():
                return
            try:
                await study.ask(provider, approach, question, 0, trace)
            except ResultsError as error:
                self.last_error = error
                return
        usage = trace.usage
        if usage.prompt_tokens is not None and usage.completion_tokens is not None:
            counts = (usage.prompt_tokens, usage.completion_tokens, usage.cost_estimate)
            self.usage[variant].append(AnswerUsage(question.prompt, *counts))
