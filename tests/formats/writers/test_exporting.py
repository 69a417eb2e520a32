"""What holds for every format."""

from pathlib import Path

import pytest

from ml_agents_results.errors import NotFoundError, OutputError, UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.registry import find_writer, writer_names
from ml_agents_results.formats.snapshot import PARTS
from ml_agents_results.processor import ResultsProcessor


@pytest.fixture(params=writer_names())
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tree(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*.*") if one.is_file()
    }


def test_an_export_repeats_byte_by_byte(
    processor: ResultsProcessor, tmp_path: Path, format: str
) -> None:
    for name in ("one", "two"):
        export(processor.database, ["exp", "odd"], tmp_path / name, format)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_nothing_is_replaced_without_force(
    processor: ResultsProcessor, tmp_path: Path, format: str
) -> None:
    path = tmp_path / "out"
    export(processor.database, "exp", path, format)
    before = tree(path)
    with pytest.raises(OutputError, match="exists"):
        export(processor.database, "second", path, format)
    assert tree(path) == before
    export(processor.database, "second", path, format, force=True)
    assert tree(path) != before


@pytest.mark.parametrize(
    "format", [name for name in writer_names() if name not in ("markdown", "latex", "html")]
)
def test_a_failed_export_leaves_the_old_output_and_nothing_else(
    processor: ResultsProcessor, tmp_path: Path, format: str
) -> None:
    path = tmp_path / "deep" / "out"
    path.parent.mkdir()
    export(processor.database, "exp", path, format)
    before = tree(path)

    def stop(_runs: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(processor.database, "exp", path, format, force=True, progress=stop)
    assert tree(path) == before
    assert list(path.parent.iterdir()) == [path]


def test_every_format_takes_every_experiment(
    processor: ResultsProcessor, tmp_path: Path, format: str
) -> None:
    for names in (["none"], ["failed"], ["odd"], ["none", "failed", "second"]):
        path = tmp_path / "-".join(names)
        if names == ["none"] and format in ("eee", "inspect"):
            with pytest.raises(UsageError, match="no runs"):
                export(processor.database, names, path, format)
        else:
            export(processor.database, names, path, format)
            assert tree(path)


def test_a_missing_folder_is_named(
    processor: ResultsProcessor, tmp_path: Path, format: str
) -> None:
    with pytest.raises(OutputError, match="missing") as caught:
        export(processor.database, "exp", tmp_path / "missing" / "out", format)
    assert "mkdir" in str(caught.value.hint)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named(processor: ResultsProcessor, format: str) -> None:
    with pytest.raises(OutputError, match=r"No space left|is a file"):
        export(processor.database, ["exp", "odd"], "/dev/full", format)


def test_unknown_things_are_named(processor: ResultsProcessor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pickle") as caught:
        export(processor.database, "exp", tmp_path / "out", "pickle")
    assert "jsonl" in str(caught.value.hint)
    with pytest.raises(UsageError, match="ending"):
        export(processor.database, "exp", tmp_path / "out.doc")
    with pytest.raises(NotFoundError, match="exq"):
        export(processor.database, "exq", tmp_path / "out.json")
    with pytest.raises(UsageError, match="chunk size"):
        export(processor.database, "exp", tmp_path / "out.json", chunk_size=0)
    with pytest.raises(UsageError, match="partitioned"):
        export(processor.database, "exp", tmp_path / "out.json", partition_by=["model"])
    assert list(tmp_path.glob("out*")) == []


def test_every_format_says_which_parts_it_has(format: str) -> None:
    assert set(find_writer(format).PARTS) <= set(PARTS)
