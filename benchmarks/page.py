"""Writes benchmarks/results.json into the table of docs/performance.md, and draws docs/growth.png.

    python -m benchmarks.page                   the picture needs matplotlib

The curves are those that `growth` and `volume` measured last.
"""

import json
import re
import sys
from typing import Any

from benchmarks.figures import BUILD, ROOT, Curves, Figure, shown, slope

DOCS = ROOT / "docs"
CURVES = BUILD / "curves"


DETAILS = ("in all", "rows", "memory added", " of 1,000 runs", " of 10,000 runs", "50,000 of")
"""What is in results.json only, as long as its goal is met: sizes and parts next to a whole."""


def page(document: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    lines = [
        f"Measured on {document['date']}: {document['machine']}, Python {document['python']}, "
        f"{versions}.",
        "",
        "| work | measured | next to | ratio | goal | |",
        "|" + " --- |" * 6,
    ]
    for rows in document["figures"].values():
        for row in rows:
            figure = Figure(**{name: value for name, value in row.items() if name != "ratio"})
            if not figure.met or not any(detail in figure.name for detail in DETAILS):
                lines.append(_line(figure))
    return "\n".join([*lines, ""])


def _line(figure: Figure) -> str:
    cells = (
        figure.name,
        f"{shown(figure.measured)} {figure.unit}",
        f"{shown(figure.limit)} ({figure.limit_name})",
        f"{figure.ratio:.3g}",
        _goal(figure),
        "" if not _goal(figure) else "met" if figure.met else "**missed**",
    )
    return f"| {' | '.join(cells)} |"


def _goal(figure: Figure) -> str:
    if figure.at_most is not None:
        return f"at most {figure.at_most:.3g}"
    return f"at least {figure.at_least:g}" if figure.at_least is not None else ""


def grown(curves: Curves) -> str:
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


def draw(curves: Curves) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.set_prop_cycle(color=[plt.colormaps["tab20"](index) for index in range(20)])
    for name, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="runs", ylabel="seconds")
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.legend(loc="outside right center")
    figure.savefig(DOCS / "growth.png", dpi=110)


def put(text: str, mark: str, new: str) -> str:
    pattern = re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda _: new, text)


def main() -> int:
    path = DOCS / "performance.md"
    document = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
    text = put(path.read_text("utf-8"), "measured", page(document))
    curves: Curves = {}
    for measured in sorted(CURVES.glob("*.json")):
        curves |= json.loads(measured.read_text("utf-8"))
    if curves:
        text = put(text, "grown", grown(curves))
    path.write_text(text, encoding="utf-8")
    if curves:
        draw(curves)
    return 0


if __name__ == "__main__":
    sys.exit(main())
