"""Draws the pictures of the viewer in docs/: a made-up study, looked at in a real browser.

    python docs/pictures.py

Needs Playwright and Chromium, as the tests in a browser do.
"""

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, ScoreRecord
from tests.viewer.browser import Visitor, chromium, serving

FOLDER = Path(__file__).parent
THINGS = ("apples", "chairs", "drums", "violins", "onions", "goats", "lamps", "peaches")
GAINS = {"None": 0.0, "ChainOfThought": 0.17, "Reflection": 0.12, "TreeOfThought": 0.03}
TASKS = {"object_counting": 0.55, "comparing": 0.7, "sharing": 0.42, "change": 0.62}
STUDY = "text=Does reasoning help"
PICTURES = (
    ("experiments", "light", 330, ()),
    ("experiment", "light", 860, (STUDY,)),
    ("samples", "light", 480, (STUDY, 'a:text-is("Samples")', ".facet >> text=differ")),
    (
        "sample",
        "dark",
        560,
        (
            STUDY,
            ".finding >> text=improved",
            "#runs tbody a",
            ".toggle >> text=TreeOfThought",
            "[data-diff]",
        ),
    ),
    ("grade", "light", 470, (STUDY, 'a:text-is("Grade")', "text=Draw and grade")),
)
"""Name, colour scheme, height, and what is clicked to get there."""


def make_study(path: Path) -> None:
    """Questions that can be counted out, answered right and wrong by four approaches."""
    chance = random.Random(11)
    with ResultsProcessor(str(path)) as results:
        results.save_experiment(
            "exp_20261123_101500_ab12",
            {"dataset": "counting", "temperature": 0.0, "seed": 7},
            name="Does reasoning help a small model count?",
            status="completed",
        )
        runs: list[RunRecord] = []
        for task, easy in TASKS.items():
            for sample in range(60):
                one, two = chance.sample(THINGS, 2)
                few, many = chance.randint(2, 9), chance.randint(2, 9)
                asked = f"I have {few} {one} and {many} {two}. How many things do I have?"
                luck = chance.random()
                for approach, gain in GAINS.items():
                    right = luck + chance.uniform(-0.1, 0.1) < easy + gain
                    answer = few + many + (0 if right else chance.choice((-1, 1, 2)))
                    runs.append(_run(task, sample, approach, asked, few + many, answer, chance))
                    if approach != "None":
                        runs[-1].raw_output = (
                            f"There are {few} {one}. Then there are {many} {two}. "
                            f"Counting on from {few} by {many} gives {answer}.\n\n"
                            f"The answer is {answer}."
                        )
        results.save_runs(runs)
        results.save_experiment(
            "exp_20261128_090000_cd34",
            {"dataset": "counting"},
            name="The same with a large model",
            environment={"plan": {"runs": 480}},
        )
        now = datetime.now(UTC)
        results.save_runs(
            RunRecord(
                "exp_20261128_090000_cd34",
                "ChainOfThought",
                index,
                provider="openai",
                model="gpt-5",
                is_correct=chance.random() < 0.8,
                created_at=now - timedelta(seconds=2 * (310 - index)),
            )
            for index in range(310)
        )


def _run(
    task: str, sample: int, approach: str, asked: str, key: int, answer: int, chance: random.Random
) -> RunRecord:
    slow = 1 if approach == "None" else 3
    return RunRecord(
        "exp_20261123_101500_ab12",
        approach,
        sample,
        provider="local",
        model="smollm2",
        task=task,
        input_text=asked,
        expected_answer=str(key),
        raw_output=f"The answer is {answer}.",
        parsed_answer=str(answer),
        parsing_method="regex",
        parsing_confidence=chance.choice((0.95, 0.9, 0.7)),
        is_correct=answer == key,
        execution_time_ms=int(chance.lognormvariate(6.2, 0.4) * slow),
        cost_estimate=chance.uniform(0.0001, 0.0004) * slow,
        prompt_tokens=40,
        completion_tokens=25 * slow,
        scores=[
            ScoreRecord(
                float(chance.randint(2, 5)),
                explanation="States each step and the answer.",
                metric="clarity",
                author="judge",
            )
        ],
    )


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "results.db"
        make_study(path)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with serving(path) as address:
            for name, scheme, height, clicks in PICTURES:
                person = Visitor(
                    browser,
                    address,
                    color_scheme=scheme,
                    viewport={"width": 1100, "height": height},
                )
                for selector in clicks:
                    person.page.click(selector)
                    person.page.wait_for_load_state()
                if name == "grade":
                    person.page.wait_for_selector("#grading")
                person.page.screenshot(path=FOLDER / f"viewer-{name}.png")
                person.close()
        browser.close()


if __name__ == "__main__":
    main()
