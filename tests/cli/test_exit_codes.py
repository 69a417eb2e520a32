"""Exit codes: one table of commands in every state of a database, and what they end with."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call, refusal

TABLE = """
0  list --db-path good.db
0  show --experiment-id latest --db-path good.db
0  show --experiment-id one --run r0 --db-path good.db
0  analyze --experiment-id one --db-path good.db
0  compare --experiment-ids one,two --db-path good.db
0  export --experiment-id one --output one.json --db-path good.db
0  db-check --db-path good.db
0  db-init --db-path good.db
0  db-migrate --db-path good.db
0  db-migrate --db-path old.db
0  db-backup --source good.db --dest copy.db
0  db-backup --source damaged.db --dest copy.db
0  --help
0  compare --help

1  compare --experiment-ids one --db-path good.db
1  compare --experiment-ids one,two --task no-such --db-path good.db
1  export --experiment-id one --output taken.json --db-path good.db
1  compare --experiment-ids one,two --output taken.json --db-path good.db
1  db-backup --source good.db --dest taken.json
1  db-backup --source good.db --dest no/such/folder.db
1  db-restore --source good.db --db-path taken.json
1  db-repair --source good.db --dest taken.json
1  import text.txt --db-path good.db
1  import twice.jsonl --db-path good.db
1  resume --experiment-id one --db-path good.db

2  no-such-command
2  list --no-such-option
2  list --limit many --db-path good.db
2  show --db-path good.db
2  show --experiment-id one,two --db-path good.db
2  show --experiment-id one --run r0 --sample 0 --db-path good.db
2  analyze --experiment-id one --report-type no-such --db-path good.db
2  analyze --experiment-id one --baseline CoT --db-path good.db
2  analyze --experiment-id one --confidence 95 --db-path good.db
2  compare --experiment-ids one,two --correction no-such --db-path good.db
2  compare --experiment-ids one,two --margin 2 --db-path good.db
2  compare --experiment-ids one,two --cluster no-such --db-path good.db
2  compare --experiment-ids one,two --output file.no-such --db-path good.db
2  export --output one.json --db-path good.db
2  export --experiment-id one --format no-such --output one.x --db-path good.db
2  import twice.jsonl --map raw_output --db-path good.db
2  import twice.jsonl --format no-such --db-path good.db
2  list --db-path good.db --db-url sqlite:///good.db
2  list --db-url no-such://host/name
2  delete --experiment-id one --db-path good.db
2  grade --experiment-id one --run-id r0 --db-path good.db
2  run --no-save-to-db --db-path good.db
2  run --samples 0 --db-path good.db

3  import none.jsonl --db-path good.db
3  list --db-path none.db
3  show --experiment-id no-such --db-path good.db
3  show --experiment-id o --run no-such --db-path good.db
3  show --experiment-id one --sample 99 --db-path good.db
3  analyze --experiment-id no-such --db-path good.db
3  compare --experiment-ids one,no-such --db-path good.db
3  export --experiment-id no-such --output one.json --db-path good.db
3  delete --experiment-id no-such --yes --db-path good.db
3  grade --experiment-id no-such --db-path good.db
3  score --experiment-id no-such --db-path good.db
3  grade --experiment-id one --run-id no-such --answer 4 --db-path good.db
3  resume --experiment-id no-such --db-path good.db
3  db-check --db-path none.db
3  db-stats --db-path none.db
3  db-migrate --db-path none.db
3  db-backup --source none.db --dest copy.db
3  db-restore --source none.db --db-path new.db
3  db-repair --source none.db --dest new.db

4  list --db-path old.db
4  analyze --experiment-id one --db-path old.db
4  import twice.jsonl --db-path old.db
4  list --db-path newer.db
4  db-migrate --db-path newer.db
4  list --db-path foreign.db
4  db-init --db-path foreign.db
4  db-migrate --db-path foreign.db
4  list --db-path text.txt
4  db-check --db-path text.txt
4  db-check --db-path damaged.db
4  db-backup --source damaged.db --dest copy.db --verify
4  list --db-path folder
4  list --db-path empty.db

5  run --samples 1 --provider openai --model m --base-url http://127.0.0.1:9 --max-retries 0
"""
CASES = [(int(line.split()[0]), line[3:]) for line in TABLE.splitlines() if line]


@pytest.fixture(scope="module")
def states(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database in each state."""
    folder = tmp_path_factory.mktemp("states")
    good = Path(shutil.copyfile(migrated_file, folder / "good.db"))
    with ResultsProcessor(str(good)) as processor:
        for name in ("one", "two"):
            processor.save_experiment(name, {})
            for index in range(4):
                id = f"r{index}" if name == "one" else None
                run = RunRecord(name, "None", index, id=id, raw_output="4", is_correct=index > 0)
                processor.save_run(run)
    for name, statement in (
        ("newer", "UPDATE alembic_version SET version_num = '9999'"),
        ("damaged", "UPDATE runs SET raw_output = '5' WHERE id = 'r0'"),
    ):
        with closing(sqlite3.connect(shutil.copyfile(good, folder / f"{name}.db"))) as connection:
            connection.execute(statement)
            connection.commit()
    with closing(sqlite3.connect(folder / "foreign.db")) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    old = Database(str(folder / "old.db"))
    schema.upgrade(old, schema.revisions()[0])
    old.close()
    (folder / "empty.db").touch()
    (folder / "folder").mkdir()
    (folder / "text.txt").write_text("Some text that is long enough to be read as something.")
    (folder / "taken.json").write_text("mine")
    (folder / "twice.jsonl").write_text('{"approach_name": "None", "sample_index": 0}\n' * 2)
    return folder


@pytest.mark.parametrize(("code", "command"), CASES, ids=[line for _, line in CASES])
def test_commands_end_with_the_documented_code(
    code: int, command: str, states: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(states, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "no-key")
    if code in (1, 2, 3):
        refusal(*command.split(), code=code)
    else:
        call(*command.split(), code=code)
    assert (tmp_path / "taken.json").read_text() == "mine"
