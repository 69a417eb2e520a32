"""Measures the figures of benchmarks/table.py, each next to its limit.

    python -m benchmarks                        all groups but those by hand
    python -m benchmarks saving startup         these only
    python -m benchmarks --quick                smaller sizes, in a few minutes; goals do not apply
    python -m benchmarks startup --save         into results.json and docs/performance.md

A ratio that differs by more than 20% from the committed one is named as MOVED. The exit code is 1
where a figure was missed or a group failed.
"""

import argparse
import os
import platform
import sys
import time
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from benchmarks import page
from benchmarks.harness import Figure, alone
from benchmarks.table import GROUPS

MOVED = 1.2


def main() -> int:
    by_hand = ", ".join(name for name, group in GROUPS.items() if group.by_hand)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"By hand: {by_hand}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("groups", nargs="*", metavar="group", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    if options.quick and options.save:
        parser.error("--save needs the full sizes")
    known, missed = page.results(), []
    for name in options.groups or [name for name, group in GROUPS.items() if not group.by_hand]:
        print(f"== {name}", flush=True)
        began = time.perf_counter()
        try:
            figures = alone(GROUPS[name].measure, quick=options.quick)
        except Exception:  # noqa: BLE001 - the next groups are measured all the same
            traceback.print_exc()
            missed.append(f"{name} (failed)")
            continue
        print(f"       in {time.perf_counter() - began:.0f} s")
        if not options.quick:
            missed += [figure.name for figure in figures if not figure.met]
            _compare(figures, known["figures"].get(name, ()))
        if options.save:
            known["figures"][name] = [figure.document() for figure in figures]
            known["dates"][name] = datetime.now(UTC).date().isoformat()
            page.save({**known, **_machine()})
    if missed:
        print("Missed:", *missed, sep="\n  ")
    return bool(missed)


def _compare(figures: list[Figure], known: list[dict[str, Any]]) -> None:
    before = {row["name"]: row["ratio"] for row in known}
    for figure in figures:
        old = before.get(figure.name)
        if old and not 1 / MOVED <= figure.ratio / old <= MOVED:
            print(f"MOVED  {figure.name}: {old:.3g} times its limit before, {figure.ratio:.3g} now")


def _machine() -> dict[str, Any]:
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("sqlalchemy", "pandas", "numpy", "typer")},
    }


if __name__ == "__main__":
    sys.exit(main())
