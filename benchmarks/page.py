"""Writes results.json, the table of docs/performance.md and docs/growth.png.

python -m benchmarks.page           anew from results.json, without measuring
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from benchmarks.harness import ROOT, Figure, Measured, shown
from benchmarks.table import GROUPS

RESULTS = ROOT / "benchmarks" / "results.json"
DOCS = ROOT / "docs"


def results() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return document


def save(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1)
    # A point of a curve in one line.
    text = re.sub(r"\[\s+(\d+),\s+([\d.e-]+)\s+\]", r"[\1, \2]", text)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    write(document)


def write(document: dict[str, Any]) -> None:
    path, table = DOCS / "performance.md", _table(document)
    pattern = re.compile("(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)
    path.write_text(
        pattern.sub(lambda _: table, path.read_text("utf-8"), count=1), encoding="utf-8"
    )
    _draw(document)


def slope(curve: Sequence[tuple[int, float]]) -> float:
    """That of log time over log runs between the two largest sizes: 1 is linear."""
    (few, low), (many, high) = curve[-2:]
    return math.log(high / low) / math.log(many / few)


def _figures(document: dict[str, Any]) -> Iterator[Figure]:
    for name, group in GROUPS.items():
        for row in document["figures"].get(name, ()):
            numbers = (row["name"], row["measured"], row["limit"], row.get("curve", ()))
            yield group.figure(Measured(*numbers))


def _table(document: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    dates = sorted((date, name) for name, date in document["dates"].items())
    days = "; ".join(
        f"{date} ({', '.join(name for _, name in same)})"
        for date, same in groupby(dates, key=lambda pair: pair[0])
    )
    lines = [
        f"{document['machine']}, Python {document['python']}, {versions}. Measured on {days}.",
        "",
        "| work | measured | next to | ratio | goal | |",
        "|" + " --- |" * 6,
    ]
    for figure in _figures(document):
        if not figure.row.detail or not figure.met:
            goal = "" if not figure.goal else "met" if figure.met else "**missed**"
            measured = f"{shown(figure.measured)} {figure.row.unit}".rstrip()
            lines.append(
                f"| {figure.name} | {measured} | "
                f"{shown(figure.limit)} ({figure.row.limit}) | {figure.ratio:.3g} | "
                f"{figure.goal} | {goal} |"
            )
    return "\n".join([*lines, ""])


def _draw(document: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.set_prop_cycle(color=[plt.colormaps["tab20"](index) for index in range(20)])
    for grown in _figures(document):
        if grown.curve:
            label = f"{grown.name.split(',')[0]} ({slope(grown.curve):.2f})"
            axes.plot(*zip(*grown.curve, strict=True), marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="runs", ylabel="seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.legend(loc="outside right center", title="work (slope)")
    figure.savefig(DOCS / "growth.png", dpi=110)


if __name__ == "__main__":
    write(results())
