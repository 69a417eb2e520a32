"""The examples of docs/orm.md run as they stand, one after the other, in a folder of their own."""

import re
from pathlib import Path

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.integrity_checks import check

PAGE = Path(__file__).parents[2] / "docs" / "orm.md"


def test_the_examples_run(db_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(db_path.parent)
    db_path.rename("ml_agents_results.db")
    names: dict[str, object] = {}
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) > 5
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    assert check(Database("ml_agents_results.db")).problems == []
