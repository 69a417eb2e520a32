"""Study: what an experiment asks, loaded and checked before anything is asked."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from random import Random

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.files import refuse_to_replace
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.approaches import Approach, load_approaches
from ml_agents_results.experiments.approaches.base import Asked, Trace
from ml_agents_results.experiments.datasets import Dataset, load_dataset
from ml_agents_results.experiments.few_shot import Examples, load_examples
from ml_agents_results.experiments.plan import Extent, Plan, PlannedModel
from ml_agents_results.experiments.platform_files import FILES
from ml_agents_results.experiments.question import Question
from ml_agents_results.providers import public_url
from ml_agents_results.providers.answer_cache import AnswerCache, CachedProvider
from ml_agents_results.providers.interface import Message, Provider
from ml_agents_results.records import MetricRecord
from ml_agents_results.scoring.extraction import VERSION as EXTRACTOR
from ml_agents_results.scoring.extraction import compile_pattern, schema_for
from ml_agents_results.scoring.graders import find_grader
from ml_agents_results.scoring.stored_answers import metric_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """What an experiment asks; nothing of it has been asked yet."""

    config: ExperimentConfig
    dataset: Dataset
    approaches: Sequence[Approach]
    plan: Plan
    examples: Examples | None = None
    cache: AnswerCache | None = None

    def history(self, approach: Approach, question: Question) -> Sequence[Message]:
        """The turns that a question is asked after: its own, and the examples, which follow a
        system prompt of its own."""
        own = question.history
        if self.examples is None:
            return own
        first = sum(1 for _ in takewhile(lambda turn: turn.role == "system", own))
        return (*own[:first], *self.examples.turns(approach, question), *own[first:])

    async def ask(
        self,
        provider: Provider,
        approach: Approach,
        question: Question,
        repeat: int,
        trace: Trace,
    ) -> bool:
        """Asks for one run, from the cache where there is one; returns whether the step that
        states the answer was held to a schema.

        Args:
            trace: Is filled step by step; see `Approach.answer`.
        """
        schema = None
        if self.config.parsing in ("auto", "instructor") and provider.structured_output:
            schema = schema_for(approach.name)
        if self.cache is not None:
            alike = self._alike[question.task, question.sample_index]
            provider = CachedProvider(provider, self.cache, [approach.name, alike, repeat])
        seed = None if self.config.seed is None else self.config.seed + repeat
        history = self.history(approach, question)
        await approach.answer(Asked(question.prompt, provider, schema, history, seed), trace)
        return schema is not None

    @cached_property
    def _alike(self) -> Mapping[tuple[str, int], int]:
        """Of each sample, how many before it in the dataset ask the same."""
        seen: Counter[tuple[object, ...]] = Counter()
        alike = {}
        for one in self.dataset.questions:
            asked = (one.history, one.prompt)
            alike[one.task, one.sample_index] = seen[asked]
            seen[asked] += 1
        return alike

    @property
    def metric(self) -> MetricRecord:
        """What the runs are graded by, with all that decides their grades."""
        config = self.config
        grader = find_grader(config.grader)
        return metric_of(
            grader,
            {
                "grader": grader.definition,
                "parsing": config.parsing,
                "extractor": EXTRACTOR,
                "answer_kind": config.answer_kind or self.dataset.kinds,
                "answer_pattern": config.answer_pattern,
            },
            is_primary=True,
        )

    def recorded_config(self) -> ExperimentConfig:
        """The configuration as it is recorded: valid from any directory, without secrets."""
        config = deepcopy(self.config)
        config.dataset = self.dataset.source
        config.output_dir = str(Path(config.output_dir).absolute())
        if self.examples is not None:
            config.examples = self.examples.source
        for name in ("prompts", "cache"):
            if (folder := getattr(config, name)) is not None:
                setattr(config, name, str(Path(folder).expanduser().absolute()))
        if config.base_url is not None:
            config.base_url = public_url(config.base_url)
        return config

    def check_files(self, experiment_id: str) -> None:
        """Raises UsageError if the files of the experiment would replace what it reads, or a
        database."""
        folder = Path(self.config.output_dir) / experiment_id
        sources = [Path(self.dataset.source)]
        if self.examples is not None:
            sources.append(Path(self.examples.source))
        for path in (folder / name for name in FILES):
            refuse_to_replace(path)
            for source in sources:
                if path.exists() and source.exists() and path.samefile(source):
                    raise UsageError(
                        f"{path} is read, and would be replaced by the files of {experiment_id}",
                        "Name another folder with --output-dir.",
                    )

    def asking(self, models: Sequence[PlannedModel]) -> "Study":
        """The same study, planned for models under the names they are stored by.

        Raises:
            UsageError: Two of them have the same name.
        """
        for index, model in enumerate(models):
            if model in models[:index]:
                raise UsageError(
                    f"two models are stored as {'/'.join(model)}", "Give every model once."
                )
        return replace(self, plan=replace(self.plan, models=models))


def require_monitored(plan: Plan) -> None:
    """Raises UsageError where looking early would be wrong, or there is nothing to look at."""
    if len(plan.variants) < 2:
        raise UsageError(
            "stop_when looks at differences, and there is one approach",
            "Give a baseline as well, for example --approach None,CoT.",
        )
    if plan.shuffle is None:
        raise UsageError(
            "stop_when needs the questions in random order: the first may be the easy ones",
            "Add: --shuffle 1",
        )
    if not plan.is_random:
        raise UsageError(
            "samples that were added later are not in random order among the first ones",
            "Leave out stop_when: --stop-when never",
        )


def prepare(
    config: ExperimentConfig, before: Sequence[Extent] = (), dataset: Dataset | None = None
) -> Study:
    """Loads dataset, approaches and prompts; the providers come later.

    Args:
        before: What was planned before each extension of the experiment.
        dataset: That of the configuration, where it is loaded already.

    Raises:
        UsageError, NotFoundError, InvalidFileError: Something in the configuration is wrong.
    """
    config.check()
    find_grader(config.grader)
    prompts = Path(config.prompts) if config.prompts is not None else None
    approaches = load_approaches(config.approaches, prompts, config.allow_code_execution)
    if dataset is None:
        dataset = load_dataset(
            config.dataset, config.columns, config.dataset_recipe, config.answer_kind
        )
        for warning in dataset.warnings:
            logger.warning("%s: %s", dataset.name, warning)
    if config.answer_pattern is not None:
        compile_pattern(config.answer_pattern)
    plan = Plan(
        [approach.name for approach in approaches],
        _in_order(dataset.first(config.samples), config.shuffle, before),
        config.repeats,
        [PlannedModel("", name or "") for name in config.model_names],
        config.shuffle,
        before,
    )
    if config.stop_when == "decided":
        require_monitored(plan)
    examples = load_examples(config, plan.questions)
    cache = None if config.cache is None else AnswerCache(config.cache)
    return Study(config, dataset, approaches, plan, examples, cache)


def _in_order(
    questions: Sequence[Question], seed: int | None, before: Sequence[Extent]
) -> Sequence[Question]:
    """The questions of each extent after those before it, shuffled where there is a seed."""
    if seed is None:
        return questions
    ordered: list[Question] = []
    left = list(questions)
    for samples in (*(extent.samples for extent in before), None):
        chosen = [q for q in left if samples is None or q.sample_index < samples]
        left = [q for q in left if samples is not None and q.sample_index >= samples]
        Random(seed).shuffle(chosen)
        ordered += chosen
    return ordered
