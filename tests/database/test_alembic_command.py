"""The `alembic` command in the repository root: the guards of `db-migrate`, and its own habits."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import folder_of
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import contents
from tests.lengths import SQLITE_FIRST
from tests.processes import ROOT, Process, environment

REVISIONS = tuple(schema.revisions())


class Ended(NamedTuple):
    returncode: int | None
    stdout: str
    stderr: str


def alembic(*arguments: str, cwd: Path = ROOT, **settings: str) -> Ended:
    code = "from alembic.config import main; main(prog='alembic')"
    process = Process(code, *arguments, cwd=cwd, settings=settings)
    stdout, stderr = process.communicate()
    return Ended(process.returncode, stdout, stderr)


def alembic_of(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Alembic with the package that is in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestTheAlembicCommand:
    def test_upgrades_the_default_file_of_the_folder_it_runs_in(self, tmp_path: Path) -> None:
        # A copy of the repository: the default file must not appear in the real one.
        shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
        shutil.copy(ROOT / "alembic.ini", tmp_path)
        assert alembic("upgrade", "head", cwd=tmp_path).returncode == 0
        schema.require_current(Database(str(tmp_path / "ml_agents_results.db"), create=False))

    @pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_changes_all_or_nothing_when_it_is_stopped(self, db_path: Path, number: int) -> None:
        schema.downgrade(Database(str(db_path)), "0001", lossy=True)
        process = Process(
            "from alembic.config import main; main(prog='alembic')",
            *("-x", f"db={db_path}", "upgrade", "head"),
        )
        while (line := process.stderr.readline()) and "Running upgrade" not in line:
            pass
        process.send_signal(number)
        said = process.communicate()[1]
        # On a fast machine it may have ended.
        assert process.returncode in (0, 130 if number == signal.SIGTERM else -number)
        assert ("Interrupted." in said) == (process.returncode == 130)
        database = Database(str(db_path), create=False)
        with database.read() as connection:
            assert schema.status(connection).revision in ("0001", REVISIONS[-1])
        assert not [*db_path.parent.rglob("*.tmp")]

    @pytest.mark.parametrize("engine_name", SQLITE_FIRST)
    def test_takes_the_url_of_the_environment(self, empty_database: Database) -> None:
        url = empty_database.config.url or f"sqlite:///{empty_database.path}"
        done = alembic("upgrade", "head", ML_AGENTS_DB_URL=url)
        assert done.returncode == 0, done.stderr
        schema.require_current(empty_database)

    def test_takes_the_path_of_the_environment(self, tmp_path: Path) -> None:
        path = tmp_path / "by path.db"
        assert alembic("upgrade", "head", ML_AGENTS_DB_PATH=str(path)).returncode == 0
        schema.require_current(Database(str(path), create=False))

    def test_an_option_wins_over_the_environment(self, tmp_path: Path) -> None:
        path = tmp_path / "named.db"
        other = tmp_path / "other.db"
        done = alembic(
            "-x",
            f"url=sqlite:///{path}",
            "upgrade",
            "head",
            ML_AGENTS_DB_URL=f"sqlite:///{other}",
        )
        assert done.returncode == 0, done.stderr
        schema.require_current(Database(str(path), create=False))
        assert not other.exists()

    def test_goes_down_again(self, tmp_path: Path) -> None:
        url = f"url=sqlite:///{tmp_path / 'r.db'}"
        assert alembic("-x", url, "upgrade", "head").returncode == 0
        assert alembic("-x", url, "downgrade", "base").returncode == 0
        with Database(str(tmp_path / "r.db")).read() as connection:
            assert schema.status(connection).state == "empty"

    def test_says_which_database_which_steps_and_which_backup(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        first = alembic("-x", f"db={path}", "upgrade", "0002")
        assert f"Database {path}, schema none yet" in first.stderr
        assert "Backup" not in first.stderr
        second = alembic("-x", f"db={path}", "upgrade", "head")
        [backup] = folder_of(path).iterdir()
        assert f"Backup {backup}" in second.stderr
        assert "Running upgrade 0002 -> 0003" in second.stderr
        with Database(str(backup)).read() as connection:
            assert schema.status(connection).revision == "0002"
        assert "Backup" not in alembic("-x", f"db={path}", "upgrade", "head").stderr
        third = alembic("-x", f"db={path}", "-x", "backup=no", "downgrade", "-1")
        assert "Running downgrade" in third.stderr
        assert len(list(folder_of(path).iterdir())) == 1

    @pytest.mark.parametrize("engine_name", SQLITE_FIRST)
    def test_loses_nothing_on_the_way_down_unless_told_to(
        self, engine_name: str, database: Database
    ) -> None:
        processor = ResultsProcessor(database)
        processor.save_experiment("e", {})
        processor.save_runs(
            [
                RunRecord("e", "None", 0, task="sums", is_correct=True),
                RunRecord("e", "None", 1, task="sums", error="timeout", prompt_tokens=5),
            ]
        )
        before, experiment = contents(database), processor.get_experiment("e")
        settings: dict[str, Any] = {
            "ML_AGENTS_DB_URL": database.config.url or f"sqlite:///{database.path}"
        }
        refused = alembic("downgrade", "0001", **settings)
        assert refused.returncode == 4
        assert "task of 2 rows of runs, prompt_tokens of 1 rows of runs" in refused.stderr
        assert "alembic -x lossy=yes downgrade 0001" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert contents(database) == before
        # The steps down to 0002 drop only what the way up computes again.
        assert alembic("downgrade", "0002", **settings).returncode == 0
        assert alembic("upgrade", "head", **settings).returncode == 0
        assert contents(database)["runs"] == before["runs"]
        # The way up gives the experiment the metric of its grades.
        assert replace(processor.get_experiment("e"), metrics=experiment.metrics) == experiment
        assert alembic("-x", "lossy=yes", "downgrade", "0001", **settings).returncode == 0
        if engine_name == "sqlite":
            assert database.path is not None
            *_, backup = sorted(folder_of(database.path).glob("*-before-downgrade.db"))
            assert contents(backup)["runs"] == before["runs"]

    @pytest.mark.parametrize("command", [("current",), ("check",), ("downgrade", "-1")])
    def test_creates_nothing_unless_it_upgrades(
        self, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        path = tmp_path / "r.db"
        done = alembic("-x", f"db={path}", *command)
        assert done.returncode == 3
        assert done.stderr.startswith(f"Error: there is no database at {path}\nHint: ")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("engine_name", SQLITE_FIRST)
    def test_checks_that_models_and_tables_agree(self, database: Database) -> None:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE notes_of_another (id INTEGER)"))
        url = database.config.url or f"sqlite:///{database.path}"
        done = alembic("check", ML_AGENTS_DB_URL=url)
        assert done.returncode == 0, done.stderr
        assert "No new upgrade operations detected" in done.stdout
        assert alembic("current", ML_AGENTS_DB_URL=url).stdout == f"{REVISIONS[-1]} (head)\n"

    @pytest.mark.slow
    def test_writes_a_script_that_runs(self, tmp_path: Path) -> None:
        for name in ("alembic", "ml_agents_results"):
            shutil.copytree(ROOT / name, tmp_path / name)
        shutil.copy(ROOT / "alembic.ini", tmp_path)
        models = tmp_path / "ml_agents_results" / "database" / "models.py"
        models.write_text(
            models.read_text().replace(
                "    prompt_tokens: Mapped[int | None]\n",
                "    prompt_tokens: Mapped[int | None]\n    extra_text: Mapped[str | None]\n"
                "    extra_number: Mapped[float | None]\n"
                "    extra_json: Mapped[dict[str, Any] | None]\n"
                "    extra_time: Mapped[datetime | None]\n",
            )
        )
        assert alembic_of(tmp_path, "upgrade", "head").returncode == 0
        done = alembic_of(tmp_path, "revision", "--autogenerate", "-m", "Extra columns")
        assert done.returncode == 0, done.stderr
        number = f"{int(REVISIONS[-1]) + 1:04d}"
        script = tmp_path / "alembic" / "versions" / f"{number}_extra_columns.py"
        assert f'down_revision: str | None = "{REVISIONS[-1]}"' in script.read_text()
        assert "ml_agents_results" not in script.read_text()
        for command in (("upgrade", "head"), ("check",), ("downgrade", "-1"), ("upgrade", "head")):
            done = alembic_of(tmp_path, *command)
            assert done.returncode == 0, done.stderr
        empty = alembic_of(tmp_path, "revision", "-m", "By hand")
        assert empty.returncode == 0, empty.stderr
        assert (script.parent / f"{int(number) + 1:04d}_by_hand.py").exists()

    def test_knows_its_own_options_only(self, tmp_path: Path) -> None:
        done = alembic("-x", "dbb=r.db", "upgrade", "head", cwd=ROOT)
        assert done.returncode == 2
        assert "-x dbb is not an option" in done.stderr

    def test_names_a_damaged_file_and_leaves_it(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        path.write_bytes(b"SQLite format 3\x00" + b"\xa5" * 5000)
        done = alembic("-x", f"db={path}", "upgrade", "head")
        assert done.returncode == 4
        assert "Error: " in done.stderr
        assert "Traceback" not in done.stderr
        assert path.read_bytes() == b"SQLite format 3\x00" + b"\xa5" * 5000

    @pytest.mark.parametrize(
        ("tables", "words"),
        [
            ("CREATE TABLE customers (id INTEGER)", "another database with -x db=FILE_OR_URL"),
            (
                "CREATE TABLE experiments (id TEXT); CREATE TABLE runs (id TEXT)",
                "no schema version",
            ),
            (
                "CREATE TABLE alembic_version (version_num TEXT); CREATE TABLE experiments (id);"
                "CREATE TABLE runs (id); INSERT INTO alembic_version VALUES ('9999')",
                "newer version",
            ),
        ],
    )
    def test_leaves_what_is_not_ours_alone(self, tmp_path: Path, tables: str, words: str) -> None:
        path = tmp_path / "theirs.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(tables)
            before = list(connection.iterdump())
        done = alembic("-x", f"url=sqlite:///{path}", "upgrade", "head")
        assert done.returncode != 0
        assert words in done.stderr
        assert "Hint: " in done.stderr
        assert "--db-path." not in done.stderr
        assert "Traceback" not in done.stderr
        with closing(sqlite3.connect(path)) as connection:
            assert list(connection.iterdump()) == before
