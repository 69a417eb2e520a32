"""The three programs of docs/recording.md, run twice each: the second time nothing is asked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.endpoint import Endpoint
from tests.processes import environment

PAGE = (Path(__file__).parents[2] / "docs" / "recording.md").read_text(encoding="utf-8")
PLAIN, ASYNC, POOL = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(program: str, **names: object) -> None:
    exec(compile(program, "docs/recording.md", "exec"), dict(names))


def test_the_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(PLAIN)
    with ResultsProcessor("results.db") as results:
        before = list(results.iter_runs("sums"))
        assert [record.is_correct for record in before] == [True, False]
    run(PLAIN)
    with ResultsProcessor("results.db") as results:
        assert list(results.iter_runs("sums")) == before


def test_asyncio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Endpoint("It is 4.") as endpoint:
        run(ASYNC, URL=endpoint.url)
        assert endpoint.requests == 20
        run(ASYNC, URL=endpoint.url)
        assert endpoint.requests == 20
    with ResultsProcessor("results.db") as results:
        records = list(results.iter_runs("async sums"))
    assert [record.input_text for record in records] == [f"What is {n} + 1?" for n in range(20)]
    assert {record.raw_output for record in records} == {"It is 4."}
    assert all(record.prompt_tokens and record.finish_reason == "stop" for record in records)


def test_several_processes(tmp_path: Path) -> None:
    program = tmp_path / "pool.py"
    program.write_text(POOL, encoding="utf-8")
    subprocess.run(
        [sys.executable, program], cwd=tmp_path, check=True, timeout=100, env=environment()
    )
    with ResultsProcessor(tmp_path / "results.db") as results:
        records = list(results.iter_runs("pool"))
        assert sorted(record.sample_index for record in records) == list(range(40))
        assert results.get_experiment("pool").status == "completed"
