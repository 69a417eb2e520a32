"""Hooks of Inspect AI: each sample is recorded as it ends, by the importer's own mapping.

Inspect loads this module by its entry point `inspect_ai`. A hook only puts what it is given on a
queue; a thread hands it to the importer as the log that Inspect would have written. At the end of a
task the log itself is imported, since events can be missing: after Ctrl-C, and for samples that a
retry takes over. A hook that raises is invisible, so what is lost is said at the end of the run.
"""

import atexit
from typing import Any

from inspect_ai.hooks import Hooks, RunEnd, SampleEnd, TaskEnd, TaskStart, hooks

from ml_agents_results.integrations.switch import is_on

_LEFT_OUT = {"events", "events_data", "store", "timelines"}
_AS_WRITTEN: dict[str, Any] = {"mode": "json", "exclude_none": True, "fallback": str}
"""How Inspect writes its own logs."""
_PRIVATE = {"model_args": True, "model_roles": True}


@hooks(name="results", description="records samples in a results database (ML_AGENTS_RECORD)")
class ResultsHooks(Hooks):  # type: ignore[misc]
    """Records every sample that ends in this process."""

    def __init__(self) -> None:
        self._on = is_on()
        self._queue: Any = None

    def enabled(self) -> bool:
        return self._on

    async def on_task_start(self, data: TaskStart) -> None:
        header = {
            "version": 2,
            "status": "started",
            # Roles may hold functions, and arguments hold keys.
            "eval": data.spec.model_dump(exclude=_PRIVATE, **_AS_WRITTEN),
            "plan": data.plan.model_dump(**_AS_WRITTEN),
        }
        self._recorder().begin(data.eval_id, header)

    async def on_sample_end(self, data: SampleEnd) -> None:
        sample = data.sample.model_dump(exclude=_LEFT_OUT, **_AS_WRITTEN)
        self._recorder().add(data.eval_id, sample, _log_location())

    async def on_task_end(self, data: TaskEnd) -> None:
        self._recorder().end(data.eval_id, data.log.location)

    async def on_run_end(self, data: RunEnd) -> None:
        import asyncio

        locations = {log.eval.eval_id: log.location for log in data.logs}
        await asyncio.to_thread(self._recorder().finish, locations)

    def _recorder(self) -> Any:
        """Made at the first event: where nothing is recorded, nothing is imported."""
        if self._queue is None:
            from ml_agents_results.integrations.log_recorder import LogRecorder
            from ml_agents_results.reports.terminal import say

            self._queue = LogRecorder(say)
            atexit.register(self._queue.finish, {})
        return self._queue


def _log_location() -> str | None:
    """Where the log of the sample that has just ended will be: after Ctrl-C no event tells.

    Inspect keeps it to itself, so it may be gone in a later version.
    """
    try:
        from inspect_ai.log._samples import sample_active

        sample = sample_active()
        return None if sample is None else str(sample.log_location)
    except (ImportError, AttributeError):
        return None
