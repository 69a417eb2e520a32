"""ResultHook: hands every answer to an override of `ExperimentRunner._process_single_result`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidRecordError, UsageError
from ml_agents_results.experiments.recorder import Recorder
from ml_agents_results.records import RunRecord, StandardResponse
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.responses import mark_saved, response_of_run, run_of_response


class ResultHook:
    """Calls the override with one answer at a time, in a thread of its own.

    Whatever the override does, the answer is saved: by `save_response`, which it reaches by
    `super()`, or afterwards.
    """

    def __init__(self, process: Callable[[StandardResponse], None], database: Database) -> None:
        self._process = process
        self._database = database
        self._thread = ThreadPoolExecutor(1, "results")
        self._recorder: Recorder | None = None
        self._answered: tuple[int, RunRecord] | None = None
        self._saved: RunRecord | None = None
        self._final = False

    def start(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._loop = asyncio.get_running_loop()

    async def finish(self) -> None:
        """Waits for the answers that were handed over."""
        await asyncio.to_thread(self._thread.shutdown)

    async def save(
        self, position: int, run: RunRecord
    ) -> tuple[RunRecord | None, Exception | None]:
        """Hands an answer over; when this returns, it is durable, also if the caller is cancelled.

        Returns:
            The run as it was saved, None if another process had saved it; and what the override
            raised.
        """
        handed = self._loop.run_in_executor(self._thread, self._handle, position, run)
        return await asyncio.shield(handed)

    def _handle(self, position: int, run: RunRecord) -> tuple[RunRecord | None, Exception | None]:
        self._answered, self._saved, self._final = (position, run), None, False
        raised: Exception | None = None
        response = response_of_run(run)
        try:
            self._process(response)
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for the answer
            raised = error
        except BaseException as error:  # noqa: BLE001 - a thread cannot exit the program
            raised = RuntimeError(f"_process_single_result raised {error!r}")
        if not self._final:
            try:
                self.save_response(response)
            except InvalidRecordError:
                self._save(position, run)
        self._answered = None
        return self._saved, raised

    def save_response(self, response: StandardResponse) -> None:
        """Saves the answer that is being handled, as the response has it now.

        Raises:
            InvalidRecordError: A value of the response breaks a rule.
            UsageError: No answer is being handled.
        """
        if self._answered is None:
            raise UsageError("no answer is being processed", "Call run() or resume().")
        position, run = self._answered
        # What identifies the run is planned, and stays.
        changed = replace(
            run_of_response(response),
            experiment_id=run.experiment_id,
            approach_name=run.approach_name,
            provider=run.provider,
            model=run.model,
            task=run.task,
            sample_index=run.sample_index,
            repeat_index=run.repeat_index,
        )
        self._save(position, changed)
        with self._database.read() as connection:
            mark_saved(response, RunRepository(connection).id_of(changed), run.experiment_id)

    def _save(self, position: int, run: RunRecord) -> None:
        assert self._recorder is not None
        saving = asyncio.run_coroutine_threadsafe(self._recorder.save(position, run), self._loop)
        if saving.result():
            self._saved = run
        self._final = True
