"""README and documentation: every command is understood, run, and prints what its page shows."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from ml_agents_results import MetricRecord, MetricRepository, ResultsProcessor, ScoreRecord
from ml_agents_results.cli import app
from tests.documentation import PAGES, arguments, blocks, commands, execute, is_printed
from tests.endpoint import Endpoint
from tests.generated import lines_of, make_runs, write_runs_file
from tests.processes import ROOT

EXPERIMENTS = (
    "A",
    "B",
    "C",
    "S1",
    "S2",
    "S3",
    "S4",
    "S5",
    "demo",
    "first",
    "second",
    "new",
    "X",
    "labelled",
)
"""Names that pages use for experiments of the reader's."""

TASKS = ("sums", "words", "dates", "sorting", "logic")
APPROACHES = ("None", "ChainOfThought", "Reflection")
TRIED_ELSEWHERE = (
    "docs/statistics/README.md",
    "docs/coming-from-csv-platform.md",
    "docs/metrics.md",
    "docs/orm.md",
    "docs/recipes.md",
    "docs/recording.md",
)
QUICK = ("README.md", "docs/tutorials/own-loop.md", "docs/tutorials/two-tools.md")
"""Pages that `make test` tries; `make test-slow` tries all."""
NOT_TRIED = ("view", "record")
"""Commands that go on until they are ended, or need another tool."""
ELSEWHERE = r"spark|s3://|hf://|--extend|--pilot|exp_2026|--run-id R|my_module"
"""Commands that need a server, an account, or runs of a certain state: other tests have them."""
ANSWERS = "question,gold,prompt,response,score\n2+2?,4,a,It is 4,1\n2+2?,4,b,It is 5,0\n"
KEYS = {
    "docs/tutorials/trusted-judge.md": (
        "000110111010110111000101011110111110100011110101111000000110"
        "111000010111010111110000111011110101111111111111111101111001"
    )
}
"""What a person types who labels runs; 1 for helpful answers."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_understood(page: Path) -> None:
    """Names, options and values are those of the program, and so are extras and make's targets."""
    assert all(block.language for block in blocks(page)), "a block names no language: sh, text, ..."
    group: Any = typer.main.get_command(app)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command, _ in commands(page):
        if words := arguments(command):
            group.commands[words[0]].make_context(words[0], words[1:])
        for extras in re.findall(r"pip install '?(?:ml-agents-results|\.)\[(.+?)\]", command):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), command
        if target := re.match(r"make ([a-z-]+)", command):
            assert f"\n{target[1]}:" in makefile, command


