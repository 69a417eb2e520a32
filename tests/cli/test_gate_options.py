"""Gates: exit codes, what CI systems read, and nothing that passes for want of evidence."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord
from tests.commands import call, document, refusal

RULES = """
baseline: prod
require: {samples: 50}
gates:
  - {margin: 0.05}
  - {figure: total_cost, max_increase: 0.10}
"""
ASKED = 300


@pytest.fixture(scope="module")
def judged(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`prod` has 240 of 300 right; `same` loses 3 of them, `bad` 40, `torn` is half there."""
    path = tmp_path_factory.mktemp("gate") / "r.db"
    path.write_bytes(migrated_file.read_bytes())
    with ResultsProcessor(Database(str(path))) as processor:
        for name, lost, asked in (
            ("prod", 0, ASKED), ("same", 3, ASKED), ("bad", 40, ASKED), ("torn", 0, 150)
        ):  # fmt: skip
            config = {"samples": ASKED}
            processor.save_experiment(name, config)
            processor.save_runs(
                RunRecord(
                    name, "v", index, model="m", raw_output="x", input_text=f"q{index}",
                    expected_answer="1", is_correct=lost <= index < 240, cost_estimate=0.01,
                )
                for index in range(asked)
            )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("candidate", "options", "code", "verdict"),
    [
        ("same", ["--fail-on", "undecided", "--margin", "0.05"], 0, "pass"),
        ("same", ["--fail-on", "worse"], 0, "undecided"),
        ("bad", ["--fail-on", "worse"], 6, "worse"),
        ("bad", ["--fail-on", "worse", "--margin", "0.05"], 6, "worse"),
        ("torn", ["--fail-on", "undecided", "--margin", "0.05"], 6, "undecided"),
        ("torn", ["--fail-on", "worse", "--margin", "0.05"], 0, "undecided"),
    ],
)
def test_exit_codes(
    judged: Path, candidate: str, options: list[str], code: int, verdict: str
) -> None:
    ids = f"prod,{candidate}"
    shown = call(
        "compare", "--experiment-ids", ids, *options, "--db-path", judged, "--json", code=code
    )
    assert f'"verdict": "{verdict}"' in shown.stdout


@pytest.mark.parametrize("upper", [None, 1.0])
def test_scores_that_are_all_equal_are_decided_by_their_bounds(
    processor: ResultsProcessor, db_path: Path, upper: float | None
) -> None:
    metric = MetricRecord("f1", "numeric", 0.0, upper, True, is_primary=True)
    for name in ("prod", "new"):
        processor.save_experiment(name, {}, metrics=[metric])
        processor.save_runs(
            RunRecord(name, "v", index, model="m", input_text=f"q{index}", score=index / 200)
            for index in range(200)
        )
    command = ("compare", "--experiment-ids", "prod,new", "--fail-on", "undecided")
    code = 0 if upper else 6
    shown = call(*command, "--margin", "0.02", "--db-path", db_path, "--json", code=code)
    (row,) = json.loads(shown.stdout)["gate"]["rows"]
    if upper:
        # t^2 / (n + t^2) of Tango's interval without a differing sample, t = 1.6525 at 199.
        assert (row["verdict"], row["ci_low"]) == ("pass", pytest.approx(-0.01347, abs=1e-5))
    else:
        assert (row["verdict"], row["ci_low"]) == ("undecided", None)
        assert "--bounds f1=LOW..HIGH" in row["reason"]


def test_a_file_of_rules(judged: Path, tmp_path: Path) -> None:
    rules = tmp_path / "gate.yaml"
    rules.write_text(RULES, encoding="utf-8")
    gate = document("compare", "--experiment-ids", "same", "--gate", rules, "--db-path", judged)[
        "gate"
    ]
    metric, cost = gate["rows"]
    assert (gate["verdict"], metric["verdict"], cost["verdict"]) == ("pass", "pass", "pass")
    assert (metric["samples"], metric["missing"]) == (ASKED, "incorrect")
    # 3 of 300 lost and none gained.
    assert metric["difference"] == pytest.approx(-0.01)
    assert (metric["p_worse"], cost["difference"]) == (pytest.approx(0.0625), pytest.approx(0))


def test_what_ci_systems_read(
    judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, junit, summary = (tmp_path / name for name in ("gate.yaml", "gate.xml", "gate.md"))
    rules.write_text(RULES, encoding="utf-8")
    appended, outputs = tmp_path / "step.md", tmp_path / "outputs"
    appended.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(appended))
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    shown = call(
        "compare", "--experiment-ids", "bad", "--gate", rules, "--db-path", judged,
        "--junit", junit, "--summary", summary, code=6,
    )  # fmt: skip
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2", "failures": "1", "errors": "0", "skipped": "0",
    }  # fmt: skip
    assert summary.read_text(encoding="utf-8").startswith("**The gate fails: 1 of 2 rules pass.")
    assert appended.read_text(encoding="utf-8").startswith("before\n**The gate fails")
    assert "verdict=worse\n" in outputs.read_text(encoding="utf-8")
    annotations = [line for line in shown.stderr.splitlines() if line.startswith("::")]
    assert len(annotations) == 1
    assert annotations[0].startswith("::error title=Gate%3A correct within 5 points::bad/v//m")


def test_a_model_cannot_steer_the_runner(
    processor: ResultsProcessor, db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor.save_experiment("e", {})
    text = "::add-mask::x\n  ::error::y\n##[error]z"
    processor.save_run(RunRecord("e", "a", 0, raw_output=text))
    command = ("show", "--experiment-id", "e", "--sample", ":0", "--db-path", db_path)
    assert "\n  ::error::y" in call(*command).stdout
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shown = call(*command).stdout
    assert "y" in shown
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("gates: [{margins: 1}]", "a rule has no 'margins'"),
        ("gates: [{figure: cost, max_increase: 1}]", "there is no figure 'cost'"),
        ("gates: [{margin: -1}]", "margin is -1"),
        ("gates: [{metric: correct}]\nfail_on: undecided", "without a margin nothing shows"),
        ("fail_on: maybe", "fail_on cannot be 'maybe'"),
    ],
)
def test_rules_that_are_not_understood(
    judged: Path, tmp_path: Path, rules: str, message: str
) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(rules, encoding="utf-8")
    said, _ = refusal(
        "compare", "--experiment-ids", "same", "--gate", path, "--db-path", judged, code=2
    )
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--junit", "x.xml"], 2, "--junit and --summary report a gate"),
        (["--fail-on", "undecided"], 2, "without a margin nothing shows"),
        (["--gate", "none.yaml"], 3, "there is no file none.yaml"),
        (["--gate", __file__], 1, f"{__file__} is not YAML"),
    ],
)
def test_options_that_do_not_fit(judged: Path, options: list[str], code: int, message: str) -> None:
    ids = ("--experiment-ids", "prod,same")
    said, _ = refusal("compare", *ids, *options, "--db-path", judged, code=code)
    assert said.startswith(message)
