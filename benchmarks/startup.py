"""How long commands take to start, and what an installation takes.

Commands run in processes of their own, in turns with what they cannot do without: the interpreter,
or the import of SQLAlchemy's models; Python keeps their bytecode, as pip does where it installs
them.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from benchmarks.databases import database
from benchmarks.harness import BUILD, Measured, in_turns

ROUNDS = 11


def commands(_folder: Path) -> Iterator[Measured]:
    command, path = str(Path(sys.executable).with_name("ml-agents")), str(_many_experiments())
    bare, *ours = in_turns(
        _running(sys.executable, "-c", "pass"),
        _running(command, "--help"),
        _running(command, "--version"),
        _completing(command, "com"),
        _completing(command, "compare", "--ba"),
        rounds=ROUNDS,
    )
    names = ("ml-agents --help", "ml-agents --version", "completion of a command")
    for name, times in zip((*names, "completion of an option"), ours, strict=True):
        yield Measured(name, times, bare)
    models, *ours = in_turns(
        _running(sys.executable, "-c", "import sqlalchemy.orm"),
        _running(command, "list", "--db-path", path),
        _running(command, "show", "--experiment-id", "e007", "--db-path", path),
        rounds=ROUNDS,
    )
    for name, times in zip(("list", "show"), ours, strict=True):
        yield Measured(f"{name}, 1,000 experiments", times, models)


def _many_experiments() -> Path:
    return database(2000, experiments=1000, text=200)


def _running(*arguments: str, **settings: str) -> Callable[[], object]:
    bytecode = {"PYTHONPYCACHEPREFIX": str(BUILD / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    environment = {**os.environ, **bytecode, **settings}
    return lambda: subprocess.run(arguments, check=True, capture_output=True, env=environment)


def _completing(command: str, *words: str) -> Callable[[], object]:
    """What bash asks for behind the last of the words."""
    return _running(
        command,
        _ML_AGENTS_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(("ml-agents", *words)),
        COMP_CWORD=str(len(words)),
    )


def installation(_folder: Path) -> Iterator[Measured]:
    """The files of the core and of all that it needs."""
    sizes: dict[str, float] = {}
    wanted = ["ml-agents-results"]
    while wanted:
        try:
            package = distribution(wanted.pop())
        except PackageNotFoundError:  # Of another system.
            continue
        if package.name not in sizes:
            files = [Path(str(file.locate())) for file in package.files or ()]
            files = [file for file in files if file.is_file() and file.suffix != ".pyc"]
            sizes[package.name] = sum(file.stat().st_size for file in files) / 2**20
            required = [text for text in package.requires or () if "extra ==" not in text]
            wanted += [re.split(r"[\s;<>=!\[(~]", text, maxsplit=1)[0] for text in required]
    scientific = sum(sizes[name] for name in ("scipy", "numpy", "pandas"))
    yield Measured(f"the core, {len(sizes)} packages installed", sum(sizes.values()), scientific)
