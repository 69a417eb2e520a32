"""Results in a notebook: tables, charts, and the example notebook from end to end."""

import sys
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.generated import make_runs
from tests.processes import ROOT


@pytest.fixture
def filled(processor: ResultsProcessor) -> ResultsProcessor:
    processor.save_experiment("exp", {}, name="<b>bold</b>")
    processor.save_runs(make_runs())
    return processor


def test_a_comparison_shows_its_sentences_and_draws_its_intervals(
    filled: ResultsProcessor,
) -> None:
    comparison = filled.compare(["exp"])
    shown = comparison._repr_html_()
    assert shown is not None
    assert "shared samples" in shown
    assert '<svg class="interval' in shown
    assert "<script" not in shown


def test_what_a_notebook_is_sent_can_be_sent(processor: ResultsProcessor) -> None:
    processor.save_experiment("odd", {}, name="alone \ud800")
    assert "⟨U+D800⟩" in processor._repr_html_().encode().decode()


def test_the_processor_lists_its_experiments(filled: ResultsProcessor) -> None:
    shown = filled._repr_html_()
    assert "1 experiment" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown


@pytest.mark.slow
def test_the_forest_plot_has_the_figures_of_the_table(filled: ResultsProcessor) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib")
    matplotlib.use("Agg")
    comparison = filled.compare(["exp"])
    axes = comparison.plot()
    lines: Any = axes.get_lines()
    bars = [list(map(float, line.get_xdata())) for line in lines if len(line.get_xdata()) == 2]
    [pair] = comparison.comparisons
    assert pair.ci_low is not None
    assert [100 * pair.ci_low, 100 * (pair.ci_high or 0)] in bars
    assert axes.get_yticklabels()[0].get_text().startswith("ChainOfThought")


@pytest.mark.slow
def test_the_example_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    notebook = nbformat.read(ROOT / "examples/notebook.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": tmp_path}}
    ).execute()
    kinds = {
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", ())
    }
    assert {"text/html", "image/png"} <= kinds
