"""The report in a browser: whole without a network, quiet, and deaf to what models wrote."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.report_files import write_comparison
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from tests.formats.writers.sample_experiments import run

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ATTACKS = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    '<img src=x onerror="window.hacked = 3">',
    "<!--<script>",
    "{{ 7 * 7 }} ${7 * 7}",
    '"><svg onload=window.hacked=4>',
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Opened:
    """A page with all that it said and asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1200) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def check(self) -> None:
        assert self.said == []
        assert len(self.asked) == 1
        assert self.page.evaluate("window.hacked") is None


def report(processor: ResultsProcessor, path: Path, *names: str) -> Path:
    export(processor.database, names, path)
    return path


def test_the_page_draws_every_chart(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    opened = Opened(browser, report(processor, tmp_path / "out.html", "exp"))
    charts = opened.page.locator("figure.chart").evaluate_all(
        "found => found.map("
        "one => [one.dataset.chart, one.querySelectorAll('svg path, svg rect').length])"
    )
    assert {name for name, _ in charts} == {
        "accuracy",
        "tasks",
        "costs",
        "latency",
        "calibration",
        "outcomes",
    }
    assert all(marks for _, marks in charts)
    opened.check()


def test_the_figures_are_those_of_the_comparison(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    page = report(processor, tmp_path / "out.html", "exp").read_text(encoding="utf-8")
    with processor.database.read() as connection:
        service = ComparisonService(connection, Filters(experiment_id=("exp",)))
        comparison = service.compare(["exp"], by_task=True)
    (pair,) = comparison.comparisons
    assert comparison_sentence(pair) in page
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    for drawn, variant in zip(data["figures"]["accuracy"], comparison.variants, strict=True):
        assert drawn["accuracy"] == variant.accuracy
        assert (drawn["low"], drawn["high"]) == (variant.ci_low, variant.ci_high)


def test_a_numeric_metric_is_drawn_in_its_own_unit(tmp_path: Path, browser: Any) -> None:
    rating = MetricRecord("rating", "numeric", 1, 5, True, is_primary=True)
    with ResultsProcessor(tmp_path / "a.db") as results:
        results.save_experiment("study", {})
        with results.database.write() as connection:
            MetricRepository(connection, "study").save(rating)
        results.save_runs(
            RunRecord("study", approach, index, score=1.0 + index % 5)
            for approach in ("a", "b")
            for index in range(20)
        )
        opened = Opened(browser, report(results, tmp_path / "out.html", "study"))
    chart = opened.page.locator("figure.chart[data-chart=accuracy]")
    assert chart.locator("svg").first.is_visible()
    texts = " ".join(chart.locator("svg text").all_text_contents())
    assert "mean rating" in texts
    assert "%" not in texts
    opened.check()


def test_what_a_model_wrote_is_shown_and_not_run(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    processor.save_experiment("evil", {"x": ATTACKS[0]}, name=ATTACKS[1], description=ATTACKS[2])
    for place, text in enumerate(ATTACKS):
        for approach in ("None", f"a {text}"[:80]):
            processor.save_runs(
                [
                    run(
                        "evil",
                        place,
                        approach,
                        model=text,
                        task=text,
                        input_text=text,
                        expected_answer=text,
                        raw_output=text,
                        parsed_answer=text,
                        is_correct=None if place == 0 else approach == "None",
                        error=text if place == 0 else None,
                    )
                ]
            )
    opened = Opened(browser, report(processor, tmp_path / "out.html", "evil"))
    page = opened.page
    page.locator("select[name=kind]").select_option("")
    page.locator("#sample-table tbody button").first.click()
    seen = set()
    for _ in ATTACKS:
        seen.add(page.locator("[data-part=question]").inner_text())
        if page.locator("[data-step='1']").is_enabled():
            page.locator("[data-step='1']").click()
    assert seen == set(ATTACKS)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_timeout(200)
    opened.check()


@pytest.mark.slow
def test_an_injected_script_would_be_refused(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    path = report(processor, tmp_path / "out.html", "exp")
    page = path.read_text(encoding="utf-8")
    path.write_text(
        page.replace("<main>", "<main><script>window.hacked = 1</script>"), encoding="utf-8"
    )
    opened = Opened(browser, path)
    assert opened.page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in line for line in opened.said)


@pytest.mark.slow
def test_regressed_samples_are_found_and_opened_side_by_side_by_keyboard(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    opened = Opened(browser, report(processor, tmp_path / "out.html", "exp"))
    page = opened.page
    page.locator("select[name=kind]").select_option("regressed")
    rows = page.locator("#sample-table tbody tr")
    # The baseline is right on even samples, the candidate wrong on every fifth.
    assert [int(text) for text in rows.locator("button").all_inner_texts()] == [0, 10, 20]
    rows.locator("button").first.focus()
    page.keyboard.press("Enter")
    sides = page.locator("dialog .sides > div")
    assert sides.locator(".outcome").all_inner_texts() == ["✓ correct", "✗ wrong"]
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.locator("input[name=text]").fill("What is 20 + 1")
    assert rows.count() == 1
    opened.check()


@pytest.mark.slow
def test_a_sample_opens_with_the_variant_that_changed(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    processor.save_experiment("three", {})
    for approach, right in (("None", True), ("ChainOfThought", True), ("Reflection", False)):
        processor.save_runs(
            [run("three", 0, approach, is_correct=right, parsed_answer="long " * 200)]
        )
    opened = Opened(browser, report(processor, tmp_path / "out.html", "three"))
    page = opened.page
    page.locator("select[name=kind]").select_option("regressed")
    page.locator("#sample-table tbody button").click()
    sides = page.locator("dialog .sides > div")
    assert sides.locator(".outcome").all_inner_texts() == ["\u2713 correct", "\u2717 wrong"]
    assert len(sides.locator("p").nth(1).inner_text()) < 300
    opened.check()


@pytest.mark.slow
def test_paper_shows_every_table_and_no_control(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    opened = Opened(browser, report(processor, tmp_path / "out.html", "exp"))
    page = opened.page
    page.emulate_media(media="print")
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert not page.locator("#filter").is_visible()
    assert not page.locator("nav").is_visible()
    for table in page.locator("main section:not(#samples) table").all():
        assert table.is_visible()
    opened.check()


@pytest.mark.slow
def test_a_phone_shows_the_page_without_scrolling_sideways(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    opened = Opened(browser, report(processor, tmp_path / "out.html", "exp", "second"), width=360)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.page.evaluate(wide) == 0
    opened.check()


@pytest.mark.slow
def test_every_control_has_a_name(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    opened = Opened(browser, report(processor, tmp_path / "out.html", "exp"))
    opened.page.locator("#sample-table tbody button").first.click()
    nameless = opened.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, figure.chart, dialog")]
            .filter((one) => !(one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")
                || one.textContent.trim() && one.tagName === "BUTTON" || one.closest("label")))
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    levels = opened.page.locator("h1, h2").evaluate_all("found => found.map(one => one.tagName)")
    assert levels[0] == "H1"
    assert levels.count("H1") == 1


@pytest.mark.parametrize("names", [["none"], ["failed"], ["odd"], ["second"], ["odd", "none"]])
@pytest.mark.slow
def test_odd_experiments_make_quiet_pages(
    processor: ResultsProcessor, tmp_path: Path, browser: Any, names: list[str]
) -> None:
    Opened(browser, report(processor, tmp_path / "out.html", *names)).check()


@pytest.mark.slow
def test_a_comparison_is_a_page_too(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    with processor.database.read() as connection:
        service = ComparisonService(connection, Filters(experiment_id=("exp",)))
        comparison = service.compare(["exp"], by_task=True)
    write_comparison(comparison, tmp_path / "out.html")
    opened = Opened(browser, tmp_path / "out.html")
    assert opened.page.locator("figure.chart svg").count() >= 2
    opened.check()


@pytest.mark.slow
def test_long_answers_are_cut_with_a_mark(processor: ResultsProcessor, tmp_path: Path) -> None:
    processor.save_runs([run("second", 0, "Reflection", raw_output="x" * 10_000_000)])
    path = report(processor, tmp_path / "out.html", "second")
    assert path.stat().st_size < 2_000_000
    assert "[cut; 10,000,000 characters in all]" in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_as_many_samples_as_are_asked_for_each_with_a_link(
    processor: ResultsProcessor, tmp_path: Path, browser: Any
) -> None:
    path = tmp_path / "out.html"
    export(processor.database, ["exp"], path, samples=5)
    opened = Opened(browser, path)
    assert opened.page.locator("#filter [name=kind] option").first.inner_text() == "all (5)"
    opened.page.select_option("#filter [name=kind]", "")
    opened.page.locator("#sample-table button").last.click()
    link = opened.page.evaluate("location.href")
    title = opened.page.locator("#answers-title").inner_text()
    opened.page.goto("about:blank")
    opened.page.goto(link)
    assert opened.page.locator("#answers-title").inner_text().split(" (")[0] == title.split(" (")[0]
    with pytest.raises(UsageError, match="holds all samples"):
        export(processor.database, ["exp"], tmp_path / "out.json", samples=5)
