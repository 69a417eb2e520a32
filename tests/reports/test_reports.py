"""Reports: every table has what its columns name, and every renderer draws the same object."""

import re
from typing import get_args

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.column import Column, Kind
from ml_agents_results.reports.columns import (
    COLUMNS,
    DIFFERENCE_COLUMNS,
    VALUE_COLUMNS,
    VALUE_DIFFERENCE_COLUMNS,
)
from ml_agents_results.reports.html import report_html
from ml_agents_results.reports.latex_tables import report_latex
from ml_agents_results.reports.markdown import escape as markdown_escape
from ml_agents_results.reports.markdown import report_markdown
from ml_agents_results.reports.report import Report, Row, Table, View
from tests.formats.writers.sample_experiments import run, save_experiments
from tests.reports.conftest import Reports

_DECLARED = {*COLUMNS, *DIFFERENCE_COLUMNS}


@pytest.fixture
def filled(processor: ResultsProcessor) -> ResultsProcessor:
    """The sample experiments, and one whose samples were asked twice."""
    save_experiments(processor)
    processor.save_experiment("repeats", {})
    for approach in ("None", "ChainOfThought"):
        processor.save_runs(
            run("repeats", sample, approach, repeat_index=repeat, is_correct=sample % 3 > repeat)
            for sample in range(12)
            for repeat in (0, 1)
        )
    return processor


def is_declared(column: Column) -> bool:
    """Whether the column is declared, perhaps for one size, repeat or group."""
    patterns = (re.sub(r"\\{\w+\\}", r"[\\d.]+", re.escape(name)) for name in _DECLARED)
    return column.name.startswith("accuracy of ") or any(
        re.fullmatch(pattern, column.name) for pattern in patterns
    )


def test_declared_columns_are_of_known_kinds() -> None:
    every = [*COLUMNS.values(), *VALUE_COLUMNS.values(), *VALUE_DIFFERENCE_COLUMNS.values()]
    assert {column.kind for column in every} <= set(get_args(Kind))
    assert all(column.meaning for column in every)


def missing(columns: tuple[Column, ...], row: Row) -> list[str]:
    return [
        name for column in columns for name in (column.parts or (column.name,)) if name not in row
    ]


@pytest.mark.parametrize("experiment", ["exp", "repeats", "odd", "failed"])
def test_every_row_has_what_the_columns_name(
    filled: ResultsProcessor, reports: Reports, experiment: str
) -> None:
    for kind, report in reports(experiment).items():
        for table in report.tables:
            assert all(map(is_declared, table.columns)), (kind, table.title)
            for row in table.rows:
                if kind != "power" and not kind.startswith("paper"):
                    assert missing(table.columns, row) == [], (kind, table.title)
        for view in report.views:
            assert all(map(is_declared, view.columns)), (kind, view.title)
            assert "{" not in "".join(column.label for column in view.columns)
            for row in view.rows:
                if not kind.startswith("paper"):
                    assert missing(view.columns, row) == [], (kind, view.title)


def test_the_head_of_variants_is_what_they_differ_in(
    processor: ResultsProcessor, reports: Reports
) -> None:
    for name, changes in (
        ("approaches", [{}, {"approach_name": "ChainOfThought"}]),
        ("models", [{}, {"model": "other"}]),
        ("both", [{}, {"approach_name": "ChainOfThought", "model": "other"}]),
    ):
        processor.save_experiment(name, {})
        for values in changes:
            processor.save_runs(run(name, sample, **values) for sample in range(4))

    def heads(name: str) -> set[str]:
        return {view.columns[0].label for view in reports(name)["summary"].views}

    assert heads("approaches") == {"approach"}
    assert heads("models") == {"model"}
    assert heads("both") == {"variant"}


@pytest.mark.parametrize("kind", ["accuracy", "comparison", "cost", "parsing"])
def test_renderers_draw_the_same_cells(
    filled: ResultsProcessor, reports: Reports, kind: str
) -> None:
    report = reports("exp")[kind]
    page, markdown, latex = report_html(report), report_markdown(report), report_latex(report)
    unescaped = re.sub(r"\\(.)", r"\1", latex)
    for view in report.views:
        for row in view.rows:
            (first, *figures) = view.cells(row)
            assert f'<th scope="row">{first}</th>' in page or view.detail
            assert f"| {markdown_escape(first)} |" in markdown
            for figure in figures:
                assert figure in unescaped


def test_a_report_in_a_notebook_holds_texts_as_texts() -> None:
    row = {"task": "<script>alert(1)</script>", "graded": 3}
    columns = (COLUMNS["task"], COLUMNS["graded"])
    view = View("tasks", "A & B", columns, [row], caption="<b>")
    report = Report("R", [Table("T", columns, [row], [view])], ["\x1b <i>"], ["one < two"])
    page = report._repr_html_()
    assert "<script>" not in page
    assert '<th scope="row">&lt;script&gt;alert(1)&lt;/script&gt;</th>' in page
    assert "A &amp; B" in page
    assert "␛ &lt;i&gt;" in page
    assert "Note: one &lt; two." in page
