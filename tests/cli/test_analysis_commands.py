"""compare and analyze as a user types them: the edge contract, bad input, and what tables say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call, contents, document, refusal
from tests.formats.readers.inspect_logs import log, sample
from tests.services.building import coin, of_table, run, runs

REPORTS = ("summary", "accuracy", "latency", "cost", "parsing", "failures", "power")


@pytest.fixture
def store(processor: ResultsProcessor) -> ResultsProcessor:
    return processor


def save(store: ResultsProcessor, *many: list[RunRecord]) -> None:
    for some in many:
        for experiment in sorted({one.experiment_id for one in some}):
            store.save_experiment(experiment, {})
        store.save_runs(some)


def compare(db_path: Path, *options: object, ids: str = "exp") -> dict[str, Any]:
    return document("compare", "--experiment-ids", ids, "--db-path", db_path, *options)


def only(db_path: Path, *options: object, ids: str = "exp") -> dict[str, Any]:
    (pair,) = compare(db_path, *options, ids=ids)["comparisons"]
    found: dict[str, Any] = pair
    return found


def shown(db_path: Path, *options: object, ids: str = "exp") -> str:
    return call("compare", "--experiment-ids", ids, "--db-path", db_path, *options).stdout


def test_edge_nothing_graded(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("exp", "CoT1", [None] * 3), runs("exp", "None", ["failed"] * 3))
    found = compare(db_path)
    for variant in found["variants"]:
        assert (variant["accuracy"], variant["ci_low"]) == (None, None)
        assert variant["null_reason"] == "no_graded_runs"
    assert found["comparisons"][0]["null_reason"] == "no_shared_samples"
    assert "nothing to compare" in shown(db_path)
    for report in REPORTS:
        call("analyze", "--experiment-id", "exp", "--report-type", report, "--db-path", db_path)


def test_edge_one_sample(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((0, 1, 0, 0)))
    right = next(variant for variant in compare(db_path)["variants"] if variant["correct"])
    assert right["ci_low"] == pytest.approx(0.2065, abs=5e-5)
    assert (right["ci_high"], right["se"]) == (1.0, None)


def test_edge_all_and_none_correct(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("exp", "CoT1", [1] * 10), runs("exp", "None", [0] * 10))
    all_right, all_wrong = compare(db_path)["variants"]
    assert all_right["ci_low"] == pytest.approx(0.7225, abs=5e-5)
    assert all_wrong["ci_high"] == pytest.approx(0.2775, abs=5e-5)
    assert (all_right["se"], all_wrong["se"]) == (None, None)


def test_edge_no_discordant_pair(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((50, 0, 0, 0)))
    pair = only(db_path)
    assert (pair["difference"], pair["p_value"], pair["p_value_exact"]) == (0.0, 1.0, 1.0)
    assert pair["ci_high"] == pytest.approx(0.0533, abs=5e-5)
    tango = only(db_path, "--difference-interval", "tango")
    assert tango["ci_high"] == pytest.approx(0.0713, abs=5e-5)
    assert "both variants answered exactly the same samples right" in shown(db_path)


def test_edge_all_against_none(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((0, 50, 0, 0)))
    pair = only(db_path, "--test", "exact")
    assert pair["p_value"] == pair["p_value_exact"] == pytest.approx(1.78e-15, rel=5e-3)
    assert pair["ci_low"] == pytest.approx(0.8869, abs=5e-5)


def test_edge_one_cluster(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((5, 12, 3, 5), task="only"))
    pair = only(db_path, "--cluster", "task")
    assert (pair["se"], pair["p_value"]) == (None, None)
    assert pair["null_reason"] == "one_cluster"
    assert "--cluster none" in shown(db_path, "--cluster", "task")


def test_edge_cluster_value_missing(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((5, 3, 1, 1)))
    message, hint = refusal(
        "compare", "--experiment-ids", "exp", "--cluster", "sample_id", "--db-path", db_path, code=2
    )
    assert "10 samples have no sample_id" in message
    assert "--null-cluster singleton" in hint
    chosen = ("--cluster", "sample_id", "--null-cluster", "singleton")
    assert only(db_path, *chosen)["denominators"]["null_clusters"] == 10
    analyzed = document(
        "analyze", "--experiment-id", "exp", "--report-type", "accuracy", *chosen,
        "--db-path", db_path,
    )  # fmt: skip
    assert analyzed["variants"][0]["null_clusters"] == 10


def test_edge_a_pair_missing_on_a_side(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("exp", "CoT1", [1, 1, 0]), runs("exp", "None", [0, 1], first=2))
    pair = only(db_path)
    assert (pair["samples"], pair["denominators"]["only_in_candidate"]) == (1, 2)
    assert "3 samples graded on one side only are left out" in shown(db_path)


def test_edge_no_shared_samples(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("exp", "CoT1", [1, 1, 0]), runs("exp", "None", [0, 1], first=9))
    assert only(db_path)["null_reason"] == "no_shared_samples"
    assert "--unpaired" in shown(db_path)
    pair = only(db_path, "--unpaired")
    assert (pair["samples"], pair["candidate_samples"], pair["baseline_samples"]) == (0, 3, 2)
    assert pair["interval_method"] == "newcombe-unpaired"
    assert "on its 3 samples than None on its 2" in shown(db_path, "--unpaired")


def test_edge_unequal_and_partial_repeats(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("exp", "None", [[1, 0, None], [1], [None, None], [0, 0]]))
    found = document(
        "analyze", "--experiment-id", "exp", "--report-type", "accuracy", "--db-path", db_path
    )
    (variant,), (repeats,) = found["variants"], found["repeats"]
    assert variant["accuracy"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert "unequal_epochs" in variant["warnings"]
    assert (repeats["samples"], repeats["partial_epochs"]) == (3, 1)
    assert repeats["samples_by_repeats"] == {"1": 1, "2": 2}


def test_edge_same_text(store: ResultsProcessor, db_path: Path) -> None:
    save(
        store,
        [
            run("exp", "None", place, 1, input_text="q", expected_answer=answer)
            for place, answer in enumerate(("yes", "no", "no"))
        ],
    )
    told = call(
        "analyze", "--experiment-id", "exp", "--report-type", "failures", "--db-path", db_path
    ).stdout
    assert "several expected answers" in told
    assert "occur more than once with the same expected answer" in told


def test_edge_different_data_sets(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("one", "None", [1, 0]), runs("two", "CoT1", [1, 1], model="other"))
    for name in ("one", "two"):
        store.save_experiment(name, {}, environment={"dataset": {"fingerprint": name}})
    arguments = ("compare", "--experiment-ids", "one,two", "--db-path", db_path)
    message, hint = refusal(*arguments, code=2)
    assert "differ in more than their approach: the two experiments ran on" in message
    assert "--allow dataset." in hint
    warnings = only(db_path, "--allow", "dataset,model", ids="one,two")["warnings"]
    assert {"datasets_differ", "models_differ"} <= set(warnings)
    _, hint = refusal(*arguments, "--allow", "everything", code=2)
    assert "dataset, grader, metric, model" in hint


def test_edge_many_discordant(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((0, 900, 300, 0)))
    assert 0 < only(db_path)["p_value_exact"] < 1e-60


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--confidence", "0"), "between 0 and 1"),
        (("--confidence", "1"), "between 0 and 1"),
        (("--confidence", "95"), "between 0 and 1"),
        (("--confidence", "nan"), "between 0 and 1"),
        (("--margin", "2"), "margin"),
        (("--margin", "0.02", "--confidence", "0.4"), "above 0.5"),
        (("--correction", "tukey"), "correction"),
        (("--cluster", "colour"), "cluster"),
        (("--null-cluster", "drop"), "null-cluster"),
        (("--unpaired", "--difference-interval", "tango"), "unpaired"),
        (("--baseline", "ToT"), "no variant is called"),
        (("--by", "model"), "--by"),
        (("--group-map", "absent.json"), "cannot read"),
        (("--from", "yesterday"), "not a valid time"),
    ],
)
def test_bad_choices(
    store: ResultsProcessor, db_path: Path, options: tuple[str, ...], said: str
) -> None:
    save(store, of_table((5, 3, 1, 1)))
    before = contents(db_path)
    message, hint = refusal(
        "compare", "--experiment-ids", "exp", "--db-path", db_path, *options, code=2
    )
    assert said in message
    assert hint
    assert contents(db_path) == before


@pytest.mark.parametrize("text", ["[1]", '{"a": 1}', "{"])
def test_a_group_map_that_is_none(
    store: ResultsProcessor, db_path: Path, tmp_path: Path, text: str
) -> None:
    save(store, of_table((5, 3, 1, 1)))
    path = tmp_path / "map.json"
    path.write_text(text, encoding="utf-8")
    _, hint = refusal(
        "compare", "--experiment-ids", "exp", "--group-map", path, "--db-path", db_path, code=2
    )
    assert "tracking" in hint


def test_a_group_map_of_other_tasks(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text('{"wordsorting": "w"}', encoding="utf-8")
    message, hint = refusal(
        "compare", "--experiment-ids", "exp", "--group-map", path, "--db-path", study, code=2
    )
    assert "wordsorting" in message
    assert "word_sorting" in hint


@pytest.mark.parametrize("ending", ["json", "csv", "xlsx", "md", "tex", "html"])
def test_an_unpaired_comparison_in_every_format(study: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"comparison.{ending}"
    shown(study, "--by", "task", "--unpaired", "--output", path)
    assert path.stat().st_size > 0
    if ending in ("md", "tex"):
        text = path.read_text(encoding="utf-8")
        assert "all samples of each variant (unpaired)" in text
        assert "shared samples" not in text.replace("Note: the variants share samples", "")


def test_an_variant_with_itself(store: ResultsProcessor, db_path: Path) -> None:
    save(store, runs("exp", "None", [1, 0, 1]))
    for ids in ("exp", "exp,exp"):
        message, _ = refusal("compare", "--experiment-ids", ids, "--db-path", db_path, code=1)
        assert "nothing to compare: 1 variant" in message


def test_one_experiment_twice(store: ResultsProcessor, db_path: Path) -> None:
    save(store, of_table((5, 3, 1, 1)))
    assert compare(db_path, ids="exp,exp") == compare(db_path)


def test_many_variants_in_pairs(store: ResultsProcessor, db_path: Path) -> None:
    """435 comparisons: the clearest are shown, and all are in the document."""
    save(
        store,
        *(runs("exp", f"variant {variant:02}", coin(variant, 20, 0.5)) for variant in range(30)),
    )
    assert len(compare(db_path, "--contrasts", "all-pairs")["comparisons"]) == 435
    told = shown(db_path, "--contrasts", "all-pairs")
    assert "The 200 clearest of 435 comparisons are shown" in told
    assert len(told.splitlines()) < 300


@pytest.fixture
def study(store: ResultsProcessor, db_path: Path) -> Path:
    """Two approaches, several tasks, times and costs, some runs without a grade."""
    for number, task in enumerate(("boolean_expressions", "penguins_in_a_table", "word_sorting")):
        for variant, chance in (
            ("None", 0.5),
            ("ChainOfThought", 0.7),
            ("ChainOfVerification", 0.6),
        ):
            grades: list[Any] = list(coin(number, 40, chance))
            grades[3], grades[7] = None, "failed"
            made = runs("exp", variant, grades, task=task, parsing_confidence=0.8)
            for place, one in enumerate(made):
                one.execution_time_ms = 10_000 + 731 * place
                one.cost_estimate = 0.0123 * chance
            save(store, made)
    return db_path


def test_tables_fit_and_name_what_they_show(study: Path) -> None:
    told = [shown(study, "--by", "task", "--margin", "0.02", "--simultaneous")]
    told += [
        call("analyze", "--experiment-id", "exp", "--report-type", name, "--db-path", study).stdout
        for name in REPORTS
    ]
    for text in told:
        lines = text.splitlines()
        rules = [line for line in lines if line.strip().startswith("─")]
        assert rules
        assert max(map(len, rules)) <= 80, max(rules, key=len)
        tables = [line for line in lines if not line.endswith((".", ":"))]
        assert max(map(len, tables)) <= 80, max(tables, key=len)
        assert sum(line.startswith("Note: ") for line in lines) <= 3
    comparison = shown(study, "--by", "task", "--margin", "0.02", "--simultaneous", "--verbose")
    assert "p values: Holm over 2 tests" in comparison
    assert "Bonett and Price (2012) for the effective number of samples" in comparison
    assert "clustered by task (CR2)" in comparison
    assert "95% joint CI" in comparison
    assert "Paired by sample_index; 0 samples graded on one side only are left out" in comparison
    assert "90% CI" in comparison
    assert "held against a margin of 2.0 points" in comparison


@pytest.mark.parametrize("report", REPORTS)
def test_filters_that_nothing_passes_are_told(study: Path, report: str) -> None:
    ended = call("analyze", "--experiment-id", "exp", "--report-type", report,
                 "--task", "nosuch", "--json", "--db-path", study)  # fmt: skip
    assert "none that pass the filters" in ended.stderr
    assert json.loads(ended.stdout)["report_type"] == report


def test_no_text_of_a_model_or_a_file_steers_the_terminal(
    store: ResultsProcessor, db_path: Path
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J \x9b31m \u202e txet \u2066 \x7f \u2028"
    for approach in ("None", "CoT"):
        made = [
            run("exp", approach, index, 1, task=hostile, input_text=hostile, raw_output=hostile)
            for index in range(3)
        ]
        made.append(run("exp", approach, 3, None, task=hostile, error=hostile))
        made[0].id, made[3].id = f"{approach}-0", f"{approach}-3"
        save(store, made)
    commands = [
        ("compare", "--by", "task", "--verbose"),
        ("analyze", "--report-type", "failures"),
        ("analyze", "--report-type", "accuracy", "--json"),
        ("show", "--sample", f"{hostile}:1"),
        ("show", "--run", "CoT-0"),
        ("show", "--run", "CoT-3", "--json"),
    ]
    for command, *options in commands:
        ended = call(command, "--experiment-id", "exp", "--db-path", db_path, *options)
        assert "x1b" in ended.stdout or "u001b" in ended.stdout
        for text in (ended.stdout, ended.stderr):
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)


def test_filters_of_every_kind(study: Path) -> None:
    chosen = (
        "--task", "word_sorting,penguins_in_a_table", "--approach", "CoT,None", "--provider", "p",
        "--model", "m", "--from", "2020-01-01",
    )  # fmt: skip
    variants = compare(study, *chosen)["variants"]
    assert [variant["runs"] for variant in variants] == [80, 80]
    for report in REPORTS:
        found = document(
            "analyze", "--experiment-id", "exp", "--report-type", report, *chosen,
            "--db-path", study,
        )  # fmt: skip
        assert "ChainOfVerification" not in json.dumps(found)


def test_families_from_a_file(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text('{"word_sorting": "w", "penguins_in_a_table": "w"}', encoding="utf-8")
    pair = compare(study, "--group-map", path, "--baseline", "None")["comparisons"][0]
    assert (pair["n_clusters"], pair["method"]) == (2, "clustered by task family (CR2)")


@pytest.mark.parametrize("report", ["summary", "accuracy", "parsing"])
def test_reports_without_pairs_take_no_baseline(
    store: ResultsProcessor, db_path: Path, report: str
) -> None:
    save(store, runs("exp", "None", [True]))
    message, hint = refusal(
        *("analyze", "--experiment-id", "exp", "--report-type", report, "--baseline", "None"),
        *("--db-path", db_path),
        code=2,
    )
    assert message.startswith(f"--report-type {report} does not compare variants")
    assert "ml-agents compare" in hint


@pytest.mark.parametrize(
    "command",
    [("analyze", "--approach"), ("compare", "--task"), ("compare", "--allow")],
)
@pytest.mark.parametrize("value", ["", " , "])
def test_a_list_that_names_nothing_does_not_mean_all(
    store: ResultsProcessor, db_path: Path, command: tuple[str, str], value: str
) -> None:
    save(store, runs("exp", "None", [True]))
    name, option = command
    message, _ = refusal(
        *(name, "--experiment-id", "exp", option, value, "--db-path", db_path), code=2
    )
    assert message == f"{value!r} names nothing"


def test_two_logs_are_compared_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, correct in (("new", [True, True, False]), ("old", [True, False, False])):
        samples = [
            sample(f"q{index}", scores={"match": {"value": "C" if one else "I"}})
            for index, one in enumerate(correct)
        ]
        Path(f"{name}.json").write_text(json.dumps(log(*samples, task_id=name)), encoding="utf-8")
    (pair,) = document("compare", "old.json", "new.json")["comparisons"]
    assert (pair["samples"], pair["improved"], pair["regressed"]) == (3, 1, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.json", "old.json"]
    said, _ = refusal("compare", "old.json", "--experiment-ids", "x", code=2)
    assert said == "files are compared by themselves, without a database"
