"""The file or folder of an import, with its fingerprint, and the options of the user."""

import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from ml_agents_results.errors import InvalidFileError, InvalidRecordError, NotFoundError

Duplicates = Literal["refuse", "latest", "repeats"]
Parsing = Literal["none", "auto", "regex"]
OnConflict = Literal["replace", "keep", "fail"]

BOM = b"\xef\xbb\xbf"
"""The byte order mark that some programs write before UTF-8."""

LARGEST_RATIO = 200
"""Text compresses to about a twentieth. What is large and claims more than this is a bomb."""
HARMLESS_SIZE = 64 << 20

_GZIP = b"\x1f\x8b"
_TABLES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx", ".parquet")
_ENDINGS = (".gz", ".zip", ".eval", *_TABLES)
_SHOWN = 10
_BUFFER = 128 << 10


@dataclass(frozen=True)
class ImportOptions:
    """How to import.

    Attributes:
        experiment_id: Where all runs go, whatever the file says.
        name: The title of the experiment.
        approach: The approach of runs that name none, and of logs that know no approaches.
        task: The task of all runs.
        columns: Field of a run to the file's own name for it; an empty name leaves the field out.
        constants: Field of a run to its value in all runs.
        recipe: How a table is read: the name of a recipe, or the path of one.
        wide: Column of a table with a column for each variant, to the name of that variant.
        duplicates: What to do with a sample that is answered twice: refuse, keep the latest, or
            number the answers as repeats.
        on_conflict: What to do with a run that is in the database with other contents: replace
            it, keep it as it is there, or fail.
        scorer: Whose grade counts, where a log has several.
        metric: Which of a log's metrics is the grade.
        scales: Metric to its lowest and highest value.
        lower_is_better: Metrics of which lower values are better.
        filter: Which of a log's filters took the answer from the output.
        split: Which split of a log's dataset to import.
        expected: The variable of a log that holds the expected answer.
        parsing: How answers are read from the raw outputs of tables that have none.
        grader: What grades the answers that were read. [default: exact]
        answer_kind: The kind of all answers, such as number or choice; guessed by default.
        skip_broken: Whether to leave out files that cannot be read, if there are others.
        model_args: Whether to keep the arguments of models, which may hold secrets.
    """

    experiment_id: str | None = None
    name: str | None = None
    approach: str | None = None
    task: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    recipe: str | None = None
    wide: Mapping[str, str] = field(default_factory=dict)
    duplicates: Duplicates = "refuse"
    on_conflict: OnConflict = "replace"
    scorer: str | None = None
    metric: str | None = None
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    filter: str | None = None
    split: str | None = None
    expected: str | None = None
    model_args: bool = False
    skip_broken: bool = False
    parsing: Parsing = "none"
    grader: str | None = None
    answer_kind: str | None = None

    @property
    def grades(self) -> bool:
        """Whether answers are graded on the way."""
        return self.parsing != "none" or bool(self.grader or self.answer_kind)


