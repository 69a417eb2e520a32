"""Tables in files that are not text: workbooks, Parquet, and archives of a single file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from ml_agents_results.errors import InvalidFileError, ResultsError
from ml_agents_results.formats.coercion import mapping, sequence
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.formats.record_objects import experiment_of
from ml_agents_results.formats.zip_members import ZipMembers
from ml_agents_results.records import ExperimentRecord

_ZIP, _PARQUET = b"PK", b"PAR1"
_BATCH = 1000
_RUNS, _METADATA, _EXPERIMENT = "Runs", "Metadata", "Experiment "
_DESCRIBING = ("name", "description", "status", "created_at", "metrics")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_MEMBER = "[Content_Types].xml"

Row = tuple[int | str, dict[str, Any], int]
"""Its position, its cells by column, and its size in bytes."""

Table = tuple[list[ExperimentRecord], Iterator[Row]]


def is_parquet(path: Path) -> bool:
    return beginning(path).startswith(_PARQUET)


def is_workbook(path: Path) -> bool:
    return _members(path).count(_MEMBER) == 1


def is_single(path: Path) -> bool:
    """Whether it is a zip archive that holds one file."""
    return len(_members(path)) == 1


def _members(path: Path) -> list[str]:
    if not beginning(path).startswith(_ZIP):
        return []
    source = LogSource(path)
    try:
        with source.open() as file:
            return [name for name in ZipMembers(source, file).names if not name.endswith("/")]
    except InvalidFileError:
        return []


@contextmanager
def unpacked(source: LogSource) -> Iterator[LogSource]:
    """The only file of an archive; what it warns of is a warning of the archive."""
    with TemporaryDirectory(prefix="ml-agents-") as folder, source.open() as file:
        members = ZipMembers(source, file)
        [name] = [name for name in members.names if not name.endswith("/")]
        path = Path(folder) / Path(name).name
        with path.open("wb") as out, members.open(name) as member:
            while block := member.read(1 << 16):
                out.write(block)
        inner = LogSource(path, source.name.removesuffix(".zip"))
        inner.warnings, inner.chosen, inner.left_out = (
            source.warnings,
            source.chosen,
            source.left_out,
        )
        yield inner


@contextmanager
def _reading(source: LogSource) -> Iterator[None]:
    """A block in which another library reads the file: it may raise anything if that is damaged,
    and warns of it in the file's own words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ResultsError:
        raise
    except Exception as error:
        raise InvalidFileError(f"{source.name} is damaged: {error}", "Copy it again.") from error


def parquet_table(source: LogSource) -> Table:
    """The rows, and the experiments that our own export describes in the metadata of the file.

    Raises:
        InvalidFileError: The package pyarrow is missing, or the file is damaged.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidFileError(
            f"{source.name} is Parquet, which needs the package pyarrow", "pip install pyarrow"
        ) from error
    with _reading(source):
        about = parquet.read_metadata(source.path).metadata or {}
        described = sequence(parse(about.get(b"experiments", b"[]")))

    def rows() -> Iterator[Row]:
        number, above = 0, _partition(source.path)
        with _reading(source), parquet.ParquetFile(source.path) as file:
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", {**above, **row}, len(str(row))

    return [experiment_of(one) for one in described if "id" in mapping(one)], rows()


def _partition(path: Path) -> dict[str, str | None]:
    """The columns that the folders of a partitioned export name: `approach_name=None/model=m/`."""
    from ml_agents_results.formats.parquet_writer import PARTITIONS

    columns: dict[str, str | None] = {}
    for part in reversed(path.parent.parts):
        name, _, value = part.partition("=")
        if name not in PARTITIONS:
            break
        columns[name] = None if value == _NO_VALUE else unquote(value)
    return columns


def workbook_table(source: LogSource) -> Table:
    """The rows of the sheet `Runs`, else of the first one, below the first row with two cells; and
    the experiments that our own export describes in the sheet `Metadata`.

    Raises:
        InvalidFileError: The package openpyxl is missing, or the file is damaged.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise InvalidFileError(
            f"{source.name} is a workbook, which needs the package openpyxl",
            "pip install 'ml-agents-results[xlsx]', or save the sheet as CSV.",
        ) from error
    described: list[dict[str, Any]] = []
    with _reading(source):
        content = io.BytesIO(source.path.read_bytes())
        book = load_workbook(content, read_only=True, data_only=True)
        sheet = book[_RUNS] if _RUNS in book.sheetnames else book.worksheets[0]
        if {_RUNS, _METADATA} <= {*book.sheetnames}:
            for cells in book[_METADATA].iter_rows(values_only=True):
                group, key, value = (*cells, None, None, None)[:3]
                if group:
                    continue  # The header, and what the columns mean.
                if isinstance(key, str) and key.startswith(_EXPERIMENT):
                    described.append({"id": key.removeprefix(_EXPERIMENT)})
                elif described and key in _DESCRIBING:
                    described[-1][key] = parse(value) if key == "metrics" else value

    def rows() -> Iterator[Row]:
        header: list[str] | None = None
        with _reading(source):
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
                if header is None:
                    if sum(cell is not None for cell in cells) > 1:
                        header = ["" if cell is None else str(cell).strip() for cell in cells]
                elif any(cell is not None for cell in cells):
                    row = dict(zip(header, map(_plain, cells), strict=False))
                    yield f"row {number}", row, len(str(row))

    return list(map(experiment_of, described)), rows()


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, date) else cell
