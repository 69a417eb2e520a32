"""Settings that make no sense are refused before anything is asked or recorded."""

from pathlib import Path

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.config import settings as settings_of_experiments
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.config_file import read_config

KEY = "sk-test-4f9a8b7c6d5e4f3a2b1c"


def settings(tmp_path: Path, content: str) -> ExperimentConfig:
    (tmp_path / "e.yaml").write_text(content, encoding="utf-8")
    config = ExperimentConfig.from_dict(read_config(str(tmp_path / "e.yaml")))
    config.check()
    return config


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("temperature: hot", "temperature is 'hot'"),
        ("temperature: -1", "temperature is -1"),
        ("temperature: .nan", "temperature is nan"),
        ("timeout: .inf", "timeout is inf"),
        ("seed: abc", "seed is 'abc'"),
        ("max_tokens: 1e3", "max_tokens is '1e3'"),
        ("samples: yes", "samples is True"),
        ("allow_code_execution: 'no'", "allow_code_execution is 'no'"),
        ("approaches: [~, CoT]", "approaches must be a list of names"),
        ("name: 2026", "name must be a string"),
        ("model: 4.5", "model must be a string"),
        (f"base_url: [{KEY}]", "base_url must be a string"),
        ("extra: [1]", "must be a mapping"),
        ("columns: {input: [question]}", "columns must be a mapping"),
        ("database: {backup_frequency: often}", "backup_frequency is 'often'"),
        ("database: {keep: -1}", "keep is -1"),
        ("database: {enabled: 'no'}", "enabled is 'no'"),
        ("database: {connection_timeout: 0}", "connection_timeout is 0"),
        ("database: {db_path: 5}", "db_path must be a string"),
    ],
)
def test_a_value_of_another_kind_is_named(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        settings(tmp_path, content)
    assert told in refused.value.message
    assert refused.value.hint
    assert KEY not in f"{refused.value.message} {refused.value.hint}"


def test_values_of_the_right_kind_are_taken(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        "approaches: None,CoT\ntemperature: 0\nseed: -1\ntimeout: 30\ngrace: 0\n"
        "allow_code_execution: true\nmodel: '4'\ncolumns: {input: q}\nextra: {note: 1}\n"
        "database: {db_path: r.db, backup_frequency: 0, enabled: false, url: null}\n",
    )
    assert (made.timeout, made.grace, made.allow_code_execution) == (30, 0, True)


def test_settings_are_arguments_and_those_that_were_given_are_recorded() -> None:
    config = ExperimentConfig(concurrency=8, base_url="http://x/v1", extra={"note": 1, "grace": 2})
    assert (config.concurrency, config.max_retries, config.grace) == (8, 5, 2)
    assert config.extra == {"note": 1}
    document = config.to_dict()
    assert document["extra"] == {
        "note": 1,
        "concurrency": 8,
        "base_url": "http://x/v1",
        "grace": 2,
    }
    assert (document["repeats"], document["temperature"]) == (1, None)
    assert ExperimentConfig.from_dict(document) == config


def test_none_gives_no_value() -> None:
    config = ExperimentConfig(concurrency=None, timeout=None)  # type: ignore[arg-type]
    assert config.concurrency == 4
    assert config.given() == {}


def test_every_setting_says_what_it_means() -> None:
    for setting in settings_of_experiments():
        assert setting.help.endswith((".", "`."))
        setting.check(setting.default)