class LogSource:
    """A file or folder to import.

    Args:
        name: The name in messages. [default: the path]

    Attributes:
        warnings: Messages for the user, each once, in order.
        chosen: What was chosen for it, such as the approach, and by which rule.
        left_out: Parts that do not become runs, with their number.
        attempt: When the log was started (ISO 8601, UTC), if a log may be a new attempt at an
            older one: runs of an older attempt never replace those of a newer one.
        why_empty: What an error says if no run is read, and its hint.

    Raises:
        NotFoundError: It is missing.
        InvalidFileError: It cannot be read.
    """

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path = Path(path)
        self.name = name or str(path)
        self.warnings: dict[str, None] = {}
        self.chosen: dict[str, str] = {}
        self._choices: set[tuple[str, str, str]] = set()
        self.left_out: Counter[str] = Counter()
        self.attempt: str | None = None
        self.why_empty = ("holds no runs", "Check its path.")
        self._file: BinaryIO | None = None
        try:
            if not self.path.exists():
                raise NotFoundError(f"there is no file {self.name}", "Check its path.")
            files = [self.path] if self.path.is_file() else sorted(self.path.rglob("*"))
            self.size = sum(file.stat().st_size for file in files if file.is_file())
        except OSError as error:
            raise _unreadable(self.name, error) from error

    @property
    def position(self) -> int:
        """Bytes of the open file that have been read."""
        return 0 if self._file is None or self._file.closed else self._file.tell()

    @property
    def stem(self) -> str:
        """The name without folder and file extensions."""
        stem = Path(self.name).name
        while (ending := Path(stem).suffix.lower()) in _ENDINGS and ending:
            stem = stem[: -len(ending)]
        return stem

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the file; of a folder, of the names and fingerprints of its files."""
        if self.path.is_dir():
            files = sorted(file for file in self.path.rglob("*") if file.is_file())
            lines = (f"{_sha256(file)}  {file.relative_to(self.path).as_posix()}" for file in files)
            return hashlib.sha256("\n".join(lines).encode()).hexdigest()
        with self.reading():
            return _sha256(self.path)

    @property
    def identity(self) -> str:
        """What tells it from other sources, for logs that have no id."""
        return f"{self.stem}-{self.sha256[:8]}"

    @contextmanager
    def open(self, path: Path | None = None) -> Iterator[BinaryIO]:
        """The contents, decompressed if they are gzip.

        Raises:
            InvalidFileError: They cannot be read, or the compressed data are damaged.
        """
        with self.reading(), (path or self.path).open("rb") as file:
            self._file = file
            packed = file.peek(2)[:2] == _GZIP
            yield self._unpacked(file) if packed else file

    def _unpacked(self, file: BinaryIO) -> BinaryIO:
        """The contents of a gzip file, to a size that text may have."""
        return cast(BinaryIO, io.BufferedReader(_Unpacked(file, self.name), _BUFFER))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A block in which errors of files become errors for users."""
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InvalidFileError(
                f"{self.name} is damaged: {error}", "Copy or download it again."
            ) from error
        except OSError as error:
            raise _unreadable(self.name, error) from error

    def warn(self, message: str) -> None:
        self.warnings[message] = None

    def choose(self, what: str, value: str, rule: str) -> None:
        """Records a choice; if the rule gives several values, the first few of them."""
        if (what, value, rule) in self._choices:
            return
        self._choices.add((what, value, rule))
        known = self.chosen.get(what, "").removesuffix(f" ({rule})")
        values = dict.fromkeys([*filter(None, known.split(", ")), value])
        shown = list(values)[:_SHOWN] + ["..."] * (len(values) > _SHOWN)
        self.chosen[what] = f"{', '.join(shown)} ({rule})"

    def where(self, position: int | str) -> str:
        """How messages name a position in it."""
        return f"{self.name} {f'line {position}' if isinstance(position, int) else position}"

    def locate(self, position: int | str) -> "_Located":
        """A block whose errors about a record begin with the position."""
        return _Located(self, position)


class _Unpacked(io.RawIOBase):
    """Unpacks a gzip file, and refuses a bomb."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._packed, self._name = file, name
        self._plain = gzip.GzipFile(fileobj=file)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._plain.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        number = self._plain.readinto(buffer)
        size = self._plain.tell()
        if size > HARMLESS_SIZE and size > LARGEST_RATIO * self._packed.tell():
            raise InvalidFileError(
                f"{self._name} unpacks to more than {LARGEST_RATIO} times its size",
                "No text does: if you know where it is from, unpack it first.",
            )
        return number


@dataclass(slots=True)
class _Located:
    source: LogSource
    position: int | str

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, InvalidRecordError):
            where = self.source.where(self.position)
            raise InvalidRecordError(f"{where}: {error.message}", error.hint) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _unreadable(name: str, error: OSError) -> InvalidFileError:
    return InvalidFileError(
        f"{name} cannot be read: {error.strerror or error}", "Check its permissions."
    )
