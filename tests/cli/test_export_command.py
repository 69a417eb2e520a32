"""`ml-agents export`, and the files that `compare` writes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from ml_agents_results.formats.registry import SUFFIXES
from ml_agents_results.formats.report_files import COMPARISON_SUFFIXES
from ml_agents_results.processor import ResultsProcessor
from tests.commands import call, contents, document, refusal
from tests.generated import make_runs

RUN_FORMATS = [suffix for suffix, name in SUFFIXES.items() if name != "archive"]


@pytest.fixture
def filled(processor: ResultsProcessor, db_path: Path) -> Path:
    """Experiments `one` and `two`, 80 runs each."""
    for name in ("one", "two"):
        processor.save_experiment(name, {"samples": 20}, name=f"Number {name}")
        processor.save_runs(make_runs(name, seed=len(name)))
    return db_path


@pytest.mark.parametrize("suffix", RUN_FORMATS)
def test_the_ending_decides_the_format(filled: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    done = call("export", "--experiment-id", "one", "--output", path, "--db-path", filled)
    assert done.stdout == ""
    assert f"Wrote {path}." in done.stderr
    assert path.stat().st_size > 0


def test_several_experiments_in_one_workbook(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    call(
        *("export", "--experiment-ids", "one,two", "--format", "excel", "--output", path),
        *("--include", "summary,runs", "--db-path", filled),
    )
    book = load_workbook(path)
    assert book.sheetnames == ["Summary", "Runs"]
    assert book["Runs"].max_row == 161


def test_all_experiments_in_one_archive(filled: Path, tmp_path: Path) -> None:
    archive, other = tmp_path / "all.mlar", tmp_path / "other.db"
    call("export", "--all", "--format", "archive", "--output", archive, "--db-path", filled)
    assert document("import", archive, "--db-path", other)["experiments"] == ["one", "two"]
    assert contents(other)["runs"] == contents(filled)["runs"]
    message, _ = refusal("export", "--output", archive, "--db-path", filled, code=2)
    assert message == "no experiment is named"
    both = ("export", "--all", "--experiment-id", "one", "--output", archive)
    refusal(*both, "--db-path", filled, code=2)
    call("db-init", "--db-path", tmp_path / "new.db")
    empty = ("export", "--all", "--output", tmp_path / "x.csv", "--db-path", tmp_path / "new.db")
    message, _ = refusal(*empty, code=3)
    assert message == "the database holds no experiments"


def test_every_format_has_the_numbers_of_analyze(filled: Path, tmp_path: Path) -> None:
    """`analyze --json` is what the others are measured by."""
    options = ("--experiment-id", "one", "--db-path", filled)
    variants = document("analyze", *options)["variants"]
    expected = [
        (variant["approach_name"], variant["accuracy"], variant["ci_high"]) for variant in variants
    ]
    for suffix in (".json", ".xlsx", ".html", ".md", ".tex"):
        call("export", *options, "--output", tmp_path / f"out{suffix}")
    call("export", *options, "--format", "csv", "--no-metadata", "--output", tmp_path / "csv")

    exported = json.loads((tmp_path / "out.json").read_bytes())
    assert exported["experiment_metadata"]["summary_statistics"]["variants"] == variants
    assert exported["analysis"]["accuracy_by_approach"]["variants"] == variants

    with (tmp_path / "csv" / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            (row["approach_name"], float(row["accuracy"]), float(row["ci_high"]))
            for row in csv.DictReader(file)
        ]
    assert rows == expected

    sheet = load_workbook(tmp_path / "out.xlsx")["Summary"]
    header = [cell.value for cell in sheet[1]]
    names = ("approach_name", "accuracy", "ci_high")
    for row, values in zip((2, 3), expected, strict=True):
        found: list[Any] = [sheet.cell(row, header.index(name) + 1).value for name in names]
        assert found[0] == values[0]
        assert found[1:] == pytest.approx(list(values[1:]), rel=1e-14)

    for name in ("out.html", "out.md", "out.tex"):
        text = (tmp_path / name).read_text(encoding="utf-8").replace("\\", "")
        for variant in variants:
            low, high = 100 * variant["ci_low"], 100 * variant["ci_high"]
            assert f"{100 * variant['accuracy']:.1f} [{low:.1f}, {high:.1f}]" in text


def test_the_options_of_compare_reach_what_is_exported(filled: Path, tmp_path: Path) -> None:
    chosen = (
        *("--experiment-id", "one", "--db-path", filled, "--baseline", "CoT"),
        *("--cluster", "none", "--missing", "incorrect", "--correction", "none", "--margin", "0.1"),
        *("--confidence", "0.9", "--test", "exact", "--difference-interval", "tango"),
    )
    compared = document("compare", *chosen)
    call("export", *chosen, "--output", tmp_path / "out.json")
    exported = json.loads((tmp_path / "out.json").read_bytes())
    assert exported["analysis"]["comparison"]["comparisons"] == compared["comparisons"]
    assert exported["analysis"]["accuracy_by_approach"]["variants"] == compared["variants"]
    call("export", *chosen, "--output", tmp_path / "out.xlsx")
    sheet = load_workbook(tmp_path / "out.xlsx")["Comparisons"]
    rows = dict(zip(*([cell.value for cell in row] for row in (sheet[1], sheet[2])), strict=True))
    assert rows["ci_low"] == pytest.approx(compared["comparisons"][0]["ci_low"], rel=1e-14)


def test_filters_reach_the_runs_that_are_exported(filled: Path, tmp_path: Path) -> None:
    options = ("--experiment-id", "one", "--db-path", filled, "--approach", "None")
    call("export", *options, "--output", tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == document("analyze", *options)["variants"][0]["runs"]
    assert {json.loads(line)["approach_name"] for line in lines} == {"None"}


@pytest.mark.parametrize(
    ("ending", "option", "words"),
    [
        ("mlar", ("--approach", "None"), "filters do not apply"),
        ("jsonl", ("--cluster", "none"), "no figure that cluster would change"),
        ("csv", ("--margin", "0.1"), "no figure that margin would change"),
        ("csv", ("--baseline", "CoT"), "no figure that baseline would change"),
    ],
)
def test_an_option_that_changes_nothing_of_a_format_is_refused(
    filled: Path, tmp_path: Path, ending: str, option: tuple[str, str], words: str
) -> None:
    path = tmp_path / f"out.{ending}"
    options = ("export", "--experiment-id", "one", "--db-path", filled, "--output", path)
    message, _ = refusal(*options, *option, code=2)
    assert words in message


def test_standard_output_is_the_file_and_nothing_else(filled: Path) -> None:
    done = call(
        *("export", "--experiment-id", "one", "--format", "jsonl", "--output", "-"),
        *("--db-path", filled),
    )
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 80
    assert done.stderr == ""


def test_an_existing_file_is_kept(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("mine", encoding="utf-8")
    options = ("export", "--experiment-id", "one", "--output", path, "--db-path", filled)
    message, hint = refusal(*options, code=1)
    assert message == f"{path} exists already"
    assert "--force" in hint
    assert path.read_text(encoding="utf-8") == "mine"
    call(*options, "--force")
    assert json.loads(path.read_bytes())["experiment_metadata"]["id"] == "one"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--experiment-id", "on_", "--output", "x.json"), 3, "no experiment 'on_'"),
        (("--experiment-id", "one", "--output", "x.doc"), 2, "names no export format"),
        (
            ("--experiment-id", "one", "--output", "x", "--format", "doc"),
            2,
            "no export format 'doc'",
        ),
        (("--experiment-id", "one", "--output", "x.md", "--include", "runs"), 2, "no part runs"),
        (("--experiment-id", "one", "--output", "no/x.json"), 1, "cannot be written"),
        (("--experiment-id", "one", "--output", "."), 2, "names no export format"),
        (("--experiment-id", "one", "--output", ".", "--format", "json"), 1, "is a folder"),
        (("--experiment-id", "one", "--output", "/dev/full", "--format", "jsonl"), 1, "No space"),
        (
            (
                "--experiment-id",
                "one",
                "--output",
                "x",
                "--format",
                "csv",
                "--partition-by",
                "model",
            ),
            2,
            "cannot be partitioned",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    message, _ = refusal("export", *arguments, "--db-path", filled, code=code)
    assert words in message
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("suffix", COMPARISON_SUFFIXES)
def test_comparisons_are_written_in_every_format(filled: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"comparison{suffix}"
    options = ("--experiment-ids", "one", "--by", "task", "--db-path", filled)
    call("compare", *options, "--output", path)
    (pair,) = document("compare", *options)["comparisons"]
    shown = f"{100 * pair['difference']:+.1f}"
    match suffix:
        case ".json":
            assert json.loads(path.read_bytes())["comparisons"] == [pair]
        case ".xlsx":
            sheet = load_workbook(path)["Comparisons"]
            header = [cell.value for cell in sheet[1]]
            value = sheet.cell(2, header.index("difference") + 1).value
            assert value == pytest.approx(pair["difference"], rel=1e-14)
        case ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                assert float(next(csv.DictReader(file))["difference"]) == pair["difference"]
        case _:
            assert shown in path.read_text(encoding="utf-8")
