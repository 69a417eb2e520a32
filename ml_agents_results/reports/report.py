"""Report: tables of declared columns with sentences and notes, which every renderer draws."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from ml_agents_results.records import Variant, differing_fields, variant_labels
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import COLUMNS, columns
from ml_agents_results.reports.method_names import FIELDS, method_name
from ml_agents_results.reports.wording import explain, shown
from ml_agents_results.services.asked_samples import PARTLY_ASKED, IncompleteExperiment
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.result_rows import TwoVariantRow, VariantRow
from ml_agents_results.services.variant_summary import VariantSummary

Row = Mapping[str, Any]
"""Plain values by the names of columns."""

Mark = Literal["best", "close"]
R = TypeVar("R", bound=VariantRow)
VARIANT_COLUMNS = columns("variant", *Variant._fields)


@dataclass(frozen=True, slots=True)
class View:
    """A table as people read it: few columns, perhaps few rows, perhaps an interval plot.

    Attributes:
        name: For references to it: letters only.
        columns: What is shown, in the order of importance: renderers may break the table where
            there is no room.
        interval: A column of three parts that is also drawn: a figure with its interval.
        marks: Cells that stand out, by number of the row and name of the column.
        caption: One paragraph under the table.
        detail: Whether only readers who ask for more see it.
        brief: How many rows the terminal shows to readers who do not ask for more.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    interval: Column | None = None
    marks: Mapping[tuple[int, str], Mark] = field(default_factory=dict)
    caption: str = ""
    detail: bool = False
    brief: int = 200

    def cells(self, row: Row) -> list[str]:
        """The texts of a row."""
        return [cell_text(row, column) for column in self.columns]

    def marked(self, index: int) -> Iterator[tuple[Column, str, Mark | None]]:
        """The columns of the row of that number, with their texts and marks."""
        for column, text in zip(self.columns, self.cells(self.rows[index]), strict=True):
            yield column, text, self.marks.get((index, column.name))


