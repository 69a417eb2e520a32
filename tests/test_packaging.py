"""The wheel works by itself: outside the repository, with nothing but what it declares."""

import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.processes import ROOT, environment

pytestmark = pytest.mark.slow

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="needs the build backend hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [
            *(*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(folder), str(ROOT)),
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert built.returncode == 0, built.stderr
    [file] = folder.glob("*.whl")
    return file


def declared(requirements: list[str] | None, seen: dict[str, Distribution]) -> None:
    """Collects what is required, and what that requires, of what is installed here."""
    for line in requirements or []:
        requirement = Requirement(line)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen[name] = distribution(requirement.name)
        declared(seen[name].requires, seen)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and links to what it declares."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [*PIP, "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)],
        check=True,
        env=environment(),
        cwd=folder,
    )
    [packages] = folder.glob("lib/python*/site-packages")
    [info] = packages.glob("ml_agents_results-*.dist-info")
    found: dict[str, Distribution] = {}
    declared(Distribution.at(info).requires, found)
    for each in found.values():
        top = {file.parts[0] for file in each.files or [] if file.parts[0] != ".."}
        for name in top - {"__pycache__"}:
            (packages / name).symlink_to(Path(str(each.locate_file(name))).absolute())
    return python.parent


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    settings = environment()
    # Nothing of the repository may be found by chance.
    del settings["PYTHONPATH"]
    return subprocess.run(
        list(map(str, command)), env=settings, capture_output=True, text=True, timeout=60
    )


def test_the_wheel_carries_migrations_and_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    scripts = {path.name for path in (ROOT / "alembic" / "versions").glob("*.py")}
    carried = {Path(name).name for name in names if "/_alembic/versions/" in name}
    assert scripts == {name for name in carried if name.endswith(".py")}
    assert "ml_agents_results/py.typed" in names
    assert "ml_agents_results/_alembic/env.py" in names
    assert not [name for name in names if "tests" in Path(name).parts or "__pycache__" in name]
    assert [name for name in names if name.endswith("/licenses/LICENSE")]


def test_a_database_is_made_and_filled_elsewhere(installed: Path, outside: Path) -> None:
    made = run(installed / "ml-agents", "db-init", "--db-path", "r.db")
    assert made.returncode == 0, made.stderr
    code = (
        "import ml_agents_results as m, sys; "
        "p = m.ResultsProcessor('r.db'); p.save_experiment('e', {}); "
        "p.save_run(m.RunRecord('e', 'CoT', 0, is_correct=True)); "
        "p.save_run(m.RunRecord('e', 'None', 0, is_correct=True)); "
        "print(m.__file__, m.__version__, len(p.compare_approaches(['e'])))"
    )
    done = run(installed / "python", "-c", code)
    assert done.returncode == 0, done.stderr
    file, version, rows = done.stdout.split()
    assert Path(file).is_relative_to(installed.parent)
    assert version[0].isdigit()
    assert rows == "2"
    with closing(sqlite3.connect("r.db")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM runs").fetchone() == (2,)


def test_every_command_can_be_asked_for_help(installed: Path, outside: Path) -> None:
    """Its imports are those that the wheel declares; an extra's package is missing at most."""
    listed = run(installed / "ml-agents", "--help")
    assert listed.returncode == 0, listed.stderr
    code = (
        "import importlib, pkgutil, re, ml_agents_results as m\n"
        "from importlib.metadata import requires\n"
        "lines = [line for line in requires('ml-agents-results') if 'extra ==' in line]\n"
        "extras = {re.split('[^a-z0-9-]', line)[0].replace('-', '_') for line in lines}\n"
        "for found in pkgutil.walk_packages(m.__path__, 'ml_agents_results.'):\n"
        "    if '_alembic' not in found.name and not found.name.endswith('__main__'):\n"
        "        try:\n"
        "            importlib.import_module(found.name)\n"
        "        except ModuleNotFoundError as error:\n"
        "            if error.name.split('.')[0] not in extras:\n"
        "                raise\n"
    )
    imported = run(installed / "python", "-c", code)
    assert imported.returncode == 0, imported.stderr
    assert list(outside.iterdir()) == []


def test_type_checkers_see_its_types(installed: Path, outside: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy")
    (outside / "user.py").write_text(
        "from ml_agents_results import RunRecord, StandardResponse\n"
        "reveal_type(RunRecord('e', 'None', 0).sample_index)\n"
        "RunRecord('e', 'None', sample_index='0')\n",
        encoding="utf-8",
    )
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull),
            *("--python-executable", str(installed / "python"), "user.py"),
        ],
        env={name: value for name, value in environment().items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert 'Revealed type is "int"' in checked.stdout.replace("builtins.", ""), checked.stdout
    assert 'has incompatible type "str"; expected "int"' in checked.stdout
    assert "missing library stubs or py.typed" not in checked.stdout
