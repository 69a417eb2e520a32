"""Inspect's logs: every field, retried and unfinished logs, and files that are none."""

import base64
import gzip
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.errors import ResultsError
from ml_agents_results.formats import importing
from ml_agents_results.formats import inspect_reader as inspect_ai
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.score_rows import value_of_run
from tests.formats.readers.conftest import Importer
from tests.formats.readers.inspect_logs import log, sample, write_eval, write_json

Refused = Callable[..., ResultsError]


@pytest.fixture(params=["json", "deflate", "zstandard"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    def written(document: dict[str, Any], name: str = "log") -> Path:
        if request.param == "json":
            return write_json(tmp_path / f"{name}.json", document)
        zstandard = request.param == "zstandard"
        return write_eval(tmp_path / f"{name}.eval", document, zstandard=zstandard)

    return written


def test_every_field(
    write: Callable[..., Path], imported: Importer, processor: ResultsProcessor
) -> None:
    result, (run,) = imported(write(log(sample(epoch=2))))
    assert run.id
    assert run.experiment_id == "arith-T1"
    assert (run.approach_name, run.provider, run.model) == (
        "chain_of_thought+generate", "openrouter", "lab/m",
    )  # fmt: skip
    assert (run.task, run.sample_index, run.sample_id, run.repeat_index) == (
        "pkg/arith", 0, "q1", 1,
    )  # fmt: skip
    assert (run.input_text, run.expected_answer) == ("Question q1?", "4")
    assert (run.raw_output, run.parsed_answer) == ("ANSWER: 4", "4")
    assert (run.is_correct, run.score) == (True, None)
    # Without the judge's.
    assert (run.execution_time_ms, run.cost_estimate) == (250, None)
    assert (run.prompt_tokens, run.completion_tokens) == (25, 7)
    assert run.created_at == datetime(2026, 1, 2, 1, 4, 6, tzinfo=UTC)
    metadata = run.metadata_json or {}
    assert [(one.metric, one.value, one.label, one.explanation) for one in run.scores or ()] == [
        ("includes", 0, "I", "x"), ("match", 1, "C", None),
    ]  # fmt: skip
    assert metadata["total_time_ms"] == 1500
    assert metadata["prompt"] == [{"role": "user", "content": "Think. Question q1?"}]
    assert metadata["metadata"] == {"topic": "sums"}
    assert "events" not in metadata
    assert result.sources[0]["left_out"]["events"] == 1
    assert result.sources[0]["chosen"] == {
        "approach": "chain_of_thought+generate (solvers)",
        "scorer": "match (the first in the log)",
    }
    experiment = processor.get_experiment("arith-T1")
    assert (experiment.name, experiment.status) == ("pkg/arith", "completed")
    environment = experiment.environment_json
    assert (environment["tool"], environment["tool_version"]) == ("inspect_ai", "0.3.285")
    assert environment["git"]["commit"] == "abc"
    assert environment["imports"][0]["sha256"]
    assert "secretkey" not in json.dumps([experiment.config_json, environment, metadata])


def test_again_changes_nothing(write: Callable[..., Path], imported: Importer) -> None:
    path = write(log(*(sample(n) for n in (11, 9, 10))))
    _, runs = imported(path)
    again, same = imported(path)
    assert (again.inserted, again.updated, again.skipped) == (0, 0, 3)
    assert same == runs
    assert [(run.sample_index, run.sample_id) for run in runs] == [(0, "11"), (1, "9"), (2, "10")]


@pytest.mark.parametrize(
    ("evaluated", "approach", "expected"),
    [
        ({"metadata": {"approach": "cot"}, "task_args": {"approach": "x"}}, None,
         "ChainOfThought (eval.metadata.approach)"),
        ({"task_args": {"approach": "mine"}}, None, "mine (eval.task_args.approach)"),
        ({"metadata": {"approach": "cot"}}, "PoT", "ProgramOfThought (--approach)"),
        ({}, None, "chain_of_thought+generate (solvers)"),
    ],
)  # fmt: skip
def test_rule_of_the_approach(
    tmp_path: Path, imported: Importer, evaluated: Any, approach: str | None, expected: str
) -> None:
    result, (run,) = imported(
        write_json(tmp_path / "a.json", log(sample(), **evaluated)), approach=approach
    )
    assert result.sources[0]["chosen"]["approach"] == expected
    assert run.approach_name == expected.split(" ")[0]


@pytest.mark.parametrize(
    ("value", "is_correct", "score"),
    [
        ("C", True, None), ("I", False, None), ("N", False, None), ("P", None, 0.5),
        (True, True, None), (False, False, None), (1, True, None), (0.0, False, None),
        (0.25, None, 0.25), (-3, None, -3.0), ("excellent", None, None), (None, None, None),
        ({"a": 1}, True, None), ({"a": 3}, None, 3.0), ([1, 2], None, None),
        (float("nan"), None, None),
        (float("inf"), None, None), (10**400, None, None),
    ],
)  # fmt: skip
def test_grades(
    tmp_path: Path, imported: Importer, value: Any, is_correct: bool | None, score: float | None
) -> None:
    graded = sample(scores={"match": {"value": value, "answer": None}})
    _, (run,) = imported(write_json(tmp_path / "a.json", log(graded)))
    assert (run.is_correct, run.score, run.parsed_answer) == (is_correct, score, None)


def test_scorer_and_metric_of_ones_choice(
    tmp_path: Path, imported: Importer, refused: Refused
) -> None:
    path = write_json(
        tmp_path / "a.json",
        log(sample(scores={"one": {"value": 0}, "two": {"value": {"x": 1, "y": 0.5}}})),
    )
    error = refused(path, scorer="three")
    assert error.message == f"{path} has no scorer 'three'"
    assert error.hint == "Its scorers are: one, two"
    _, (run,) = imported(path, scorer="two", metric="x")
    assert (run.is_correct, run.score) == (True, None)
    _, (run,) = imported(path, scorer="two", metric="y")
    assert (run.is_correct, run.score) == (None, 0.5)
    told, (run,) = imported(path, scorer="two")
    assert (run.is_correct, run.score) == (True, None)
    assert "runs are graded by two.x (--scorer); also measured: two.y" in told.warnings[0]
    _, (run,) = imported(path)
    assert run.is_correct is True, "the choice stays until another one is made"
    _, (run,) = imported(path, scorer="one")
    assert run.is_correct is False
    assert [(one.metric, one.value) for one in run.scores or ()] == [
        ("one", 0), ("two.x", 1), ("two.y", 0.5),
    ]  # fmt: skip


def test_includes_has_no_parsed_answer(tmp_path: Path, imported: Importer) -> None:
    _, (run,) = imported(write_json(tmp_path / "a.json", log(sample())), scorer="includes")
    assert (run.is_correct, run.parsed_answer) == (False, None)


def test_failed_and_invalidated_samples_are_not_wrong(tmp_path: Path, imported: Importer) -> None:
    failed = sample(
        1, error={"message": "no key sk-1234567890abcdef1234", "traceback": "..."}, scores={}
    )
    path = write_json(
        tmp_path / "a.json", log(failed, sample(2, invalidation={"author": "me"}), sample(3))
    )
    result, runs = imported(path)
    assert [run.error for run in runs] == ["no key [redacted]", None, None]
    assert [run.is_correct for run in runs] == [None, None, True]
    assert (result.failed, result.ungraded) == (1, 1)


def test_absent_values_are_null(tmp_path: Path, imported: Importer) -> None:
    bare = {"id": 1, "epoch": 1, "input": [{"role": "user", "content": "Hm?"}], "output": {}}
    document = log(bare, scorers=None, revision=None, packages={}, dataset={})
    _, (run,) = imported(write_json(tmp_path / "a.json", document))
    absent = (
        run.expected_answer, run.raw_output, run.parsed_answer, run.is_correct, run.score,
        run.execution_time_ms, run.cost_estimate, run.prompt_tokens, run.completion_tokens,
    )  # fmt: skip
    assert set(absent) == {None}
    assert run.input_text == "Hm?"
    assert run.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_long_texts_kept_apart_are_put_back(tmp_path: Path, imported: Importer) -> None:
    digest, image = "0" * 32, "1" * 32
    parts = [
        {"type": "text", "text": f"attachment://{digest}"},
        {"type": "image", "image": f"attachment://{image}"},
    ]
    document = log(
        sample(
            input=f"attachment://{digest}",
            messages=[{"role": "user", "source": "input", "content": parts}],
            attachments={"2" * 32: "unused", digest: "a long text", image: "data:image/png;xyz"},
        )
    )
    _, (run,) = imported(write_json(tmp_path / "a.json", document))
    assert run.input_text == "a long text"
    assert run.metadata_json is not None
    assert run.metadata_json["prompt"][0]["content"] == [
        {"type": "text", "text": "a long text"},
        {"type": "image", "image": f"attachment://{image}"},
    ]


def test_unfinished_log(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    path = write_eval(tmp_path / "a.eval", log(sample(1), sample(2)), finished=False)
    result, runs = imported(path)
    assert len(runs) == 2
    assert processor.get_experiment("arith-T1").status == "failed"
    assert result.warnings[0] == f"{path} is incomplete; the samples it contains were imported"


def attempts(folder: Path) -> tuple[Path, Path]:
    """A log with a failed sample, and its retry, which names the samples in another order."""
    first = log(sample(1), sample(2, error={"message": "x"}), status="error")
    second = log(sample(1), sample(2), created="2026-01-02T04:04:05+00:00", eval_id="E2")
    return write_json(folder / "b.json", first), write_eval(folder / "a.eval", second)


@pytest.mark.parametrize("order", ["together", "reversed", "one by one", "newest first"])
def test_newest_attempt_counts(
    tmp_path: Path, imported: Importer, processor: ResultsProcessor, order: str
) -> None:
    first, second = attempts(tmp_path)
    if order in ("together", "reversed"):
        result, _ = imported(*((first, second) if order == "together" else (second, first)))
        assert (result.read, result.inserted, result.superseded) == (4, 2, 2)
    else:
        for path in (first, second) if order == "one by one" else (second, first):
            imported(path)
    result, runs = imported(tmp_path)
    assert (result.inserted, result.updated, result.superseded) == (0, 0, 2)
    assert [run.error for run in runs] == [None, None]
    experiment = processor.get_experiment("arith-T1")
    assert experiment.status == "completed"
    assert experiment.created_at == datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)


def test_more_logs_than_may_be_open(
    tmp_path: Path, imported: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "OPEN_LOGS", 1)
    attempts(tmp_path)
    result, runs = imported(tmp_path)
    assert (result.read, result.inserted, result.superseded) == (4, 2, 2)
    assert [run.error for run in runs] == [None, None]


def test_a_cut_off_compressed_log_is_left_out(tmp_path: Path, imported: Importer) -> None:
    attempts(tmp_path)
    noise = base64.b85encode(random.Random(0).randbytes(1_000_000)).decode()
    cut = tmp_path / "cut.json.gz"
    packed = gzip.compress(json.dumps(log(sample(output={"completion": noise}))).encode())
    cut.write_bytes(packed[:-500_000])
    result, _ = imported(tmp_path, skip_broken=True)
    assert result.read == 4
    assert result.warnings[-1].startswith(f"{cut} is damaged")


def test_member_that_was_written_twice(tmp_path: Path, imported: Importer) -> None:
    path = write_eval(tmp_path / "a.eval", log(sample(target="old")))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("samples/q1_epoch_1.json", json.dumps(sample(target="new")))
    _, (run,) = imported(path)
    assert run.expected_answer == "new"


def test_fields_from_elsewhere(tmp_path: Path, imported: Importer, refused: Refused) -> None:
    path = write_json(tmp_path / "a.json", log(sample()))
    assert "has no metadata.topik" in refused(path, columns={"task": "metadata.topik"}).message
    assert "cannot be mapped" in refused(path, columns={"is_correct": "x"}).message
    _, (run,) = imported(path, columns={"task": "metadata.topic"})
    assert run.task == "sums"
    _, (run, _) = imported(path, task="other")
    assert run.task == "other"


@pytest.mark.parametrize(
    ("values", "scores", "kind"),
    [
        ((0, 0.5, 1), [0, 0.5, 1], "numeric"),
        (("C", "P", "I"), [1, 0.5, 0], "numeric"),
        (("10", "9", "I"), [10, 9, 0], "numeric"),
        (("yes", "No", "TRUE"), [1, 0, 1], "binary"),
        (("1", "0", "0.0"), [1, 0, 0], "binary"),
    ],
)
def test_a_scale_is_decided_for_all_samples(
    tmp_path: Path, imported: Importer, values: Any, scores: list[float], kind: str
) -> None:
    """A value of 0 or 1 on a longer scale is neither wrong nor right; texts are what Inspect's own
    `value_to_float` makes of them."""
    samples = [sample(n, scores={"s": {"value": value}}) for n, value in enumerate(values)]
    result, runs = imported(write_json(tmp_path / "a.json", log(*samples)))
    assert [value_of_run(run) for run in runs] == scores
    assert [run.is_correct is None for run in runs] == [kind == "numeric"] * 3
    assert [(one["name"], one["kind"], one["is_primary"]) for one in result.metrics] == [
        ("s", kind, True)
    ]


@pytest.mark.parametrize(
    ("used", "roles", "expected"),
    [
        # The judge is the model itself: what it used as a judge is not the answer's.
        ({"input_tokens": 50, "output_tokens": 30, "total_tokens": 80},
         {"input_tokens": 40, "output_tokens": 20, "total_tokens": 60}, (10, 10)),
        # Older logs: the input includes cached tokens; the output lacks reasoning.
        ({"input_tokens": 50, "output_tokens": 30, "total_tokens": 80,
          "input_tokens_cache_read": 20}, None, (50, 30)),
        ({"input_tokens": 50, "output_tokens": 30, "total_tokens": 95, "reasoning_tokens": 15},
         None, (50, 45)),
        ({"input_tokens": 50, "output_tokens": 30, "total_tokens": 100,
          "input_tokens_cache_read": 20, "reasoning_tokens": 15}, None, (70, 30)),
    ],
)  # fmt: skip
def test_tokens_are_those_of_the_model_that_is_evaluated(
    tmp_path: Path, imported: Importer, used: Any, roles: Any, expected: tuple[int, int]
) -> None:
    asked = sample(model_usage={"openrouter/lab/m": used}, role_usage={"grader": roles or {}})
    grader = {"grader": {"model": "openrouter/lab/m"}}
    _, (run,) = imported(write_json(tmp_path / "a.json", log(asked, model_roles=grader)))
    assert (run.prompt_tokens, run.completion_tokens) == expected


def test_a_scorer_of_right_and_wrong_is_preferred(tmp_path: Path, imported: Importer) -> None:
    samples = [
        sample(n, scores={"length": {"value": n}, "end": {"value": "CI"[n % 2]}}) for n in range(4)
    ]
    result, runs = imported(write_json(tmp_path / "a.json", log(*samples, scorers=None)))
    assert [run.is_correct for run in runs] == [True, False, True, False]
    assert result.warnings == [
        "runs are graded by end (the first of right and wrong); also measured: length "
        "(to choose: --metric NAME)"
    ]


def test_categories_whose_shares_the_log_states(tmp_path: Path, imported: Importer) -> None:
    values = ["left", "both", "both"]
    content = log(*(sample(n, scores={"judge": {"value": one}}) for n, one in enumerate(values)))
    content["results"]["scores"] = [
        {"name": name, "scorer": "judge", "metrics": {"mean": {"value": share}}}
        for name, share in {"judge": None, "left": 1 / 3, "both": 2 / 3, "right": 0.0}.items()
    ]
    result, runs = imported(write_json(tmp_path / "a.json", content))
    assert [run.is_correct for run in runs] == [True, False, False]
    assert [len(run.scores or ()) for run in runs] == [3, 3, 3]
    assert not any("its own" in warning for warning in result.warnings)


def test_samples_without_scores_are_named(tmp_path: Path, imported: Importer) -> None:
    path = write_json(tmp_path / "a.json", log(sample(scores={})))
    result, _ = imported(path)
    assert "its samples have no scores" in result.warnings[0]
    graded, _ = imported(path, parsing="auto")
    assert not any("no scores" in warning for warning in graded.warnings)


@pytest.mark.parametrize("status", ["cancelled", "success"])
def test_a_log_without_samples_is_named_by_its_status(
    tmp_path: Path, refused: Refused, status: str
) -> None:
    message = refused(write_json(tmp_path / "a.json", log(status=status))).message
    expected = {"cancelled": "its status is cancelled", "success": "without its samples"}
    assert expected[status] in message


def broken(folder: Path, what: str) -> Path:
    path = folder / "a.eval"
    text = json.dumps(log(sample(1), sample(2)))
    match what:
        case "truncated archive":
            path.write_bytes(write_eval(path, log(sample()))
                             .read_bytes()[:-30])  # fmt: skip
        case "no log":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.txt", "hello")
        case "outside":
            write_eval(path, log(sample()))
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("samples/../../../x.json", "{}")
        case "bomb":
            write_eval(path, log(sample()))
            with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("samples/b.json", b" " * 100_000_000)
        case "damaged member":
            data = bytearray(write_eval(path, log(sample())).read_bytes())
            data[data.index(b"samples/q1_epoch_1.json") + 60] ^= 0xFF
            path.write_bytes(data)
        case "truncated document":
            (path := folder / "a.json").write_text(text[:-100], encoding="utf-8")
        case "something behind":
            (path := folder / "a.json").write_text(text + "}", encoding="utf-8")
        case "no eval":
            path = write_json(folder / "a.json", {**log(), "eval": 3})
        case "nothing":
            path.write_bytes(b"")
        case "deep":
            deep = "[" * 100_000 + "]" * 100_000
            (path := folder / "a.json").write_text(f'{{"version": {deep}, "eval": 1}}', "utf-8")
        case "twice":
            path = write_json(folder / "a.json", log(sample(1), sample(1)))
        case "same id as a text":
            path = write_json(folder / "a.json", log(sample(1), sample("1")))
        case "no id":
            path = write_json(folder / "a.json", log(sample(None)))  # type: ignore[arg-type]
        case "samples of another kind":
            path = write_json(folder / "a.json", {**log(), "samples": [3]})
    return path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated archive", "is not a complete zip archive"),
        ("no log", "is a zip archive, but not a log of Inspect"),
        ("outside", "is refused: it has a member 'samples/../../../x.json'"),
        ("bomb", "is refused: its"),
        ("damaged member", "samples/q1_epoch_1.json"),
        ("truncated document", "it is cut off"),
        ("something behind", "something follows the end of the document"),
        ("no eval", "is not a log of Inspect"),
        ("nothing", "it is cut off"),
        ("deep", "it is nested too deeply"),
        ("twice", "is answered twice"),
        ("same id as a text", "is answered twice"),
        ("no id", "sample 1 has the id None"),
        ("samples of another kind", "sample 1 is not a sample"),
    ],
)
def test_broken_logs(tmp_path: Path, refused: Refused, what: str, message: str) -> None:
    assert message in refused(broken(tmp_path, what), format_name="inspect").message


