"""Valid files with random damage: each is imported whole or refused with a reason, never half.

A failure names the seed that repeats it. The long form tries new seeds for $ML_AGENTS_FUZZ_SECONDS.
"""

import gzip
import hashlib
import json
import random
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers import (
    every_eval_ever_files,
    helm_runs,
    legacy_tables,
    lm_eval_logs,
    openai_evals_logs,
    promptfoo_results,
)
from tests.formats.readers.inspect_logs import log, sample, write_eval, write_json
from tests.formats.writers.sample_experiments import study
from tests.lengths import first_seed, fuzz_seconds, short_and_long

SLOWEST = 20
PIECES = [
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\ud800", b"NaN", b"-Infinity", b"1e999",
    b"null", b"true", b"-1", b"123456789012345678901234567890", b"\x00", b"\xff", b"\n", b"{}",
    b"[]", b'""', b"[[[[" * 500, b"[" * 20_000 + b"]" * 20_000, b"0.5", b'{"a": 1}',
    b"\xef\xbb\xbf", b"\r",
]  # fmt: skip


def inspect_json(folder: Path) -> Path:
    folder.mkdir()
    return write_json(folder / "a.json", log(sample(1), sample("q2", error={"message": "x"})))


def inspect_eval(folder: Path) -> Path:
    folder.mkdir()
    return write_eval(folder / "a.eval", log(sample(1), sample(2)))


def inspect_zstandard(folder: Path) -> Path:
    folder.mkdir()
    return write_eval(folder / "a.eval", log(sample(1), sample(2)), zstandard=True)


def lm_eval(folder: Path) -> Path:
    other = lm_eval_logs.row(name="flexible")
    lm_eval_logs.write(folder, "b", lm_eval_logs.choices(-1, -2))
    return lm_eval_logs.write(folder, "a", lm_eval_logs.row(), lm_eval_logs.row(1), other).parent


def promptfoo(folder: Path) -> Path:
    folder.mkdir()
    content = promptfoo_results.document(promptfoo_results.result(), promptfoo_results.result(1))
    return promptfoo_results.write(folder / "a.json", content)


def helm(folder: Path) -> Path:
    return helm_runs.write(folder, [helm_runs.state()], [helm_runs.stats(exact_match=1)])


def openai_evals(folder: Path) -> Path:
    folder.mkdir()
    events = [openai_evals_logs.sampling("a.1"), openai_evals_logs.event("a.1", "match")]
    return openai_evals_logs.write(folder / "a.jsonl", *events)


def every_eval_ever(folder: Path) -> Path:
    return every_eval_ever_files.write(
        folder, every_eval_ever_files.line(), every_eval_ever_files.line("q2", error="timeout")
    ).parent


def own_eee(folder: Path) -> Path:
    return own(folder, "eee")


def own_inspect(folder: Path) -> Path:
    return own(folder, "inspect")


def own(folder: Path, format_name: str) -> Path:
    """Our own export, without the folders within."""
    folder.mkdir()
    for name, content in exported(format_name).items():
        (folder / name).write_bytes(content)
    return folder


def own_csv(folder: Path) -> Path:
    return own(folder, "csv")


def own_json_lines(folder: Path) -> Path:
    return own(folder, "jsonl") / "out"


def packed_json_lines(folder: Path) -> Path:
    path = own_json_lines(folder)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def own_workbook(folder: Path) -> Path:
    return own(folder, "excel") / "out"


def own_parquet(folder: Path) -> Path:
    return own(folder, "parquet") / "out"


def own_archive(folder: Path) -> Path:
    return own(folder, "archive") / "out"


def own_database(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "other.db"
    path.write_bytes(database_file())
    return path


@cache
def database_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "other.db")
        processor = ResultsProcessor(str(path))
        processor.save_experiment("exp", {"seed": 1})
        processor.save_runs(study(samples=4)[:5])
        processor.close()
        return path.read_bytes()


