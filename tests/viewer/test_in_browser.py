"""The viewer in a real browser: clicked through, graded by keyboard, live, by hostile texts."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import urlencode

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.score_repository import ScoreRepository
from tests.processes import environment
from tests.viewer.browser import Visitor, chromium, serving

ODD = "odd</script><i>&?#"
LOOKED_AT = [
    "/",
    "/experiment?id=exp",
    *(f"/experiment?id=exp&part={part}" for part in ("costs", "parsing", "failures", "about")),
    "/runs?experiment=exp",
    "/samples?experiment=exp",
    "/sample?experiment=exp&task=sums&index=3&diff=baseline",
    "/runs?experiment=exp&outcome=failed&columns=length&columns=sample_index",
    "/compare?experiment=exp&experiment=other",
    "/queues?experiment=exp",
    f"/experiment?{urlencode({'id': ODD})}",
    f"/experiment?{urlencode({'id': ODD, 'part': 'failures'})}",
    f"/runs?{urlencode({'experiment': ODD})}",
    f"/samples?{urlencode({'experiment': ODD})}",
    f"/sample?{urlencode({'experiment': ODD, 'task': 't</title>', 'index': 7})}",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def own_study(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the study, so that grades do not disturb others."""
    return Path(copyfile(study, tmp_path_factory.mktemp("browser") / "results.db"))


@pytest.fixture(scope="module")
def address(own_study: Path) -> Iterator[str]:
    with serving(own_study) as opened:
        yield opened


@pytest.fixture
def visitor(browser: Any, address: str) -> Iterator[Visitor]:
    person = Visitor(browser, address)
    yield person
    person.close()


def wait(page: Any, selector: str) -> None:
    """Until the element is there and the scripts of its page have run."""
    page.wait_for_selector(selector)
    page.wait_for_load_state("load")


def draw_queue(page: Any, size: int) -> None:
    page.fill("input[name=size]", str(size))
    page.click("text=Draw and grade")
    wait(page, "#grading")


def test_from_the_first_page_to_a_sample_and_back(visitor: Visitor) -> None:
    page = visitor.page
    page.click("text=Study exp")
    page.click("text=Costs and times")
    page.wait_for_selector("figure.chart svg")
    page.click("text=Findings")
    page.click(".finding >> text=regressed")
    rows = page.locator("#runs tbody tr")
    assert rows.count() > 0
    rows.first.locator("a").click()
    wait(page, ".sides")
    page.keyboard.press("d")
    wait(page, "ins")
    first = page.locator("h1").inner_text()
    page.keyboard.press("j")
    page.wait_for_function("first => document.querySelector('h1').innerText != first", arg=first)
    page.wait_for_load_state("load")
    page.keyboard.press("k")
    page.wait_for_function("first => document.querySelector('h1').innerText == first", arg=first)
    page.wait_for_load_state("load")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()


def test_grading_by_keyboard_alone(visitor: Visitor, own_study: Path) -> None:
    page = visitor.open("/queues?experiment=exp")
    draw_queue(page, 4)
    for key, place in (("1", 2), ("0", 3)):
        page.keyboard.press(key)
        wait(page, f"h1:text('{place} of 4')")
    page.keyboard.press("n")
    page.keyboard.type("10 of 5")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    wait(page, "h1:text('4 of 4')")
    page.keyboard.press("u")
    wait(page, "h1:text('3 of 4')")
    database = Database(str(own_study))
    with database.read() as connection:
        scores = [s for _, s in ScoreRepository(connection).list("exp") if s.metric == "human"]
    database.close()
    assert sorted(score.label or "" for score in scores) == ["correct", "wrong"]
    assert {score.author for score in scores} == {"ada"}


@pytest.mark.slow
def test_a_failed_save_keeps_the_grade_on_the_screen(visitor: Visitor) -> None:
    page = visitor.open("/queues?experiment=exp")
    draw_queue(page, 3)
    visitor.context.set_offline(True)
    page.keyboard.press("1")
    page.wait_for_selector("#failed:visible")
    visitor.context.set_offline(False)
    page.click("text=Try again")
    wait(page, "h1:text('2 of 3')")
    visitor.complaints.clear()


@pytest.mark.slow
def test_two_people_grade_one_run(browser: Any, address: str, own_study: Path) -> None:
    people = [Visitor(browser, address), Visitor(browser, address)]
    draw_queue(people[0].open("/queues?experiment=other"), 2)
    people[0].page.wait_for_selector("#grading")
    number = people[0].page.get_attribute("#grading", "data-queue")
    for person, author in zip(people, ("ada", "bob"), strict=True):
        person.open(f"/grade?queue={number}&at=1&author={author}")
    people[0].page.keyboard.press("1")
    people[1].page.keyboard.press("0")
    for person in people:
        wait(person.page, "h1:text('2 of 2')")
        person.close()
    database = Database(str(own_study))
    with database.read() as connection:
        scores = [s for _, s in ScoreRepository(connection).list("other") if s.metric == "human"]
    database.close()
    assert {(s.author, s.value) for s in scores} == {("ada", 1.0), ("bob", 0.0)}


@pytest.mark.slow
@pytest.mark.parametrize("url", LOOKED_AT)
def test_every_page_is_quiet_and_accessible(browser: Any, address: str, url: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    for scheme, width in (("light", 1280), ("dark", 320)):
        person = Visitor(
            browser, address, color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        page = person.open(url)
        if "part=costs" in url:
            page.wait_for_selector("figure.chart svg")
        # No sideways scrolling but inside of tables.
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page).response["violations"]
        said = [(one["id"], one["nodes"][0]["html"][:200]) for one in found]
        assert said == []
        person.close()


@pytest.mark.slow
def test_a_running_study_fills_while_it_is_looked_at(browser: Any, own_study: Path) -> None:
    with serving(own_study) as address:
        with ResultsProcessor(str(own_study)) as processor:
            processor.save_experiment("live", {}, environment={"plan": {"runs": 60}})
        person = Visitor(browser, address)
        page = person.open("/experiment?id=live")
        recording = (
            "import sys, time\n"
            "from ml_agents_results import ResultsProcessor, RunRecord\n"
            "with ResultsProcessor(sys.argv[1]) as p:\n"
            "    for i in range(60):\n"
            "        p.save_run(RunRecord('live', 'None', i, is_correct=True, raw_output='x'))\n"
            "        time.sleep(0.02)\n"
        )
        subprocess.run(
            [sys.executable, "-c", recording, str(own_study)], check=True, env=environment()
        )
        page.wait_for_selector("text=60 runs", timeout=8000)
        with ResultsProcessor(str(own_study)) as processor:
            processor.save_experiment("live", {}, status="completed")
        page.wait_for_selector("text=It has ended", timeout=8000)
        person.close()


@pytest.mark.slow
def test_without_script_pages_can_be_read(browser: Any, address: str) -> None:
    person = Visitor(browser, address, java_script_enabled=False)
    page = person.open("/runs?experiment=exp&size=50")
    page.click("text=Next")
    page.locator("#runs tbody tr a").first.click()
    page.click("text=Next")
    assert page.locator(".side").count() == 2
    person.close()
