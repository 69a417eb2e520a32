"""Workbooks are read back with openpyxl: what it finds is what Excel would show."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from ml_agents_results.database.models import PARSING_COLUMNS
from ml_agents_results.formats.excel_runs import RUN_COLUMNS, write_runs
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.json_encoding import WIDTH
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.comparison_report import THESE_TASKS
from ml_agents_results.reports.excel import LONGEST_TEXT, Book
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS, RunRepository
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostService
from tests.formats.writers.sample_experiments import ODD_TEXTS, all_runs, run

SHEETS = ["Summary", "Comparisons", "Runs", "Parsing", "Costs", "Failures", "Metadata"]


def book(processor: ResultsProcessor, path: Path, *names: str, **options: Any) -> Any:
    export(processor.database, names, path, "excel", **options)
    return load_workbook(path)


def rows(sheet: Any) -> list[dict[str, Any]]:
    """The rows of the first table of a sheet."""
    lines = sheet.iter_rows(values_only=True)
    header = [name for name in next(lines) if name]
    found = []
    for line in lines:
        if line[0] is None:
            break
        found.append(dict(zip(header, line, strict=False)))
    return found


def test_the_sheets_are_those_documented(processor: ResultsProcessor, tmp_path: Path) -> None:
    found = book(processor, tmp_path / "out.xlsx", "exp")
    assert found.sheetnames == SHEETS
    for sheet in found:
        assert sheet.freeze_panes in ("A2", "B2")
        assert sheet.auto_filter.ref


def test_the_figures_are_those_of_the_analysis(processor: ResultsProcessor, tmp_path: Path) -> None:
    found = book(processor, tmp_path / "out.xlsx", "exp")
    with processor.database.read() as connection:
        filters = Filters(experiment_id=("exp",))
        comparison = ComparisonService(connection, filters).compare(["exp"], by_task=True)
        costs = CostService(connection, filters).report()
    summary = rows(found["Summary"])
    for name in ("approach_name", "runs", "failed", "unparsed", "accuracy", "ci_low"):
        expected = [variant.to_dict()[name] for variant in comparison.variants]
        assert same([row[name] for row in summary], expected)
    pairs = [pair for task in comparison.tasks for pair in task.comparisons]
    for name in ("samples", "difference", "p_value_adjusted", "verdict"):
        expected = [getattr(pair, name) for pair in (*comparison.comparisons, *pairs)]
        shown = [row[name] for row in rows(found["Comparisons"]) if row["task"] != THESE_TASKS]
        assert same(shown, expected)
    assert same(
        [row["total_cost"] for row in rows(found["Costs"])],
        [variant.total_cost for variant in costs.variants],
    )


def same(found: list[Any], expected: list[Any]) -> bool:
    """Excel keeps 16 or 17 digits of a number."""
    return [
        pytest.approx(value, rel=1e-14) if isinstance(value, float) else value for value in expected
    ] == found


def test_every_run_is_there_with_its_kind_of_value(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    found = rows(book(processor, tmp_path / "out.xlsx", "exp")["Runs"])
    for row, expected in zip(found, all_runs(processor, "exp"), strict=True):
        names = ("id", "sample_index", "raw_output", "is_correct", "cost_estimate", "error")
        assert same([row[name] for name in names], [getattr(expected, name) for name in names])
        assert expected.created_at is not None
        made = expected.created_at.replace(tzinfo=None)
        assert abs(row["created_at"] - made) < timedelta(milliseconds=10)
        metrics = expected.parsing_metrics
        assert row["confidence_score"] == (metrics and metrics.confidence_score)


def test_no_text_becomes_a_formula_and_control_characters_survive(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    sheet = book(processor, tmp_path / "out.xlsx", "odd")["Runs"]
    column = RUN_COLUMNS.index("raw_output")
    cells = [row[column] for row in sheet.iter_rows(min_row=2)]
    assert all(cell.data_type in ("s", "inlineStr", "n") for cell in cells)
    shown = {unescape(cell.value) for cell in cells if cell.value is not None}
    for text in ODD_TEXTS:
        if text and not any("\ud800" <= character <= "\udfff" for character in text):
            assert text in shown


def test_what_cannot_be_held_is_noted_with_the_run(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    long = "x" * LONGEST_TEXT
    texts = [long, long + "y", "🧪" * 20_000, "a\ud800b"]
    processor.save_runs([run("second", place, raw_output=text) for place, text in enumerate(texts)])
    ids = {one.raw_output: one.id for one in all_runs(processor, "second")}
    found = book(processor, tmp_path / "out.xlsx", "second")
    shown = {row["id"]: row["raw_output"] for row in rows(found["Runs"])}
    assert shown[ids[texts[0]]] == long
    assert shown[ids[texts[1]]].endswith("... [cut; 32,768 characters in all]")
    assert shown[ids[texts[2]]].endswith("[cut; 20,000 characters in all]")
    assert shown[ids[texts[3]]] == "a\ufffdb"
    for text in shown.values():
        assert len(text.encode("utf-16-le")) // 2 <= LONGEST_TEXT
    notes = [row["value"] for row in rows_of_metadata(found) if row["name"] == "note"]
    for text in texts[1:3]:
        assert any(str(ids[text]) in note and "cut" in note for note in notes)
    assert any(str(ids[texts[3]]) in note and "surrogates" in note for note in notes)
    assert not any(str(ids[long]) in note for note in notes)


def rows_of_metadata(found: Any) -> list[dict[str, Any]]:
    lines = found["Metadata"].iter_rows(min_row=2, values_only=True)
    return [dict(zip(("sheet", "name", "value"), line, strict=True)) for line in lines]


def test_metadata_holds_the_configuration_and_explains_every_column(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    found = book(processor, tmp_path / "out.xlsx", "exp")
    metadata = rows_of_metadata(found)
    values = {row["name"]: row["value"] for row in metadata}
    assert values["name"] == "Sums"
    assert values["config.seed"] == 7
    explained = {(row["sheet"], row["name"]) for row in metadata if row["sheet"]}
    for name in ("Summary", "Comparisons", "Runs", "Parsing", "Costs", "Failures"):
        header = next(found[name].iter_rows(max_row=1, values_only=True))
        assert {(name, column) for column in header if column} <= explained


def test_more_runs_than_a_sheet_holds_go_on_to_the_next(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    path = tmp_path / "out.xlsx"
    with (
        path.open("wb") as file,
        Book.open(file, str(tmp_path)) as made,
        processor.database.read() as connection,
    ):
        write_runs(made, RunRepository(connection).stream("exp"), rows_per_sheet=25)
    found = load_workbook(path)
    assert found.sheetnames == ["Runs", "Runs 2", "Runs 3"]
    ids = [row["id"] for sheet in found for row in rows(sheet)]
    assert ids == [one.id for one in all_runs(processor, "exp")]
    assert [sheet.max_row for sheet in found] == [26, 26, 11]


def test_a_full_sheet_needs_no_second_one(processor: ResultsProcessor, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    rows_given = [_row(place) for place in range(4)]
    with path.open("wb") as file, Book.open(file, str(tmp_path)) as made:
        write_runs(made, rows_given, rows_per_sheet=4)
    assert load_workbook(path).sheetnames == ["Runs"]


def _row(place: int) -> tuple[Any, ...]:
    values: list[Any] = [None] * (WIDTH + 1 + len(PARSING_COLUMNS))
    values[RECORD_COLUMNS.index("id")] = f"run {place}"
    return tuple(values)


def test_charts_point_at_the_figures(processor: ResultsProcessor, tmp_path: Path) -> None:
    book(processor, tmp_path / "out.xlsx", "exp")
    with ZipFile(tmp_path / "out.xlsx") as packed:
        names = [name for name in packed.namelist() if name.startswith("xl/charts/chart")]
        charts = [packed.read(name).decode() for name in names]
    accuracy = next(chart for chart in charts if "Accuracy with its interval" in chart)
    summary = load_workbook(tmp_path / "out.xlsx")["Summary"]
    header = [cell.value for cell in summary[1]]
    for name in ("variant", "accuracy", "accuracy_error_plus", "accuracy_error_minus"):
        letter = summary.cell(1, header.index(name) + 1).column_letter
        assert f"Summary!${letter}$2:${letter}$3" in accuracy
    assert "<c:errBars>" in accuracy
    assert any("Time of an answer" in chart for chart in charts)
    assert any("Accuracy against cost" in chart for chart in charts)


def test_what_is_not_graded_is_not_marked_as_wrong(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    sheet = book(processor, tmp_path / "out.xlsx", "exp")["Runs"]
    letter = sheet.cell(1, RUN_COLUMNS.index("is_correct") + 1).column_letter
    rules = sheet.conditional_formatting[f"{letter}2:{letter}{sheet.max_row}"]
    # An empty cell equals FALSE in Excel: a rule that asks for that alone would mark it.
    assert [rule.formula for rule in rules] == [[f"AND(ISLOGICAL({letter}2),NOT({letter}2))"]]


def test_details_are_folded_away_and_figures_shown(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    found = book(processor, tmp_path / "out.xlsx", "exp")
    for sheet in ("Summary", "Comparisons", "Parsing", "Costs"):
        shown = set()
        for cell in found[sheet][1]:
            # openpyxl keeps neighbours of one kind under the first of them.
            spans = found[sheet].column_dimensions.values()
            hidden = any(one.hidden and one.min <= cell.column <= one.max for one in spans)
            if not hidden:
                shown.add(cell.value)
        assert "variant" in shown or "candidate" in shown
        assert {"provider", "method"}.isdisjoint(shown)
        assert {"accuracy", "difference"} & shown


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_prints_every_sheet(processor: ResultsProcessor, tmp_path: Path) -> None:
    export(processor.database, "exp", tmp_path / "out.xlsx")
    home = f"-env:UserInstallation=file://{tmp_path}/home"
    command = ["soffice", "--headless", home, "--convert-to", "pdf", "out.xlsx"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (tmp_path / "out.pdf").exists(), done.stderr
    if shutil.which("pdftotext"):
        text = subprocess.check_output(["pdftotext", "-layout", "out.pdf", "-"], cwd=tmp_path)
        for sheet in SHEETS:
            assert f"\n{sheet} ".encode() in text


def test_an_experiment_without_runs_has_every_sheet(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    assert book(processor, tmp_path / "none.xlsx", "none").sheetnames == SHEETS
    assert book(processor, tmp_path / "failed.xlsx", "failed").sheetnames == SHEETS


def test_only_the_parts_asked_for(processor: ResultsProcessor, tmp_path: Path) -> None:
    found = book(processor, tmp_path / "out.xlsx", "exp", include=["runs", "summary"])
    assert found.sheetnames == ["Summary", "Runs"]
