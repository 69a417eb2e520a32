"""Tables of papers: what is marked, and that any name survives Markdown and LaTeX."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.latex_tables import escape as latex_escape
from ml_agents_results.reports.markdown import escape as markdown_escape
from ml_agents_results.reports.paper_report import paper_comparison
from ml_agents_results.services.analysis_options import AnalysisOptions
from tests.formats.writers.sample_experiments import ODD_TEXTS, run, save_experiments

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage{booktabs}
\begin{document}
\input{table}
\end{document}
"""


@pytest.fixture
def processor(processor: ResultsProcessor) -> ResultsProcessor:
    """A processor with the sample experiments."""
    save_experiments(processor)
    return processor


def text_of(processor: ResultsProcessor, path: Path, *names: str) -> str:
    export(processor.database, names, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def clear(processor: ResultsProcessor) -> ResultsProcessor:
    """Three variants: Worst is clearly worse than the two others, which hardly differ."""
    processor.save_experiment("clear", {})
    for sample in range(60):
        right = {"Worst": sample < 10, "Best": sample < 50, "Near": 1 <= sample < 50}
        processor.save_runs(
            run("clear", sample, approach, is_correct=correct, task="")
            for approach, correct in right.items()
        )
    return processor


def test_the_best_is_bold_and_what_is_close_is_underlined(
    clear: ResultsProcessor, tmp_path: Path
) -> None:
    text = text_of(clear, tmp_path / "out.md", "clear")
    accuracy = {
        line.split("|")[1].strip(): line.split("|")[3].strip() for line in text.split("\n")[2:5]
    }
    assert accuracy["Best"].startswith("**83.3 ")
    assert accuracy["Near"].startswith("<ins>81.7 ")
    assert accuracy["Worst"].startswith("16.7 ")
    text = text_of(clear, tmp_path / "out.tex", "clear")
    assert r"\textbf{83.3 [" in text
    assert r"\underline{81.7 [" in text


@pytest.mark.parametrize("name", ["out.md", "out.tex"])
def test_the_caption_states_test_n_and_correction(
    clear: ResultsProcessor, tmp_path: Path, name: str
) -> None:
    text = text_of(clear, tmp_path / name, "clear")
    assert "for single answers) on n = 60 shared samples" in text
    assert "Holm over 2 tests" in text
    assert "Holm over 3 tests" in text
    assert "score interval" in text


def test_what_errors_are_clustered_by_stands_below_the_tables(processor: ResultsProcessor) -> None:
    processor.save_experiment("documents", {})
    processor.save_runs(
        run(
            "documents",
            sample,
            approach,
            is_correct=sample % 3 > weak,
            task="",
            metadata_json={"document": str(sample // 4)},
        )
        for sample in range(60)
        for weak, approach in enumerate(("strong", "weak"))
    )
    comparison = processor.compare(
        ["documents"], options=AnalysisOptions(cluster="metadata:document")
    )
    by = "clustered by document (15 clusters)"
    report = comparison_report(comparison)
    assert report.views[0].caption == f"95% CIs {by}."
    (note,) = [note for note in report.notes if by in note]
    assert "these tasks" not in note
    caption = paper_comparison(comparison).views[0].caption
    assert by in caption
    assert not re.search("--|`|Holm|Underlined", caption)


def test_one_variant_needs_no_comparison(processor: ResultsProcessor, tmp_path: Path) -> None:
    text = text_of(processor, tmp_path / "out.md", "second")
    assert "| Reflection | 12 |" in text
    assert "Difference" not in text
    assert "no runs" in text_of(processor, tmp_path / "none.tex", "none")


def test_names_are_no_markup() -> None:
    assert markdown_escape("a|b\n**c** <script>") == r"a\|b \*\*c\*\* \<script\>"
    assert latex_escape(r"\input{x} 50% a_b") == r"\textbackslash{}input\{x\} 50\% a\_b"
    assert latex_escape("\x00\ud800🧪é") == "[U+D800][U+1F9EA]é"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_whatever_the_names_are(processor: ResultsProcessor, tmp_path: Path) -> None:
    processor.save_experiment("names", {})
    for place, name in enumerate((*ODD_TEXTS, r"\input{/etc/passwd}", "$x$ ^~ `'\"-- <>|")):
        processor.save_runs(
            [
                run("names", sample, f"{place} {name}"[:80], is_correct=sample < place, task=name)
                for sample in range(8)
            ]
        )
    text = text_of(processor, tmp_path / "table.tex", "names")
    (tmp_path / "main.tex").write_text(DOCUMENT, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(r"Output written on main\.pdf", done.stdout)
    assert "textbackslash" in text
