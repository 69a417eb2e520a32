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
    path, curves = DOCS / "performance.md", dict(_curves(document))
    text = _put(path.read_text("utf-8"), "measured", _table(document))
    path.write_text(_put(text, "grown", _growth(curves)), encoding="utf-8")
    _draw(curves)


def slope(curve: Sequence[tuple[int, float]]) -> float:
    """That of log time over log runs between the two largest sizes: 1 is linear."""
    (few, low), (many, high) = curve[-2:]
    return math.log(high / low) / math.log(many / few)


def _figures(document: dict[str, Any]) -> Iterator[Figure]:
    for name, group in GROUPS.items():
        for row in document["figures"].get(name, ()):
            numbers = (row["name"], row["measured"], row["limit"], row.get("curve", ()))
            yield group.figure(Measured(*numbers))


def _curves(document: dict[str, Any]) -> Iterator[tuple[str, Sequence[tuple[int, float]]]]:
    for figure in _figures(document):
        if figure.curve:
            yield figure.name.split(",")[0], figure.curve


def _table(document: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    dates = sorted((date, name) for name, date in document["dates"].items())
    measured = "; ".join(
        f"{date} ({', '.join(name for _, name in same)})"
        for date, same in groupby(dates, key=lambda pair: pair[0])
    )
    lines = [
        f"{document['machine']}, Python {document['python']}, {versions}. Measured on {measured}.",
        "",
        "| work | measured | next to | ratio | goal | |",
        "|" + " --- |" * 6,
    ]
    for figure in _figures(document):
        if not figure.row.detail or not figure.met:
            goal = "" if not figure.goal else "met" if figure.met else "**missed**"
            lines.append(
                f"| {figure.name} | {shown(figure.measured)} {figure.row.unit} | "
                f"{shown(figure.limit)} ({figure.row.limit}) | {figure.ratio:.3g} | "
                f"{figure.goal} | {goal} |"
            )
    return "\n".join([*lines, ""])


def _growth(curves: dict[str, Sequence[tuple[int, float]]]) -> str:
    sizes = sorted({runs for curve in curves.values() for runs, _ in curve})
    lines = [
        f"| seconds of | {' | '.join(f'{runs:,} runs' for runs in sizes)} | slope |",
        "|" + " --- |" * (len(sizes) + 2),
    ]
    for name, curve in curves.items():
        taken = dict(curve)
        cells = [f"{taken[runs]:.3g}" if runs in taken else "" for runs in sizes]
        lines.append(f"| {name} | {' | '.join(cells)} | {slope(curve):.2f} |")
    return "\n".join([*lines, ""])


def _draw(curves: dict[str, Sequence[tuple[int, float]]]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.set_prop_cycle(color=[plt.colormaps["tab20"](index) for index in range(20)])
    for name, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="runs", ylabel="seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.legend(loc="outside right center")
    figure.savefig(DOCS / "growth.png", dpi=110)


def _put(text: str, mark: str, new: str) -> str:
    pattern = re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda _: new, text)


if __name__ == "__main__":
    write(results())
