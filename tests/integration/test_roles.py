"""docs/roles.sql: what a writer and a reader of a PostgreSQL database can do, and cannot."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DatabaseError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.viewer.store import Store
from tests.commands import call, contents, document, refusal
from tests.databases import Server
from tests.endpoint import Endpoint
from tests.viewer.conftest import client_of

SCRIPT = Path(__file__).parents[2] / "docs" / "roles.sql"


@dataclass
class Users:
    owner: Database
    writer: str
    reader: str


@pytest.fixture
def users(postgres: Server, postgresql_database: Database) -> Iterator[Users]:
    """The script was run, and one user has each role."""
    database = postgresql_database
    # Roles belong to the server, which other tests may share.
    prefix = f"t{uuid.uuid4().hex[:8]}_"
    script = SCRIPT.read_text(encoding="utf-8").replace("ml_agents_", prefix)
    roles = (f"{prefix}writer", f"{prefix}reader")
    with database.write() as connection:
        for statement in script.split(";"):
            if statement.strip():
                connection.execute(text(statement))
        for role in roles:
            connection.execute(text(f"CREATE ROLE {role}_user LOGIN IN ROLE {role}"))
    urls = [
        database.url.set(username=f"{role}_user").render_as_string(hide_password=False)
        for role in roles
    ]
    yield Users(database, *urls)
    with database.write() as connection:
        for role in roles:
            for name in (f"{role}_user", role):
                connection.execute(text(f"DROP OWNED BY {name}"))
                connection.execute(text(f"DROP ROLE {name}"))


def runs(approach: str) -> list[RunRecord]:
    return [
        RunRecord(
            "e",
            approach,
            n,
            raw_output="x",
            is_correct=n % 3 > 0,
            parsing_metrics=ParsingMetrics(1, False, 0.5),
        )
        for n in range(120)
    ]


def test_a_writer_records_imports_and_resumes(users: Users, tmp_path: Path) -> None:
    processor = ResultsProcessor(users.writer)
    processor.save_experiment("e", {})
    processor.save_runs(runs("None"))
    processor.save_runs(runs("None"))
    processor.close()
    file = tmp_path / "runs.jsonl"
    rows = [{"approach_name": "CoT", "sample_index": n, "is_correct": True} for n in range(120)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    call("import", file, "--db-url", users.writer, "--experiment-id", "imported")
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"input": "2+2?", "target": "4"}\n' * 3, encoding="utf-8")
    with Endpoint("The answer is 4.") as endpoint:
        call(
            "run", "--db-url", users.writer, "--experiment-id", "asked", "--dataset", questions,
            "--approach", "None", "--model", "m", "--base-url", endpoint.url,
            "--output-dir", tmp_path / "out",
        )  # fmt: skip
    for grader in ("number,relative=0.01", "number,relative=0.5"):
        call(
            "score", "--experiment-id", "asked", "--grader", grader, "--name", "close",
            "--force", "--db-url", users.writer,
        )  # fmt: skip
    found = document("list", "--db-url", users.writer)["experiments"]
    assert {one["id"]: one["runs"] for one in found} == {"e": 120, "imported": 120, "asked": 3}


def test_a_large_import_renews_what_the_planner_knows(users: Users, tmp_path: Path) -> None:
    """Only the owner of a table may: for a writer it is left to autovacuum."""
    file = tmp_path / "runs.csv"
    file.write_text("approach_name,correct\n" + "CoT,1\n" * 1200, encoding="utf-8")
    call("import", file, "--db-url", users.writer, "--experiment-id", "of the writer")
    owner = users.owner.url.render_as_string(hide_password=False)
    call("import", file, "--db-url", owner, "--experiment-id", "of the owner")
    with users.owner.read() as connection:
        known = connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'runs'"))
    assert known == 2400


def test_a_writer_deletes_nothing(users: Users) -> None:
    ResultsProcessor(users.owner).save_experiment("e", {})
    message, hint = refusal(
        "delete", "--experiment-id", "e", "--yes", "--db-url", users.writer, code=4
    )
    assert "permission denied" in message
    assert "docs/scaling.md" in hint
    for statement in ("DROP TABLE runs", "CREATE TABLE mine (id int)", "DELETE FROM runs"):
        with (
            pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
            Database(users.writer).write() as connection,
        ):
            connection.execute(text(statement))


def test_a_reader_analyses_and_exports(users: Users, tmp_path: Path) -> None:
    processor = ResultsProcessor(users.owner)
    processor.save_experiment("e", {})
    processor.save_runs([*runs("None"), *runs("ChainOfThought")])
    url = ("--db-url", users.reader)
    assert document("compare", "--experiment-ids", "e", *url)["comparisons"][0]["samples"] == 120
    for report in ("summary", "parsing", "cost", "latency", "failures"):
        document("analyze", "--experiment-id", "e", "--report-type", report, *url)
    call("export", "--experiment-id", "e", "--output", tmp_path / "e.xlsx", *url)
    call("export", "--experiment-id", "e", "--output", tmp_path / "e.jsonl", *url)
    call("db-check", *url)


@pytest.mark.parametrize(
    "command",
    [
        ("import", "{file}", "--experiment-id", "new"),
        ("import", "{file}", "--experiment-id", "e"),
        ("delete", "--experiment-id", "e", "--yes"),
    ],
    ids=lambda command: " ".join(command[:1]),
)
def test_a_reader_writes_nothing(users: Users, tmp_path: Path, command: tuple[str, ...]) -> None:
    processor = ResultsProcessor(users.owner)
    processor.save_experiment("e", {})
    processor.save_runs(runs("None"))
    before = contents(users.owner)
    file = tmp_path / "runs.jsonl"
    file.write_text('{"approach_name": "CoT", "sample_index": 0}\n', encoding="utf-8")
    arguments = [part.format(file=file) for part in command]
    message, _ = refusal(*arguments, "--db-url", users.reader, code=4)
    assert "permission denied" in message
    assert contents(users.owner) == before


def test_a_reader_cannot_save_a_run(users: Users) -> None:
    ResultsProcessor(users.owner).save_experiment("e", {})
    with pytest.raises(DatabaseError, match="permission denied"):
        ResultsProcessor(users.reader).save_run(RunRecord("e", "None", 0))


def test_a_reader_views_and_grades_nothing(users: Users) -> None:
    processor = ResultsProcessor(users.writer)
    processor.save_experiment("e", {})
    processor.save_runs([*runs("None"), *runs("CoT")])
    processor.close()
    reading, writing = (Store(Database(url)) for url in (users.reader, users.writer))
    assert reading.read_only
    assert not writing.read_only
    with client_of(reading) as client:
        for url in (
            "/",
            "/experiment?id=e",
            "/experiment?id=e&part=failures",
            "/runs?experiment=e&sort=-time",
            "/sample?experiment=e&task=&index=3",
            "/compare?experiment=e",
            "/queues?experiment=e",
        ):
            assert client.get(url).status_code == 200, url
        assert client.post("/grade", json={}).status_code == 404
    with client_of(writing) as client:
        drawn = client.post("/queues", json={"experiment": "e", "size": 5, "author": "ada"})
        assert drawn.status_code == 200, drawn.text
        grade = {"queue": drawn.json()["queue"], "at": 1, "author": "ada", "value": 1}
        assert client.post("/grade", json=grade).json()["label"] == "correct"
        assert client.post("/grade", json={**grade, "undo": True}).json()["label"] is None
    for store in (reading, writing):
        store.database.close()
