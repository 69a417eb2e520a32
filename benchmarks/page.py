"""Writes benchmarks/results.json into the tables of docs/performance.md, and draws docs/growth.png.

    python -m benchmarks.page                   the picture needs matplotlib

The curves are those that `growth` measured last.
"""

import json
import re
import sys
from typing import Any

from benchmarks.figures import BUILD, ROOT, Figure, shown

DOCS = ROOT / "docs"
MARKS = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)
CURVES = BUILD / "growth.json"


def page(document: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    lines = [
        f"Measured on {document['date']}: {document['machine']}, Python {document['python']}, "
        f"{versions}."
    ]
    for program, rows in document["figures"].items():
        if rows:
            lines += ["", f"### {program}", "", *_table(rows)]
    return "\n".join([*lines, ""])


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| work | measured | spread | limit beside it | ratio | goal | |", "|" + " --- |" * 7]
    for row in rows:
        figure = Figure(**{name: value for name, value in row.items() if name != "ratio"})
        cells = (
            figure.name,
            f"{shown(figure.measured)} {figure.unit}",
            shown(figure.spread) if figure.spread else "",
            f"{shown(figure.limit)} ({figure.limit_name})",
            f"{figure.ratio:.3g}",
            _goal(figure),
            "" if not _goal(figure) else "met" if figure.met else "**missed**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _goal(figure: Figure) -> str:
    if figure.at_most is not None:
        return f"at most {figure.at_most:.3g}"
    return f"at least {figure.at_least:g}" if figure.at_least is not None else ""


def draw(curves: dict[str, list[tuple[int, float]]]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="runs", ylabel="seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(DOCS / "growth.png", dpi=110)


def main() -> int:
    path = DOCS / "performance.md"
    document = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
    text = path.read_text("utf-8")
    path.write_text(MARKS.sub(lambda _: page(document), text), encoding="utf-8")
    if CURVES.exists():
        draw(json.loads(CURVES.read_text("utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