@cache
def exported(format_name: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        processor = ResultsProcessor(str(Path(place, "results.db")))
        processor.save_experiment("exp", {"seed": 1}, name="n", status="completed")
        processor.save_runs(study(samples=4)[:5])
        export(processor.database, "exp", Path(place, "out"), format_name)
        processor.close()
        files = [path for path in Path(place).rglob("*") if path.is_file()]
        files = [path for path in files if not path.name.startswith("results.db")]
        return {path.name: path.read_bytes() for path in files}


def legacy(folder: Path) -> Path:
    errors = [{"sample_id": 1, "approach": "CoT", "error": "x"}]
    return legacy_tables.write_folder(folder, legacy_tables.row(), errors=errors)


def new_seeds() -> Iterator[int]:
    """Seeds of this run, until the time is up."""
    end = time.monotonic() + fuzz_seconds()
    seed = first_seed()
    while time.monotonic() < end:
        yield seed
        seed += 1


@pytest.mark.parametrize("seeds", short_and_long(lambda: range(4), new_seeds), ids=["few", "many"])
@pytest.mark.parametrize(
    ("format_name", "write"),
    [
        ("inspect", inspect_json),
        ("inspect", inspect_eval),
        ("inspect", inspect_zstandard),
        ("lm-eval", lm_eval),
        ("promptfoo", promptfoo),
        ("helm", helm),
        ("openai-evals", openai_evals),
        ("eee", every_eval_ever),
        ("eee", own_eee),
        ("inspect", own_inspect),
        ("legacy", legacy),
        ("runs", own_csv),
        ("runs", own_json_lines),
        ("runs", packed_json_lines),
        ("runs", own_workbook),
        ("runs", own_parquet),
        ("archive", own_archive),
        ("database", own_database),
    ],
)
def test_damaged_files(
    processor: ResultsProcessor,
    tmp_path: Path,
    format_name: str,
    write: Callable[[Path], Path],
    seeds: Callable[[], Iterable[int]],
) -> None:
    for seed in seeds():
        path = write(tmp_path / "valid")
        chance = random.Random(seed)
        file = path if path.is_file() else chance.choice(sorted(path.iterdir()))
        if format_name == "archive" and chance.random() < 0.8:
            damage_members(file, chance)
        else:
            file.write_bytes(damaged(file.read_bytes(), chance))
        began = time.monotonic()
        attempt(processor, path, format_name if chance.random() < 0.7 else None, seed)
        assert time.monotonic() - began < SLOWEST, f"seed {seed} is slow"
        shutil.rmtree(tmp_path / "valid")


def damage_members(path: Path, chance: random.Random) -> None:
    """Damages members of an archive whose manifest lists them as they are then."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([*members])
    members[name] = damaged(members[name], chance)
    if name != "manifest.json":
        manifest = json.loads(members["manifest.json"])
        for member in manifest["members"]:
            data = members[member["name"]]
            digest = hashlib.sha256(data).hexdigest()
            member.update(sha256=digest, bytes=len(data), records=data.count(b"\n"))
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def attempt(processor: ResultsProcessor, path: Path, format_name: str | None, seed: int) -> None:
    before = counted(processor)
    try:
        result = load(
            processor.database, [LogSource(path)], ImportOptions(), format_name=format_name
        )
    except ResultsError:
        assert counted(processor) == before, f"seed {seed} came in half"
    except Exception as error:
        raise AssertionError(f"seed {seed} of {path}: {error!r}") from error
    else:
        assert counted(processor)[0] == before[0] + result.inserted


def counted(processor: ResultsProcessor) -> tuple[int, int]:
    with processor.database.read() as connection:
        runs, experiments = (
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("runs", "experiments")
        )
    return int(runs or 0), int(experiments or 0)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """With one to four pieces changed, cut out, doubled or put in."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 4, 40)))
        match chance.randrange(5):
            case 0:
                data = data[:start] + chance.choice(PIECES) + data[end:]
            case 1:
                data = data[:start] + data[end:]
            case 2:
                data = data[:end] + data[start:]
            case 3:
                data = data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :]
            case 4:
                data = data[:start]
        data = data or b"{"
    return data
