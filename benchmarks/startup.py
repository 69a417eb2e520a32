"""How long commands take to start, and what an installation takes.

    python -m benchmarks startup

Commands run in processes of their own, in turns with what they cannot do without: the interpreter,
or the import of SQLAlchemy's models; Python keeps their bytecode, as pip does where it installs
them. The size is that of the wheels of the core, each unpacked.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from benchmarks.databases import database
from benchmarks.figures import BUILD, Figure, Times, report, together

ROUNDS = 11
MS = 1000


def running(*arguments: str, **settings: str) -> Callable[[], object]:
    bytecode = {"PYTHONPYCACHEPREFIX": str(BUILD / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    surroundings = {**os.environ, **bytecode, **settings}
    return lambda: subprocess.run(arguments, check=True, capture_output=True, env=surroundings)


def completing(command: str, *words: str) -> Callable[[], object]:
    """What bash asks for behind the last of the words."""
    return running(
        command,
        _ML_AGENTS_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(("ml-agents", *words)),
        COMP_CWORD=str(len(words)),
    )


def more(name: str, ours: Times, limit: Times, limit_name: str, allowed: float) -> Figure:
    """A figure in ms whose goal is `allowed` seconds over its limit."""
    low = limit.median()
    return Figure(
        name,
        ours.median() * MS,
        "ms",
        low * MS,
        f"{limit_name}; +{allowed * MS:.0f} ms allowed",
        at_most=(low + allowed) / low,
        spread=ours.spread() * MS,
    )


def installed() -> None:
    """Prints the size of the core, package by package, and of all."""
    sizes: dict[str, int] = {}
    wanted = ["ml-agents-results"]
    while wanted:
        name = wanted.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        if package.name in sizes:
            continue
        files = [Path(str(file.locate())) for file in package.files or ()]
        sizes[package.name] = sum(file.stat().st_size for file in files if file.is_file())
        for required in package.requires or ():
            if "extra ==" not in required and "platform_system ==" not in required:
                wanted.append(re.split(r"[\s;<>=!\[(~]", required, maxsplit=1)[0])
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
        print(f"       {name:<24} {size / 2**20:6.1f} MiB")
    print(f"       the core, {len(sizes)} packages     {sum(sizes.values()) / 2**20:6.1f} MiB")


def main() -> int:
    python = sys.executable
    command = str(Path(python).with_name("ml-agents"))
    path = str(database(2000, experiments=1000, text=200))
    bare, helped, version, names, options = together(
        running(python, "-c", "pass"),
        running(command, "--help"),
        running(command, "--version"),
        completing(command, "com"),
        completing(command, "compare", "--ba"),
        rounds=ROUNDS,
    )
    models, listed, shown = together(
        running(python, "-c", "import sqlalchemy.orm"),
        running(command, "list", "--db-path", path),
        running(command, "show", "--experiment-id", "e007", "--db-path", path),
        rounds=ROUNDS,
    )
    orm = "import sqlalchemy.orm"
    missed = report(
        [
            more("ml-agents --help", helped, bare, "python -c pass", 0.12),
            more("ml-agents --version", version, bare, "python -c pass", 0.12),
            more("completion of a command", names, bare, "python -c pass", 0.12),
            more("completion of an option", options, bare, "python -c pass", 0.12),
            more("list, 1,000 experiments", listed, models, orm, 0.15),
            more("show, 1,000 experiments", shown, models, orm, 0.15),
        ]
    )
    installed()
    return missed


if __name__ == "__main__":
    sys.exit(main())
