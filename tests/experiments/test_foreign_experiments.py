"""What came from elsewhere is resumed with settings that are given anew, and not with its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.execution import RunSummary
from ml_agents_results.experiments.regrading import Regrading
from ml_agents_results.experiments.rescoring import StoredScoring
from ml_agents_results.experiments.resumption import ResumeRefused
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import AuthenticationFailed
from tests.commands import call, refusal
from tests.endpoint import Endpoint, Fault


@pytest.fixture
def author(migrated_file: Path, tmp_path: Path) -> Iterator[tuple[Path, Endpoint]]:
    """The database of somebody whose experiment `shared` is half done, and the endpoint."""
    dataset = tmp_path / "questions.jsonl"
    dataset.write_text(
        "".join(f'{{"input": "{n}?", "target": "42"}}\n' for n in range(6)), encoding="utf-8"
    )
    settings: dict[str, Any] = {
        "dataset": str(dataset),
        "model": "m",
        "base_url": "",
        "parsing": "regex",
        "concurrency": 1,
        "max_retries": 0,
        "output_dir": str(tmp_path / "author's"),
    }
    with Endpoint() as endpoint:
        endpoint.fail(
            Fault.WRONG_KEY, None, when=lambda body: "4?" in body["messages"][-1]["content"]
        )
        shutil.copyfile(migrated_file, tmp_path / "author.db")
        with ResultsProcessor(str(tmp_path / "author.db")) as processor:
            config = ExperimentConfig.from_dict(settings | {"base_url": endpoint.url})
            with pytest.raises(AuthenticationFailed):
                ExperimentRunner(config, processor).run("shared")
        endpoint.recover()
        yield tmp_path / "author.db", endpoint


def resume(path: Path, **changes: Any) -> RunSummary:
    with ResultsProcessor(str(path)) as processor:
        return ExperimentRunner(ExperimentConfig(**changes), processor).resume("shared")


def given_anew(path: Path, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "provider": "openai-compatible",
        "model": "m",
        "base_url": endpoint.url,
        "dataset": str(path.parent / "questions.jsonl"),
        "output_dir": str(path.parent / "mine"),
    }


def test_who_started_an_experiment_resumes_it_also_in_a_copy(
    author: tuple[Path, Endpoint],
) -> None:
    path, _ = author
    call("db-backup", "--source", path, "--dest", path.with_name("copy.db"))
    assert resume(path.with_name("copy.db")).status == "completed"


@pytest.mark.parametrize("way", ["archive", "merge", "restore", "json lines"])
def test_what_came_from_elsewhere_is_asked_with_settings_given_anew(
    author: tuple[Path, Endpoint], way: str
) -> None:
    path, endpoint = author
    mine = path.with_name("mine.db")
    if way == "restore":
        call("db-backup", "--source", path, "--dest", path.with_name("b.db"))
        call("db-restore", "--source", path.with_name("b.db"), "--db-path", mine)
        assert DatabaseManager(str(mine)).validate_integrity()
    else:
        shared = path
        if way != "merge":
            shared = path.with_name("shared." + ("mlar" if way == "archive" else "csv"))
            call("export", "--all", "--output", shared, "--db-path", path)
        call("import", shared, "--db-path", mine)
    asked = endpoint.requests
    if way == "json lines":
        # A table has no plan that could be resumed, or one that is not trusted.
        with pytest.raises(ResumeRefused):
            resume(mine)
        return
    message, hint = refusal(
        "resume", "--experiment-id", "shared", "--from-database", "--db-path", mine, code=1
    )
    assert "base url" in message
    assert f"--base-url {endpoint.url}" in hint
    given = given_anew(path, endpoint)
    for name in given if way == "archive" else ["dataset"]:
        with pytest.raises(ResumeRefused, match=name.replace("_", " ")):
            resume(mine, **{k: v for k, v in given.items() if k != name})
    assert endpoint.requests == asked
    assert not (path.parent / "mine").exists()
    assert resume(mine, **given).status == "completed"
    assert (path.parent / "mine" / "shared").is_dir()


def test_an_experiment_from_elsewhere_is_extended_with_settings_given_anew(
    author: tuple[Path, Endpoint],
) -> None:
    path, endpoint = author
    with ResultsProcessor(str(path)) as processor:
        runner = ExperimentRunner(ExperimentConfig(), processor, experiment_id="shared")
        runner.extend(models=["n"])
    mine = path.with_name("mine.db")
    call("import", path, "--db-path", mine)
    given = given_anew(path, endpoint)
    del given["model"]
    asked = endpoint.requests
    extend = ("run", "--extend", "shared", "--repeats", 2, "--db-path", mine)
    options = [o for name, v in given.items() for o in (f"--{name.replace('_', '-')}", v)]
    for models in ((), ("--model", "n")):
        message, hint = refusal(*extend, *options, *models, code=1)
        assert "its models may be a stranger's" in message
        assert "--model m,n" in hint
    assert endpoint.requests == asked
    call(*extend, *options, "--model", "m,n")
    assert endpoint.requests == asked + 12
    with pytest.raises(ResumeRefused, match="models"):
        resume(mine, **given)


def test_the_database_file_of_a_stranger_is_not_trusted(
    author: tuple[Path, Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, endpoint = author
    monkeypatch.setenv("XDG_STATE_HOME", str(path.parent / "another user"))
    with pytest.raises(ResumeRefused, match="not started here"):
        resume(path)
    assert resume(path, **given_anew(path, endpoint)).status == "completed"


def test_a_backup_of_ones_own_is_ones_own(author: tuple[Path, Endpoint]) -> None:
    path, _ = author
    call("db-backup", "--source", path, "--dest", path.with_name("b.db"))
    call("db-restore", "--source", path.with_name("b.db"), "--db-path", path, "--force")
    assert resume(path).status == "completed"


def test_changed_settings_are_a_strangers(author: tuple[Path, Endpoint]) -> None:
    path, _ = author
    with ResultsProcessor(str(path)) as processor:
        record = processor.get_experiment("shared")
        record.config_json["extra"]["base_url"] = "http://127.0.0.1:9/v1"
        processor.save_experiment("shared", record.config_json, environment=record.environment_json)
    with pytest.raises(ResumeRefused, match="base url"):
        resume(path)


def test_a_stranger_names_no_function_that_grades(
    author: tuple[Path, Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = author
    module = path.with_name("planted.py")
    module.write_text("raise SystemExit('code of a stranger ran')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(path.parent))
    mine = path.with_name("mine.db")
    with ResultsProcessor(str(path)) as processor:
        record = processor.get_experiment("shared")
        record.config_json["extra"]["grader"] = "planted:grade"
        processor.save_experiment("shared", record.config_json)
    call("import", path, "--db-path", mine)
    with ResultsProcessor(str(mine)) as processor:
        for grading in (Regrading, StoredScoring):
            with pytest.raises(UsageError, match="would run code here"):
                grading(processor, "shared")


def test_a_hostile_record_is_refused_in_words(author: tuple[Path, Endpoint]) -> None:
    path, _ = author
    with ResultsProcessor(str(path)) as processor:
        record = processor.get_experiment("shared")
    for part, value in (
        ("plan", {"version": 1}),
        ("provider", ["http://127.0.0.1:9"]),
        ("dataset", None),
        ("prompts", "all"),
        ("origin", "me"),
        ("origin", {"settings": 1, "database": "\ud800"}),
        ("packages", []),
    ):
        version = 99 if part == "packages" else 1
        environment = record.environment_json | {part: value, "plan": {"version": version}}
        with ResultsProcessor(str(path)) as processor:
            processor.save_experiment("shared", record.config_json, environment=environment)
        with pytest.raises(ResumeRefused):
            resume(path)


def test_a_hostile_configuration_is_refused_in_words(author: tuple[Path, Endpoint]) -> None:
    path, endpoint = author
    with ResultsProcessor(str(path)) as processor:
        record = processor.get_experiment("shared")
    hostile: tuple[dict[str, Any], ...] = (
        {"database": {"odd": 1}},
        {"extra": 3},
        {"approaches": 7},
    )
    for config in hostile:
        with ResultsProcessor(str(path)) as processor:
            processor.save_experiment(
                "shared", record.config_json | config, environment=record.environment_json
            )
        with pytest.raises((ResumeRefused, UsageError)):
            resume(path, **given_anew(path, endpoint))
