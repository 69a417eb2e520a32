"""Runs the programs of this folder and compares their figures with the committed ones.

    make bench                                  all of them, in the sizes of docs/performance.md
    python -m benchmarks --quick                smaller sizes, in a few minutes
    python -m benchmarks saving startup         these only
    python -m benchmarks --save                 writes benchmarks/results.json, for benchmarks.page

What moved by more than 20%, as a ratio to its limit, is named. The exit code is 1 where a figure
was missed or a program failed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.figures import OUTPUT, QUICK, ROOT

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
NOT_PROGRAMS = (
    "__main__",
    "figures",
    "databases",
    "servers",
    "page",
    "viewer_servers",
)
BY_HAND = ("peers", "coverage")
"""One needs an environment of its own, the other half an hour."""
MOVED = 1.2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_PROGRAMS)
    chosen = given.programs or [name for name in names if name not in BY_HAND]
    if unknown := set(chosen) - set(names):
        parser.error(f"no program {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    failed, figures = [], {}
    for name in chosen:
        print(f"== {name}", flush=True)
        ended, found = _run(name, quick=given.quick)
        figures[name] = found
        if ended:
            failed.append(name)
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"figures": {}}
    if not given.quick:
        _compare(figures, known["figures"])
    if given.save:
        document = {**_machine(), "figures": {**known["figures"], **figures}}
        RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if failed:
        print(f"Missed a figure, or failed: {', '.join(failed)}")
    return bool(failed)


def _run(name: str, *, quick: bool) -> tuple[int, list[dict[str, Any]]]:
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        settings = {OUTPUT: output.name, **({QUICK: "1"} if quick else {})}
        ended = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            env={**os.environ, **settings},
            cwd=ROOT,
            check=False,
        )
        return ended.returncode, [json.loads(line) for line in output]


def _compare(figures: dict[str, Any], known: dict[str, Any]) -> None:
    for program, rows in figures.items():
        before = {row["name"]: row["ratio"] for row in known.get(program, ())}
        for row in rows:
            old = before.get(row["name"])
            if old and not 1 / MOVED <= row["ratio"] / old <= MOVED:
                print(f"MOVED  {row['name']}: {old:.3g} times its limit before, {row['ratio']:.3g}")


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("sqlalchemy", "pandas", "numpy", "typer")},
    }


if __name__ == "__main__":
    sys.exit(main())
