"""Notebook display: results that a notebook shows as tables and charts.

Tables and words are made in `reports`, above this layer: `reports.notebook` sets the renderer.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class NotebookRenderer(Protocol):
    """What turns a result into HTML and charts."""

    def html(self, result: Any, /) -> str: ...

    def plot(self, result: Any, axes: "Axes | None", /) -> "Axes": ...


class NotebookDisplay:
    """A result that shows itself in a notebook."""

    __slots__ = ()
    renderer: ClassVar[NotebookRenderer | None] = None

    def _repr_html_(self) -> str | None:
        """The sentences, tables and notes; None lets the notebook print the result."""
        return None if self.renderer is None else self.renderer.html(self)

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draws the estimates with their intervals, on these axes or new ones (matplotlib, the
        extra `plots`).

        Raises:
            UsageError: matplotlib is not installed.
        """
        if self.renderer is None:
            raise UsageError("nothing draws this result", "Import ml_agents_results.processor.")
        return self.renderer.plot(self, axes)