def test_archives_that_are_no_logs_are_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")
    assert not inspect_ai.sniff(path)
    path.write_bytes(b"PK, but nothing else")
    assert not inspect_ai.sniff(path)


def test_large_log_takes_little_memory(tmp_path: Path) -> None:
    events = [{"text": f"{n} " * 20} for n in range(10_000)]
    path = write_eval(tmp_path / "a.eval", log(*(sample(n, events=events) for n in range(6))))
    for one in (path, write_json(tmp_path / "a.json", log(*[sample(1, events=events)] * 5))):
        tracemalloc.start()
        with inspect_ai.open(LogSource(one), ImportOptions()) as opened:
            read = list(opened.runs())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(read) >= 5
        assert peak < 6_000_000


@given(
    ids=st.lists(st.one_of(st.integers(), st.text()), min_size=1, max_size=5, unique_by=str),
    texts=st.lists(st.text(), min_size=1, max_size=5),
    values=st.lists(
        st.one_of(st.sampled_from("CIPN"), st.floats(), st.booleans(), st.none(), st.text()),
        min_size=5,
        max_size=5,
    ),
)
def test_any_ids_texts_and_scores(
    tmp_path: Path, imported: Importer, ids: list[Any], texts: list[str], values: list[Any]
) -> None:
    samples = [
        sample(
            one,
            input=texts[n % len(texts)],
            output={"completion": texts[-1]},
            scores={"s": {"value": values[n], "answer": texts[0]}},
        )
        for n, one in enumerate(ids)
    ]
    document = log(*samples, task_id=str(hash((*map(str, ids), *texts))))
    result, runs = imported(write_json(tmp_path / "a.json", document))
    assert [run.sample_id for run in runs] == [str(one) for one in ids]
    for run, one in zip(runs, samples, strict=True):
        assert run.input_text == one["input"]
        assert run.raw_output == texts[-1]
    assert result.read == len(ids)