def is_first_contact(page: Path) -> bool:
    """Whether it is followed in an empty folder: the README, and the tutorials."""
    return page.parent == ROOT or page.parent.name == "tutorials"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """A folder with what the pages take for granted: databases, questions, a log."""
    folder = tmp_path_factory.mktemp("world")
    database = Path(shutil.copyfile(migrated_file, folder / "r.db"))
    metrics = [
        MetricRecord("exact", "binary", 0, 1, True, "exact", is_primary=True),
        MetricRecord("f1", "numeric", 0, 1, True),
        *(MetricRecord(name, "binary", 0, 1, True) for name in ("judge", "human")),
    ]
    with ResultsProcessor(database) as results:
        for number, experiment in enumerate((*EXPERIMENTS, "prod")):
            labellers = ("anna", "ben") if experiment == "labelled" else ()
            results.save_experiment(experiment, {"dataset": "questions.jsonl"}, status="completed")
            with results.database.write() as connection:
                for metric in metrics:
                    MetricRepository(connection, experiment).save(metric)
            runs = make_runs(
                experiment, samples=24, tasks=TASKS, approaches=APPROACHES, seed=number
            )
            again = make_runs(experiment, samples=24, tasks=TASKS, approaches=APPROACHES, seed=99)
            for index, run in enumerate([*runs, *again]):
                run.repeat_index = index // len(runs)
                if run.is_correct is not None:
                    value = float(run.is_correct)
                    said = float(run.is_correct or index % 5 == 0)
                    run.scores = [
                        ScoreRecord(0.5 + value / 2 - index % 7 / 20, metric="f1"),
                        ScoreRecord(said, metric="judge"),
                        *(ScoreRecord(value, metric="human", author=who) for who in labellers),
                    ]
            results.save_runs([*runs, *again])
    shutil.copyfile(ROOT / "examples" / "questions.jsonl", folder / "questions.jsonl")
    shutil.copytree(ROOT / "examples" / "two_tools" / "inspect", folder / "logs")
    (folder / "answers.csv").write_text(ANSWERS, encoding="utf-8")
    (folder / "old_results").mkdir()
    write_runs_file(folder / "old_results" / "runs.jsonl", lines_of(make_runs()))
    rubric = next(b for b in blocks(ROOT / "docs" / "scoring.md") if b.language == "markdown")
    (folder / "mine.md").write_text(rubric.text, encoding="utf-8")
    write_runs_file(folder / "runs.jsonl", lines_of(make_runs()))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "tests").symlink_to(ROOT / "tests")
        database.rename("ml_agents_results.db")
        for command, shown in commands(ROOT / "docs" / "statistics" / "README.md"):
            code, output = execute(command)
            assert code == 0, (command, output)
            assert not shown or is_printed(shown, output), (command, output)
        code, output = execute("ml-agents export --experiment-id A --output r.mlar")
        assert code == 0, output
    for copy in ("r.db", "old.db", "broken.db", "other.db"):
        shutil.copyfile(folder / "ml_agents_results.db", folder / copy)
    return folder


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with Endpoint(reply) as running:
        yield running


def reply(body: dict[str, Any]) -> str:
    """An answer; to a judge's question, the first of the verdicts."""
    verdicts = re.search(r'"enum": \["(.+?)"', json.dumps(body.get("response_format")))
    reasoned = {"reasoning": "It is so.", "verdict": verdicts[1] if verdicts else ""}
    return json.dumps(reasoned) if verdicts else "The answer is 4."


@pytest.mark.parametrize(
    "page",
    [
        page if name(page) in QUICK else pytest.param(page, marks=pytest.mark.slow)
        for page in PAGES
        if name(page) not in TRIED_ELSEWHERE
    ],
    ids=name,
)
def test_commands_print_what_is_shown(
    page: Path,
    tmp_path: Path,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if not is_first_contact(page):
        world = request.getfixturevalue("world")
        shutil.copytree(world, tmp_path, symlinks=True, dirs_exist_ok=True)
    for folder in ("docs", "examples", "tests"):
        if not (tmp_path / folder).exists():
            (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)

    @cache
    def server_url() -> str:
        url: str = request.getfixturevalue("postgres").create()
        monkeypatch.setenv("ML_AGENTS_DB_URL", url)
        return url

    def asking(command: str) -> tuple[str, ...]:
        named = () if "--model" in command else ("--model", "m")
        return ("--provider", "openai", "--base-url", endpoint.url, *named)

    typed = "\n".join(KEYS.get(name(page), "101" * 200)) + "\n"
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, name(page), "exec"), names)
        for command, shown in block.commands() if block.language in ("sh", "console") else ():
            command = re.sub(r"postgresql://\w+@[\w./]+", lambda _: server_url(), command)
            words = command.split()
            is_ours = words[0] == "ml-agents" and words[1] not in NOT_TRIED
            if not (is_ours or words[:2] == ["python", "-"]) or re.search(ELSEWHERE, command):
                continue
            is_asking = words[1] in ("run", "resume") or "judge" in words
            code, output = execute(command, asking(command) if is_asking else (), typed)
            assert code in (0, 6 if "--fail-on" in command or "--gate" in command else 0), (
                command,
                output,
            )
            assert not shown or is_printed(shown, output), (command, output)
