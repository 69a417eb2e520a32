"""Fixtures: a database with studies to look at, and the viewer of it, asked in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, ScoreRecord
from ml_agents_results.viewer.application import create_app
from ml_agents_results.viewer.store import Store
from tests.formats.writers.sample_experiments import ODD_TEXTS
from tests.generated import make_runs

TOKEN = "secret-of-this-start"
HOST = "127.0.0.1:8765"
HOSTILE = (*ODD_TEXTS, "<img src=x onerror=alert(1)>", "javascript:alert(1)", "{{ 7 * 7 }}")


def client_of(store: Store, **headers: str) -> TestClient:
    """Somebody who has the token."""
    app = create_app(store, token=TOKEN, hosts=[HOST, "localhost:8765"], author="ada")
    return TestClient(
        app,
        base_url=f"http://{HOST}",
        headers={"Authorization": f"Bearer {TOKEN}", "Origin": f"http://{HOST}", **headers},
        follow_redirects=False,
    )


@pytest.fixture(scope="module")
def study(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with exp (two tasks, two variants, a second metric), other, hostile and empty ones."""
    path = tmp_path_factory.mktemp("viewer") / "results.db"
    path.write_bytes(migrated_file.read_bytes())
    with ResultsProcessor(str(path)) as processor:
        for name, seed in (("exp", 0), ("other", 1)):
            processor.save_experiment(name, {"dataset": "made up"}, name=f"Study {name}")
            runs = make_runs(name, seed=seed, samples=30)
            for number, run in enumerate(runs):
                run.metadata_json = {"document": f"d{run.sample_index // 3}"}
                if run.error is None:
                    run.scores = [ScoreRecord(number % 7, metric="length", explanation="counted")]
            processor.save_runs(runs)
        save_hostile(processor)
        processor.save_experiment("empty", {}, status="running")
    return path


def save_hostile(processor: ResultsProcessor) -> None:
    """An experiment with hostile texts in every field that holds one."""
    bad = "".join(HOSTILE)
    processor.save_experiment(
        "odd</script><i>&?#", {"x": bad}, name=bad[:200], description=bad, environment={"y": bad}
    )
    for index, text in enumerate(HOSTILE):
        for approach in ("None", f"a{text}"):
            run = RunRecord(
                "odd</script><i>&?#",
                approach,
                index,
                provider="p<b>",
                model="m\"'>",
                task="t</title>",
                sample_id=f"s{index}{text}",
                input_text=text,
                expected_answer=text,
                raw_output=text,
                parsed_answer=text,
                reasoning_text=text,
                is_correct=index % 2 == 0,
                metadata_json={
                    "steps": [{"name": text, "prompt": text, "answer": text}],
                    "z": text,
                },
                scores=[ScoreRecord(1, "<b>", text, {"d": text}, metric="m</td>", author="<i>")],
            )
            processor.save_run(run)


@pytest.fixture(scope="module")
def store(study: Path) -> Iterator[Store]:
    database = Database(str(study))
    yield Store(database)
    database.close()


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    with client_of(store) as opened:
        yield opened
