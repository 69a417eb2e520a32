"""Extension: adds samples, repeats, approaches or models to an experiment."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.origin import is_foreign, signed
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.environment import environment
from ml_agents_results.experiments.plan import Extent
from ml_agents_results.experiments.resumption import (
    EXTENSIONS,
    ResumeRefused,
    definition,
    described,
    recorded_providers,
)
from ml_agents_results.experiments.study import Study, prepare
from ml_agents_results.providers.interface import Provider
from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository


@dataclass(frozen=True)
class Extension:
    """What is added to an experiment.

    Attributes:
        samples: New total of samples of each task.
        repeats: New total of repeats of each sample.
        approaches: Further approaches; existing ones may be named, too.
        models: Further models, likewise.
    """

    samples: int | None = None
    repeats: int | None = None
    approaches: Sequence[str] = ()
    models: Sequence[str] = ()

    def of(self, record: ExperimentRecord, study: Study) -> Study:
        """The study of an experiment with what is added; the same one where that is nothing.

        Raises:
            UsageError: There is less of something than is planned already.
        """
        before = study.config
        ExperimentConfig.samples.check(self.samples)
        ExperimentConfig.repeats.check(self.repeats)
        config = deepcopy(before)
        if self.samples is not None:
            if before.samples is None:
                raise UsageError(
                    f"{record.id} has all samples of its dataset already", "Leave out --samples."
                )
            if self.samples < before.samples:
                raise UsageError(
                    f"{record.id} has {before.samples} samples of each task already, more than "
                    f"{self.samples}",
                    "Samples can only be added; --samples is the new total.",
                )
            config.samples = self.samples
        if self.repeats is not None:
            if self.repeats < before.repeats:
                raise UsageError(
                    f"{record.id} has {before.repeats} repeats already, more than {self.repeats}",
                    "Repeats can only be added; --repeats is the new total.",
                )
            config.repeats = self.repeats
        config.approaches = list(dict.fromkeys([*before.approaches, *self.approaches]))
        names = [known["model"] for known in recorded_providers(record)]
        models = list(before.models or [before.model or names[0]])
        further = [name for name in self.models if name not in models and [name] != names]
        if further:
            config.model, config.models = None, [*models, *further]
        extent = Extent(
            len(study.approaches), len(study.plan.models), before.samples, before.repeats
        )
        extended = prepare(config, [*study.plan.before, extent], study.dataset)
        return study if len(extended.plan) == len(study.plan) else extended


def record_extension(
    database: Database, before: ExperimentRecord, study: Study, providers: Sequence[Provider]
) -> None:
    """Records a study in place of what the experiment was before, which stays in its history.

    Raises:
        ResumeRefused: Somebody has extended it meanwhile.
    """
    with database.write() as connection:
        experiments = ExperimentRepository(connection)
        record = experiments.get(before.id, lock=True)
        known = record.environment_json
        if known["plan"] != before.environment_json["plan"]:
            raise ResumeRefused(
                f"{record.id} has been extended by somebody else at the same time",
                "Give the same command again.",
            )
        config = study.config
        was: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(),
            "approaches": known["plan"]["approaches"],
            "models": len(recorded_providers(record)),
            "samples": study.plan.before[-1].samples,
            "repeats": study.plan.before[-1].repeats,
            "environment": environment(),
        }
        new = definition(study)
        kept = {
            name: value for name, value in known.items() if name not in ("provider", "providers")
        }
        extended = replace(
            record,
            status="running",
            config_json={
                **record.config_json,
                "approaches": list(config.approaches),
                "samples": config.samples,
                "repeats": config.repeats,
                "model": config.model,
                **({"models": list(config.models)} if config.models else {}),
            },
            environment_json={
                **kept,
                "plan": new["plan"],
                "prompts": new["prompts"],
                **described(providers),
                EXTENSIONS: [*known.get(EXTENSIONS, ()), was],
            },
            metrics=None,
        )
        if not is_foreign(record):
            extended = signed(extended, database.identity)
        experiments.save(extended)
