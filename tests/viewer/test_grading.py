"""Grading: queues, several people, blindness, undo, and what is stored."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, ScoreRecord
from ml_agents_results.repositories.queue_repository import QueueRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.viewer.application import create_app
from ml_agents_results.viewer.store import Store
from tests.viewer.conftest import HOST, client_of

MARKERS = ("ZZapproach", "ZZprovider", "ZZmodel", "ZZjudge", "ZZstep", "0.0717", "71717")


@pytest.fixture
def graded(migrated_file: Path, tmp_path: Path) -> Iterator[tuple[TestClient, Database]]:
    """An experiment whose every hidden field holds a word that is easy to find."""
    path = copyfile(migrated_file, tmp_path / "results.db")
    with ResultsProcessor(str(path)) as processor:
        processor.save_experiment("blind", {})
        for index in range(20):
            run = RunRecord(
                "blind",
                "ZZapproach",
                index,
                provider="ZZprovider",
                model="ZZmodel",
                input_text=f"question {index}",
                raw_output=f"output {index}",
                is_correct=index % 2 == 0,
                execution_time_ms=71717,
                cost_estimate=0.0717,
                metadata_json={"steps": [{"name": "ZZstep"}, {"name": "ZZstep"}]},
                scores=[ScoreRecord(1, "ZZjudge", metric="judge", author="ZZjudge")],
            )
            processor.save_run(run)
    database = Database(str(path))
    with client_of(Store(database)) as client:
        yield client, database
    database.close()


def draw(client: TestClient, **settings: Any) -> int:
    body = {"experiment": "blind", "size": 5, "blind": True, "author": "ada", **settings}
    answer = client.post("/queues", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["queue"])


def grade(client: TestClient, queue: int, at: int, **said: Any) -> dict[str, Any]:
    answer = client.post("/grade", json={"queue": queue, "at": at, "author": "ada", **said})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def labels(database: Database) -> list[tuple[str, ScoreRecord]]:
    with database.read() as connection:
        scores = ScoreRepository(connection).list("blind")
        return [(run, score) for run, score in scores if score.metric == "human"]


def test_labels_are_scores_of_their_author_and_name_their_draw(
    graded: tuple[TestClient, Database],
) -> None:
    client, database = graded
    queue = draw(client, seed=7)
    grade(client, queue, 1, value=1, note="fine", tags=["clear", " ", "clear"], seconds=2.5)
    grade(client, queue, 2, value=0, author="bob")
    grade(client, queue, 3, value=None)
    stored = {score.author: score for _, score in labels(database) if score.value is not None}
    assert stored["ada"].explanation == "fine"
    assert stored["ada"].label == "correct"
    assert stored["ada"].details_json == {
        "queue": {
            "name": "human-1",
            "position": 0,
            "seed": 7,
            "size": 5,
            "population": 20,
            "filters": {},
        },
        "blind": True,
        "tags": ["clear"],
        "seconds": 2.5,
    }
    assert stored["bob"].value == 0
    assert {score.label for _, score in labels(database)} == {"correct", "wrong", "cannot tell"}


def test_the_same_seed_draws_the_same_runs(graded: tuple[TestClient, Database]) -> None:
    client, database = graded
    queues = [draw(client, seed=seed) for seed in (3, 3, 4)]
    assert queues == sorted(set(queues))
    with database.read() as connection:
        repository = QueueRepository(connection, "blind")
        one, same, other = (
            [queued.run_id for queued in repository.runs(queue.name)] for queue in repository.list()
        )
    assert one == same != other


def test_nothing_hidden_is_in_any_page_before_the_grade(
    graded: tuple[TestClient, Database],
) -> None:
    client, _ = graded
    queue = draw(client)
    page = client.get(f"/grade?queue={queue}&at=1&author=ada").text
    assert "question" in page
    assert not [marker for marker in MARKERS if marker in page]
    behind = grade(client, queue, 1, value=1)["behind"]
    assert behind["variant"] == "ZZapproach / ZZprovider / ZZmodel"
    assert behind["judge by ZZjudge"] == "ZZjudge"
    assert "ZZmodel" in client.get(f"/grade?queue={queue}&at=1&author=ada").text
    # What others say stays hidden from who has not graded yet.
    assert "ZZmodel" not in client.get(f"/grade?queue={queue}&at=1&author=bob").text
    assert grade(client, queue, 1, value=0)["label"] == "wrong"


def test_grading_again_is_not_blind_and_undo_takes_it_back(
    graded: tuple[TestClient, Database],
) -> None:
    client, database = graded
    queue = draw(client)
    first = grade(client, queue, 1, value=1)
    again = grade(client, queue, 1, value=0, known=first["known"])
    assert again["replaced"] is None
    [(_, score)] = labels(database)
    assert score.details_json is not None
    assert score.details_json["blind"] is False
    assert score.details_json["history"][0]["value"] == 1
    assert grade(client, queue, 1, undo=True)["label"] is None
    assert labels(database) == []


def test_a_second_tab_is_told_what_it_replaced(graded: tuple[TestClient, Database]) -> None:
    client, _ = graded
    queue = draw(client)
    grade(client, queue, 1, value=1)
    assert grade(client, queue, 1, value=0, known=None)["replaced"] == "correct"


def test_the_queue_goes_on_where_each_person_stopped(graded: tuple[TestClient, Database]) -> None:
    client, _ = graded
    queue = draw(client)
    grade(client, queue, 1, value=1)
    assert "<h1>2 of 5</h1>" in client.get(f"/grade?queue={queue}&author=ada").text
    assert "<h1>1 of 5</h1>" in client.get(f"/grade?queue={queue}&author=bob").text
    assert "ada 1" in client.get("/queues?experiment=blind").text


def test_what_cannot_be_stored_is_refused(graded: tuple[TestClient, Database]) -> None:
    client, _ = graded
    queue = draw(client)
    numbers = draw(client, metric="points", scale="1-10")
    for body, code in (
        ({"queue": queue, "at": 1, "author": " ", "value": 1}, 400),
        ({"queue": queue, "at": 1, "author": "ada", "value": 0.5}, 400),
        ({"queue": queue, "at": 9, "author": "ada", "value": 1}, 404),
        ({"queue": queue, "at": 1, "author": "ada", "value": "x"}, 400),
        ({"queue": numbers, "at": 1, "author": "ada", "value": 11}, 400),
        ({"queue": 999, "at": 1, "author": "ada", "value": 1}, 404),
        ({"queue": queue, "at": 1, "author": "ada", "value": 1, "note": "a" * 10_001}, 400),
    ):
        answer = client.post("/grade", json=body)
        assert answer.status_code == code, body
        assert answer.json()["error"]
    for settings in ({"size": 0}, {"scale": "x"}, {"experiment": "nothing"}):
        body = {"experiment": "blind", "size": 5, **settings}
        assert client.post("/queues", json=body).status_code in (400, 404)
    assert grade(client, numbers, 1, value=7.5)["value"] == 7.5


def test_a_deleted_run_is_said(graded: tuple[TestClient, Database]) -> None:
    client, database = graded
    queue = draw(client, size=20)
    with ResultsProcessor(str(database.path)) as processor:
        for run in list(processor.iter_runs(["blind"])):
            processor.delete_run(run.id or "")
    assert "deleted meanwhile" in client.get(f"/grade?queue={queue}&at=1").text
    assert client.get(f"/grade?queue={queue}").status_code == 404
    body = {"queue": queue, "at": 1, "author": "ada", "value": 1}
    assert client.post("/grade", json=body).status_code == 404


def test_agreement_stands_next_to_the_queues(graded: tuple[TestClient, Database]) -> None:
    client, _ = graded
    queue = draw(client, size=10)
    for at in range(1, 11):
        grade(client, queue, at, value=at % 2)
        grade(client, queue, at, value=at % 2 if at < 9 else 1, author="bob")
    page = client.get("/queues?experiment=blind").text
    assert "Agreement of" in page
    assert "90.0% of 10 runs" in page
    assert "human@ada" in page
    assert "human@bob" in page


def test_a_list_that_was_selected_can_be_graded_and_says_so(
    graded: tuple[TestClient, Database],
) -> None:
    client, database = graded
    page = client.get("/runs?experiment=blind&outcome=wrong").text
    url = unescape(re.search(r'href="([^"]+)">Grade these', page)[1])  # type: ignore[index]
    assert "they were selected" in client.get(url).text
    assert client.get(f"/queues?queue={draw(client)}").status_code == 200
    selection = parse_qs(urlsplit(url).query)["list"][0]
    queue = draw(client, list=selection, size=50)
    assert grade(client, queue, 1, value=0)["label"] == "wrong"
    with database.read() as connection:
        kept = QueueRepository(connection, "blind").list()[-1]
    assert (kept.size, kept.population, kept.filters) == (10, None, {"list": "outcome=wrong"})
    refused = {"experiment": "blind", "list": "outcome=failed", "author": "ada"}
    assert client.post("/queues", json=refused).status_code == 400


def test_annotators_grade_under_their_own_names(graded: tuple[TestClient, Database]) -> None:
    client, database = graded
    queue = draw(client)
    people = {"bobs token": "bob", "evas token": "eva"}
    app = create_app(Store(database), token="t", hosts=[HOST], author="ada", annotators=people)
    for token, name in {"t": "ada", **people}.items():
        headers = {"Authorization": f"Bearer {token}", "Origin": f"http://{HOST}"}
        with TestClient(app, base_url=f"http://{HOST}", headers=headers) as person:
            grade(person, queue, 1, value=1, author="somebody else")
            assert f"You are {name}<" in person.get(f"/grade?queue={queue}&author=x").text
    assert sorted(score.author for _, score in labels(database)) == ["ada", "bob", "eva"]
