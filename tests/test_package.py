"""The public names of the package."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import ml_agents_results
from ml_agents_results import database, repositories
from tests.processes import environment


@pytest.mark.parametrize("name", ml_agents_results.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ml_agents_results, name) is not None
    assert name in dir(ml_agents_results)


@pytest.mark.parametrize("package", [database, repositories], ids=lambda package: package.__name__)
def test_models_and_repositories_are_where_callers_expect_them(package: ModuleType) -> None:
    for name in package.__all__:
        assert name in dir(package)
        assert getattr(package, name) is getattr(ml_agents_results, name, getattr(package, name))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        package.Nothing  # noqa: B018


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        ml_agents_results.Nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, ml_agents_results\n"
        "print([n for n in ('sqlalchemy', 'pandas', 'typer') if n in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert ended.stdout == "[]\n"


SOURCES = sorted(Path(ml_agents_results.__file__).parent.rglob("*.py"))


def repeated(names: list[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def test_no_two_modules_share_a_name() -> None:
    names = [path.parent.name if path.stem == "__init__" else path.stem for path in SOURCES]
    assert len(names) > 100
    assert repeated(names) == []


def test_no_two_classes_share_a_name() -> None:
    names = [
        statement.name
        for path in SOURCES
        for statement in ast.parse(path.read_text("utf-8")).body
        if isinstance(statement, ast.ClassDef)
    ]
    assert len(names) > 100
    assert repeated(names) == []
