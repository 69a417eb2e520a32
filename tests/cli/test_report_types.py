"""The later report types of analyze as a user types them: documents, tables, files, refusals."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.experiments.labelling import Labelling, LabelScale, draw_queue
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ScoreRecord
from tests.commands import call, document, refusal
from tests.services.building import run

NEW: dict[str, tuple[str, ...]] = {
    "ranking": (),
    "repeats": (),
    "agreement": ("--metric", "human,judge"),
    "corrected": ("--metric", "judge,human"),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """Three approaches, six tasks, two answers each, a judge, and 60 random labels."""
    path = tmp_path_factory.mktemp("reports") / "r.db"
    shutil.copyfile(migrated_file, path)
    chance = random.Random(2)
    with ResultsProcessor(str(path)) as processor:
        processor.save_experiment("exp", {})
        runs = []
        for name, right in (("None", 0.3), ("ChainOfThought", 0.6), ("Reflection", 0.9)):
            for task in range(6):
                for index in range(8):
                    for repeat in range(2):
                        good = chance.random() < right
                        one = run("exp", name, index, good, repeat, task=f"task{task}")
                        one.parsed_answer = "7" if good else chance.choice("abc")
                        judged = good if chance.random() < 0.9 else not good
                        one.scores = [ScoreRecord(float(judged), metric="judge")]
                        runs.append(one)
        processor.save_runs(runs)
        queue = draw_queue(processor, "exp", 60, seed=1, scale=LabelScale.of("correct"))
        labelling = Labelling(processor, "exp", queue, "anna")
        for queued in labelling.open_runs():
            labelling.save(queued, float(bool(labelling.run(queued).is_correct)))
    return path


@pytest.mark.parametrize("report", NEW)
def test_a_document_and_tables_that_fit(study: Path, report: str) -> None:
    asked = ("analyze", "--experiment-id", "exp", "--report-type", report, *NEW[report])
    found = document(*asked, "--db-path", study)
    assert found["report_type"] == report
    assert json.dumps(found, allow_nan=False)
    shown = call(*asked, "--db-path", study).stdout
    rows = [line for line in shown.split("\n\n", 1)[1].splitlines() if "─" in line]
    assert rows
    assert max(map(len, rows)) <= 80


@pytest.mark.parametrize("ending", ["json", "md", "tex", "html", "xlsx", "svg"])
def test_a_report_in_every_format(study: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ranking.{ending}"
    asked: tuple[Any, ...] = ("analyze", "--experiment-id", "exp", "--report-type", "ranking")
    call(*asked, "--db-path", study, "--output", path)
    if ending == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        sheet = openpyxl.load_workbook(path)["Ranking"]
        assert sheet["A2"].value == "Reflection"
    else:
        assert "Reflection" in path.read_text(encoding="utf-8")
    message, _ = refusal(*asked, "--db-path", study, "--output", path, code=1)
    assert "exists already" in message


def test_what_does_not_apply_is_refused(study: Path, tmp_path: Path) -> None:
    def refused(report: str, *options: Any, code: int = 2) -> str:
        asked = ("analyze", "--experiment-id", "exp", "--report-type", report, *options)
        return refusal(*asked, "--db-path", study, code=code)[0]

    assert "--baseline does not apply" in refused("agreement", *NEW["agreement"], "--baseline", "A")
    assert "changes no figure" in refused("ranking", "--interval", "jeffreys")
    assert "changes no figure" in refused("corrected", *NEW["corrected"], "--missing", "incorrect")
    assert "--pool is for" in refused("ranking", "--pool", "approach")
    assert "no metric is named" in refused("agreement")
    assert "two metrics are needed" in refused("corrected", "--metric", "judge")
    assert "has no diagram" in refused("repeats", "--output", tmp_path / "r.svg")
    assert not (tmp_path / "r.svg").exists()
    assert "no metric 'nobody'" in refused("agreement", "--metric", "judge,nobody", code=3)


def test_parquet_files_name_no_authors(study: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    lake = tmp_path / "lake"
    call("export", "--experiment-id", "exp", "--db-path", study, "--format", "parquet",
         "--output", lake)  # fmt: skip
    ranked = document("analyze", "--experiment-id", "exp", "--source", lake,
                      "--report-type", "ranking")  # fmt: skip
    assert ranked["variants"][0]["approach_name"] == "Reflection"
    for report in ("agreement", "corrected"):
        message, hint = refusal(
            *("analyze", "--experiment-id", "exp", "--source", lake, "--report-type", report),
            *NEW[report],
            code=2,
        )
        assert "do not say who gave a value" in message
        assert "database" in hint
