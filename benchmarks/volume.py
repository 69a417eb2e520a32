"""How the cost of saving, importing and exporting grows with the runs.

    python -m benchmarks volume

Files of 10^3 to 10^6 runs, answers of 300 characters. An export writes all of them, an import reads
what the JSONL export wrote into a new file, saves go one by one into a copy of the file.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from benchmarks.databases import database
from benchmarks.figures import BUILD, Curves, doubled, keep_curves, quick, report, together
from benchmarks.growth import EXPERIMENT
from benchmarks.saving import responses
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor

SAVES = 200
MOST_IN_EXCEL = 100_000
"""A worksheet holds 1,048,575 runs; a million take minutes."""


def seconds(runs: int, folder: Path) -> Iterator[tuple[str, float]]:
    """What is done with a file of so many runs, and how long it takes."""
    rounds = 3 if runs <= 10_000 else 1
    kept = database(runs, text=300)
    lines = folder / "runs.jsonl"
    with closing(Database(str(kept), create=False)) as opened:
        for name in ("jsonl", "csv", "excel"):
            if name == "excel" and runs > MOST_IN_EXCEL:
                continue
            path = lines if name == "jsonl" else folder / f"runs.{name}"

            def exported(path: Path = path, name: str = name) -> None:
                export(opened, EXPERIMENT, path, name, include=["runs"], force=True)

            yield f"{name} export", together(exported, rounds=rounds)[0].median()

    def imported() -> None:
        with (
            tempfile.TemporaryDirectory(dir=folder) as place,
            closing(ResultsProcessor(f"{place}/new.db")) as processor,
        ):
            load(processor.database, [LogSource(lines)], ImportOptions())

    yield "import", together(imported, rounds=rounds)[0].median()
    copy = folder / "copy.db"
    shutil.copy(kept, copy)
    with closing(ResultsProcessor(str(copy))) as processor:
        processor.save_experiment("saved", {})
        made = responses("saved")

        def saved() -> None:
            for response in list(islice(made, SAVES)):
                processor.save_run_result(response)

        yield f"{SAVES} saves", together(saved, rounds=5)[0].median()


def main() -> int:
    curves: Curves = {}
    for runs in (1_000, 10_000, 100_000, 1_000_000)[: 3 if quick() else 4]:
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            for name, taken in seconds(runs, Path(folder)):
                curves.setdefault(name, []).append((runs, taken))
                print(f"       {name:<14} {runs:>9,} runs {taken:10.4f} s", flush=True)
    keep_curves("volume", curves)
    return report(doubled(curves))


if __name__ == "__main__":
    sys.exit(main())
