"""Site: what all pages share: the store, the templates, the facts that every page shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.reports import wording
from ml_agents_results.reports.html import pictured, view_html
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_metadata import metadata_keys
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.statistics.run_columns import METADATA
from ml_agents_results.viewer.security import ANNOTATOR
from ml_agents_results.viewer.store import Store
from ml_agents_results.viewer.variant_links import variant_slug

OUTCOMES = (
    *("correct", "wrong", "scored", "failed", "truncated", "refused", "unparsed", "ungraded"),
)
MOST_KEYS = 40
"""Members of the metadata that are offered as columns, and to cluster by."""

MARKS = {
    "correct": Markup("&#x2713;"),
    "wrong": Markup("&#x2717;"),
    "scored": Markup("&bull;"),
    "failed": Markup("!"),
    "truncated": Markup("&hellip;"),
    "refused": Markup("&#x2298;"),
    "unparsed": Markup("?"),
    "ungraded": Markup("&ndash;"),
}
"""Outcomes are told apart without colour, too. One sign beyond Latin makes the whole page a string
of two bytes a character."""


@dataclass(frozen=True)
class Site:
    """The viewer of one database.

    Attributes:
        author: The name under which this person grades unless another one is given.
        version: Changes with the files of the package: what browsers keep them by.
    """

    store: Store
    author: str
    version: str

    @cached_property
    def environment(self) -> Any:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("ml_agents_results.viewer", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_visible,
            auto_reload=False,
        )
        environment.filters.update(
            table=lambda view, link=None, most=200: Markup(view_html(view, link, most=most)),
            percent=wording.percent,
            ms=wording.milliseconds,
            usd=wording.dollars,
            moment=wording.moment,
            number=lambda value: wording.UNKNOWN if value is None else f"{value:,}",
            measured=wording.measured,
            slug=variant_slug,
            embedded=lambda value: Markup(embedded(value)),
            duration=duration,
        )
        environment.globals.update(
            outcome_marks=MARKS,
            version=self.version,
            database=str(self.store.database),
            read_only=self.store.read_only,
            why_read_only=self.store.why_read_only,
        )
        return environment

    def page(self, template: str, *, code: int = 200, **values: Any) -> HTMLResponse:
        """A page; its state goes along, so that the browser can ask what has changed since."""
        values.setdefault("live", False)
        values.setdefault("commands", ())
        values.setdefault("exports", ())
        values.setdefault("crumbs", ())
        content = self.environment.get_template(template).render(**values)
        # Only lone surrogates are beyond UTF-8.
        return HTMLResponse(content.encode("utf-8", "backslashreplace"), code)

    def fragment(self, template: str, **values: Any) -> Markup:
        """A part of a page."""
        return Markup(self.environment.get_template(template).render(**values))

    def kept(self, request: Request, build: Callable[[], Response]) -> Response:
        """A page that is built once while the database stands still, however often it is asked
        for."""
        key = ("page", request.url.path, request.url.query)
        built = self.store.rendered(key, build)
        return HTMLResponse(built.body, built.status_code)

    def author_of(self, request: Request) -> str:
        """Who grades: the person whose link it is, else whoever the address names."""
        given = request.query_params.get("author", self.author).strip()
        return str(request.scope.get(ANNOTATOR, given))

    def record(self, experiment_id: str) -> ExperimentRecord:
        """Raises NotFoundError if there is no such experiment."""
        return self.store.figures(
            ("record", experiment_id),
            lambda connection: ExperimentRepository(connection).get(experiment_id),
        )

    def cells(self, experiment_id: str) -> Sequence[VariantCounts]:
        """The runs of an experiment by variant and task, counted by outcome."""
        return self.store.figures(
            ("cells", experiment_id),
            lambda connection: _cells(connection, experiment_id),
        )

    def metadata_keys(self, experiment_id: str) -> Sequence[str]:
        """The members of the metadata that some of the first runs have."""
        return self.store.figures(
            ("metadata", experiment_id),
            lambda connection: metadata_keys(connection, experiment_id),
        )

    def clusters(self, experiment_ids: Sequence[str], chosen: str | None) -> Sequence[str]:
        """What the runs of all these experiments can be clustered by, and what is chosen."""
        first, *others = [self.metadata_keys(one) for one in experiment_ids]
        shared = [key for key in first if key and all(key in keys for keys in others)]
        names = ["none", "task", *(METADATA + key for key in shared[:MOST_KEYS])]
        return names if chosen is None or chosen in names else [*names, chosen]

    def variants(self, *experiment_ids: str) -> Sequence[Variant]:
        """The variants of the experiments, one experiment after the other."""
        return self.store.rendered(
            ("variants", *experiment_ids),
            lambda: list(
                dict.fromkeys(cell.variant for one in experiment_ids for cell in self.cells(one))
            ),
        )


def _cells(connection: Connection, experiment_id: str) -> Sequence[VariantCounts]:
    return Tabulator(connection, Filters(experiment_id=(experiment_id,))).variants()


def embedded(value: Any) -> str:
    """JSON in which no HTML parser finds the end of its element."""
    content = json_bytes(value).decode()
    for character in "<>&":
        content = content.replace(character, f"\\u{ord(character):04x}")
    return content


def duration(value: timedelta) -> str:
    """A time that something takes: `40 s`, `12 min`, `3.5 h`, `2.1 d`."""
    seconds = value.total_seconds()
    for limit, size, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            digits = 0 if seconds / size >= 10 or size == 1 else 1
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def _visible(value: Any) -> Any:
    """What a template escapes in place of a value: control characters have pictures."""
    return pictured(value) if type(value) is str else value
