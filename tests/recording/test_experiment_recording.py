"""Recording by `with` blocks: nothing lost, nothing asked twice, wrong use refused."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DuplicateError, InvalidRecordError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.recording.experiment_recording import ExperimentRecording
from ml_agents_results.recording.run_recording import NOTHING_RECORDED, RecordingError
from ml_agents_results.records import RunRecord
from tests.databases import row_problems

QUESTIONS = [{"id": f"q{n}", "question": f"What is {n}?", "answer": n} for n in range(4)]


def recorded(processor: ResultsProcessor, experiment: str = "e") -> list[RunRecord]:
    assert row_problems(processor.database) == []
    return list(processor.iter_runs(experiment))


def answer(experiment: ExperimentRecording, samples: object = QUESTIONS, **more: object) -> int:
    asked = 0
    for sample in experiment.missing(samples, approach="a", **more):  # type: ignore[arg-type]
        with experiment.run(sample, approach="a") as run:
            run.raw_output = f"It is {sample.expected_answer}."
            run.score("right", True)
            run.score("f1", 0.25, explanation="a quarter")
            asked += 1
    return asked


def test_a_loop_is_recorded_and_resumed(processor: ResultsProcessor) -> None:
    with processor.experiment("e", config={"temperature": 0}) as experiment:
        assert len(experiment.missing(QUESTIONS, approach="a")) == 4
        assert answer(experiment, QUESTIONS[:3]) == 3
    first = recorded(processor)[0]
    assert (first.sample_id, first.sample_index, first.expected_answer) == ("q0", 0, "0")
    assert (first.raw_output, first.is_correct) == ("It is 0.", True)
    metrics = processor.get_experiment("e").metrics or ()
    assert [(one.name, one.kind, one.is_primary) for one in metrics] == [
        ("right", "binary", True),
        ("f1", "numeric", False),
    ]
    # In another order, with another sample in between: ids say what is missing.
    with processor.experiment("e", config={"temperature": 0}) as experiment:
        assert answer(experiment, QUESTIONS[::-1]) == 1
    assert [record.sample_id for record in recorded(processor)] == ["q0", "q1", "q2", "q3"]
    assert processor.get_experiment("e").status == "completed"


def test_texts_are_known_by_what_they_say(processor: ResultsProcessor) -> None:
    texts = ["b", "a", "b"]
    with processor.experiment("e") as experiment:
        assert answer(experiment, texts) == 3
    with processor.experiment("e") as experiment:
        assert answer(experiment, ["c", *texts]) == 1
    assert [record.input_text for record in recorded(processor)] == ["b", "a", "b", "c"]


def test_repeats_come_after_all_samples(processor: ResultsProcessor) -> None:
    with processor.experiment("e") as experiment:
        missing = experiment.missing(iter(QUESTIONS[:2]), approach="a", repeats=2)
        keys = []
        for sample in missing:
            keys.append((sample.repeat_index, sample.sample_index))
            with experiment.run(sample, approach="a") as run:
                run.raw_output = "x"
    assert keys == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(recorded(processor)) == 4


def test_an_exception_is_a_failed_run_that_is_missing_again(processor: ResultsProcessor) -> None:
    with pytest.raises(ValueError, match="odd"), processor.experiment("e") as experiment:
        with experiment.run(QUESTIONS[0], approach="a") as run:
            run.raw_output = "paid for"
            run.score("right", True)
            raise ValueError("odd")
    (failed,) = recorded(processor)
    assert (failed.error, failed.raw_output) == ("ValueError: odd", "paid for")
    assert failed.is_correct is None
    study = processor.get_experiment("e")
    assert (study.status, study.environment_json["ended"]) == ("failed", "ValueError: odd")
    with processor.experiment("e") as experiment:
        assert list(experiment.missing(QUESTIONS[:1], approach="a", retry_failed=False)) == []
        assert answer(experiment, QUESTIONS[:1]) == 1
    assert recorded(processor)[0].error is None
    assert "ended" not in processor.get_experiment("e").environment_json


def test_the_loop_goes_on_after_errors_of_the_model(processor: ResultsProcessor) -> None:
    with (
        pytest.warns(UserWarning, match="10 runs of experiment e failed"),
        processor.experiment("e", on_error="continue") as experiment,
    ):
        for number in range(20):
            with experiment.run(number, approach="a") as run:
                if number % 2:
                    raise TimeoutError("no answer")
                run.raw_output = "x"
    assert [record.error for record in recorded(processor)] == [
        None,
        "TimeoutError: no answer",
    ] * 10


def test_a_mistake_in_the_code_stops_after_five(processor: ResultsProcessor) -> None:
    with (
        pytest.raises(RecordingError, match="5 runs in a row failed alike: NameError"),
        processor.experiment("e", on_error="continue") as experiment,
    ):
        for number in range(20):
            with experiment.run(number, approach="a"):
                undefined_name  # type: ignore[name-defined]  # noqa: B018, F821
    assert len(recorded(processor)) == 5


@pytest.mark.parametrize(
    "misuse",
    [
        lambda run: setattr(run, "raw_outptu", "x"),
        lambda run: setattr(run, "raw_output", 4),
        lambda run: run.score("right", False),
    ],
)
def test_wrong_use_is_always_raised(
    processor: ResultsProcessor, misuse: Callable[[object], None]
) -> None:
    with pytest.raises(RecordingError), processor.experiment("e", on_error="continue") as study:
        with study.run("q", approach="a") as run:
            run.score("right", True)
            misuse(run)


def test_a_score_after_the_end_is_refused(processor: ResultsProcessor) -> None:
    with processor.experiment("e") as experiment:
        with experiment.run("q", approach="a") as run:
            run.raw_output = "x"
        with pytest.raises(RecordingError, match="has ended"):
            run.score("f1", 1)
    with pytest.raises(RecordingError, match="not open"):
        experiment.run("q", approach="a")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_what_is_interrupted_stays_missing(
    processor: ResultsProcessor, stop: type[BaseException]
) -> None:
    with pytest.raises(stop), processor.experiment("e") as experiment:
        for sample in experiment.missing(QUESTIONS, approach="a", claim=True):
            with experiment.run(sample, approach="a") as run:
                run.raw_output = "x"
                if sample.sample_id == "q1":
                    raise stop
    assert len(recorded(processor)) == 1
    study = processor.get_experiment("e")
    assert (study.status, study.environment_json["ended"]) == ("failed", "interrupted")
    with processor.experiment("e") as experiment:
        assert answer(experiment, claim=True) == 3


def test_a_loop_that_breaks_leaves_the_experiment_running(processor: ResultsProcessor) -> None:
    with pytest.warns(UserWarning, match="stays running"), processor.experiment("e") as experiment:
        for sample in experiment.missing(QUESTIONS, approach="a"):
            with experiment.run(sample, approach="a") as run:
                run.raw_output = "x"
            break
    assert processor.get_experiment("e").status == "running"


def test_nothing_set_is_a_failed_run_and_discard_none(processor: ResultsProcessor) -> None:
    with processor.experiment("e") as experiment:
        with experiment.run(0, approach="a"):
            pass
        with experiment.run(1, approach="a") as run:
            run.discard()
    assert [record.error for record in recorded(processor)] == [NOTHING_RECORDED]


def test_an_experiment_that_exists(processor: ResultsProcessor) -> None:
    for _ in range(2):
        with processor.experiment("e", config={"temperature": 0, "top_p": 1}):
            pass
    with (
        pytest.raises(UsageError, match="another config: temperature"),
        processor.experiment("e", config={"temperature": 1, "top_p": 1}),
    ):
        pass
    with pytest.raises(DuplicateError), processor.experiment("e", if_exists="error"):
        pass
    with processor.experiment("e", if_exists="new") as experiment:
        assert experiment.id == "e-2"


def test_a_finished_answer_needs_no_block(processor: ResultsProcessor) -> None:
    with processor.experiment("e") as experiment:
        experiment.record(
            QUESTIONS[2], approach="a", raw_output="2", scores={"f1": 0.5}, cost_estimate=0.01
        )
        experiment.record(QUESTIONS[3], approach="a", error="refused")
        with pytest.raises(InvalidRecordError):
            experiment.record(QUESTIONS[1], approach="a", raw_output="x", cost_estimate=-1)
    first, second = recorded(processor)
    assert (first.score, first.cost_estimate, first.execution_time_ms) == (0.5, 0.01, None)
    assert (second.error, second.score) == ("refused", None)


def test_threads_and_tasks_lose_nothing(processor: ResultsProcessor) -> None:
    async def study() -> None:
        async with processor.experiment("tasks") as experiment:

            async def ask(sample: object) -> None:
                async with experiment.run(sample, approach="a") as run:
                    await asyncio.sleep(0)
                    run.raw_output = "x"

            missing = experiment.missing(range(30), approach="a", claim=True)
            await asyncio.gather(*[ask(sample) async for sample in missing])

    asyncio.run(study())
    assert len(recorded(processor, "tasks")) == 30
    with processor.experiment("threads") as experiment:

        def work(numbers: Iterator[int]) -> None:
            for number in numbers:
                with experiment.run(number, approach="a") as run:
                    run.raw_output = "x"

        threads = [
            threading.Thread(target=work, args=(iter(range(start, start + 10)),))
            for start in (0, 10, 20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(recorded(processor, "threads")) == 30


def test_a_cancelled_task_saves_nothing_and_a_save_is_finished(processor: ResultsProcessor) -> None:
    async def study() -> None:
        async with processor.experiment("e") as experiment:

            async def ask(number: int) -> None:
                async with experiment.run(number, approach="a") as run:
                    run.raw_output = "x"
                    if number % 2:
                        await asyncio.sleep(10)

            tasks = [asyncio.create_task(ask(number)) for number in range(10)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(study())
    assert [record.sample_index for record in recorded(processor)] == [0, 2, 4, 6, 8]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_share_the_samples(processor: ResultsProcessor) -> None:
    with processor.experiment("e") as experiment:
        children = []
        for _ in range(2):
            if (child := os.fork()) == 0:
                code = 1
                try:
                    answer(experiment, range(20), claim=True)
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        assert answer(experiment, range(20), claim=True) == 0
    assert len(recorded(processor)) == 20


@pytest.mark.parametrize("claim", [True, False])
def test_two_that_do_not_know_each_other_number_apart(
    processor: ResultsProcessor, claim: bool
) -> None:
    """Each begins with the index 0, and neither run replaces the other."""
    one, two = processor.experiment("study"), processor.experiment("study")
    with one, two:
        first = one.missing([{"id": "a"}, {"id": "b"}], approach="None", claim=claim)
        second = two.missing([{"id": "c"}, {"id": "b"}], approach="None", claim=claim)
        for recording, samples in ((one, first), (two, second)):
            for sample in samples:
                with recording.run(sample, approach="None") as run:
                    run.raw_output = sample["id"]
        # What the second has learned holds for its other variants.
        with two.run({"id": "c"}, approach="CoT") as run:
            run.raw_output = "c"
    runs = list(processor.iter_runs("study"))
    assert sorted((run.approach_name, run.sample_id, run.raw_output) for run in runs) == [
        ("ChainOfThought", "c", "c"), ("None", "a", "a"), ("None", "b", "b"), ("None", "c", "c"),
    ]  # fmt: skip
    assert {run.sample_index for run in runs if run.sample_id == "c"} == {2}


def test_wrong_use_is_named(processor: ResultsProcessor) -> None:
    with processor.experiment("study", on_error="continue") as experiment:
        twice = [{"id": "a", "question": "1"}, {"id": "a", "question": "2"}]
        with pytest.raises(UsageError, match="several samples have the id 'a'"):
            list(experiment.missing(twice, approach="None"))
        with pytest.raises(RecordingError, match="a score is a number"):
            with experiment.run({"id": "a"}, approach="None") as run:
                run.score("exact", "good")  # type: ignore[arg-type]
        with experiment.run({"id": "a"}, approach="None") as run:
            run.score("exact", np.bool_(True))  # type: ignore[arg-type]
    [metric] = processor.get_experiment("study").metrics or []
    assert metric.kind == "binary"


def test_what_is_planned_is_known_before_the_end(processor: ResultsProcessor) -> None:
    def planned() -> tuple[object, object]:
        (line,) = processor.list_experiments()
        return line["runs"], line["planned"]

    with processor.experiment("e") as experiment:
        experiment.missing(QUESTIONS, approach="b", repeats=2)
        assert planned() == (0, 8)
        answer(experiment)
    with processor.experiment("e") as experiment:
        experiment.missing(iter(QUESTIONS), approach="c")
        answer(experiment)
    assert planned() == (4, 12)


@pytest.mark.slow
def test_four_that_share_nothing_record_all_of_theirs(empty_database: Database) -> None:
    """On both engines: each begins with the index 0, all at once, with samples of its own."""
    with ResultsProcessor(empty_database.config) as processor, processor.experiment("e"):
        pass

    def work(name: int) -> None:
        samples = [{"id": f"{name}-{number}"} for number in range(15)]
        with ResultsProcessor(empty_database.config) as own, own.experiment("e") as experiment:
            for sample in experiment.missing(samples, approach="None", claim=True):
                with experiment.run(sample, approach="None") as run:
                    run.raw_output = sample["id"]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ResultsProcessor(empty_database.config) as processor:
        runs = recorded(processor)
    assert len(runs) == len({run.sample_index for run in runs}) == 60
    assert all(run.raw_output == run.sample_id for run in runs)


def test_approaches_stay_in_the_order_in_which_they_were_asked(
    processor: ResultsProcessor,
) -> None:
    for approach in ("plain", "check", "plain"):
        with processor.experiment("e") as experiment:
            for sample in experiment.missing(QUESTIONS, approach=approach):
                with experiment.run(sample, approach=approach) as run:
                    run.score("exact", True)
    (row,) = processor.compare(["e"]).comparisons
    assert (row.baseline.approach_name, row.candidate.approach_name) == ("plain", "check")