@dataclass(frozen=True, slots=True)
class Table:
    """All columns and rows, for workbooks and data frames, and the views for people."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    views: Sequence[View] = ()

    def values(self, row: Row) -> list[Any]:
        """The plain values of a row in the order of the columns."""
        return [row.get(column.name) for column in self.columns]


@dataclass(frozen=True, slots=True)
class Report:
    """What one analysis says.

    Attributes:
        sentences: The results in words, the most important ones first.
        notes: What to keep in mind, the most important first: phrases without a full stop.
        methods: How the figures were computed, sentences.
        diagram: A picture of the result, as SVG.
    """

    title: str
    tables: Sequence[Table]
    sentences: Sequence[str] = ()
    notes: Sequence[str] = ()
    methods: Sequence[str] = ()
    diagram: str | None = None

    @property
    def views(self) -> list[View]:
        """The tables as people read them."""
        return [view for table in self.tables for view in table.views]

    def _repr_html_(self) -> str:
        """The report in a notebook."""
        from ml_agents_results.reports.html import report_html

        return report_html(self)


def variant_row(row: VariantRow, labels: Mapping[Variant, str], **values: Any) -> Row:
    """The values of a row about one variant, with its label and further values."""
    return plain({**row.to_dict(), "variant": labels[row.variant], **values})


def pair_row(row: TwoVariantRow, labels: Mapping[Variant, str], **values: Any) -> Row:
    """The values of a row about two variants, with their labels and further values."""
    two = {"candidate": labels[row.candidate], "baseline": labels[row.baseline]}
    return plain({**row.to_dict(), **two, **values})


def variant_table(
    title: str,
    name: str,
    rows: Iterable[R],
    columns: tuple[tuple[Column, ...], tuple[Column, ...]],
    values: Callable[[R], Mapping[str, Any]] = lambda _: {},
    *,
    heading: str = "",
    before: tuple[Column, ...] = (),
    **settings: Any,
) -> Table:
    """A table with a row for each variant.

    Args:
        name: The name of its view.
        columns: What people read after the name of the variant, and all columns.
        values: What a row has besides its own fields.
        heading: What heads the view, if it is not `title`.
        before: What people read before the name of the variant.
        settings: Further ones of the view.
    """
    rows = list(rows)
    labels = variant_labels([row.variant for row in rows])
    shown, every = columns
    plain_rows = [variant_row(row, labels, **values(row)) for row in rows]
    seen = (*before, variant_column(labels), *shown)
    view = View(name, heading or title, seen, plain_rows, **settings)
    return Table(title, (*VARIANT_COLUMNS, *every), plain_rows, [view])


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row for a table: lists of codes and methods in words, NumPy's numbers as
    Python's."""
    return {
        name: method_name(value) if name in FIELDS and value else _plain(value)
        for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "; ".join(explain(str(code)) for code in value)
    return value.item() if hasattr(value, "item") else value


def value_of(row: Row, column: Column) -> Any:
    """The value of a cell; of a column of several parts a tuple."""
    if column.parts:
        return tuple(row.get(part) for part in column.parts)
    return row.get(column.name)


def cell_text(row: Row, column: Column) -> str:
    """A cell as people read it."""
    return shown(value_of(row, column), column.kind)


def variant_column(variants: Collection[Variant]) -> Column:
    """The column that names variants, headed by what they differ in."""
    column, differing = COLUMNS["variant"], differing_fields(variants)
    return replace(column, label=COLUMNS[differing[0]].label) if len(differing) == 1 else column


def coverage_notes(
    incomplete: Sequence[IncompleteExperiment], rows: Iterable[VariantSummary]
) -> list[str]:
    """What of the studies is missing: runs that were planned, and samples not asked."""
    notes = [
        f"{one.experiment_id} has {one.runs:,} of {one.planned:,} planned runs: "
        + (
            "it ended when the differences were clear"
            if one.stopped_early
            else "the study is not finished, and its verdicts may turn"
        )
        for one in incomplete
    ]
    known = {one.experiment_id for one in incomplete}
    partly = [
        row
        for row in rows
        if PARTLY_ASKED in row.warnings and row.variant.experiment_id not in known
    ]
    labels = variant_labels([row.variant for row in partly])
    for row in partly[:3]:
        name = labels[row.variant] if len(partly) > 1 else row.variant.approach_name
        notes.append(
            f"{name} was asked {row.samples_asked:,} of {row.samples_expected:,} samples: the "
            "first may be the easy ones"
        )
    if partly[3:]:
        notes.append(f"{len(partly) - 3} more variants were asked a part of the samples")
    return notes


def warning_notes(groups: Iterable[Iterable[str]]) -> list[str]:
    """Each code once, in words; without what `coverage_notes` says."""
    codes = dict.fromkeys(code for group in groups for code in group)
    return [explain(code) for code in codes if code != PARTLY_ASKED]


def counted_notes(name: str, groups: Sequence[Iterable[str]]) -> list[str]:
    """Each code in words, with how many of the rows (called `name`) it holds for."""
    counts: dict[str, int] = {}
    for codes in groups:
        for code in dict.fromkeys(codes):
            counts[code] = counts.get(code, 0) + 1
    total = len(groups)
    return [
        explain(code) if count == total else f"on {count:,} of {total:,} {name}, {explain(code)}"
        for code, count in sorted(counts.items())
    ]


def clustering(rows: Iterable[VariantSummary | ComparisonRow]) -> str:
    """What errors are clustered by: `clustered by document (15 clusters)`; empty where by
    nothing."""
    clustered = [
        (row.method, n)
        for row in rows
        if (n := row.n_clusters) is not None and row.method.startswith("clustered by ")
    ]
    if not clustered:
        return ""
    names = dict.fromkeys(name for name, _ in clustered)
    counts = sorted({n for _, n in clustered})
    number = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))
    what = ", ".join(name.removesuffix(" (CR2)").replace("metadata:", "") for name in names)
    return f"{what} ({number} cluster{'' if counts[-1] == 1 else 's'})"


def distinct(values: Iterable[str]) -> str:
    """Each value once, with commas."""
    return ", ".join(dict.fromkeys(values)) or "none"
