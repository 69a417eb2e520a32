"""Which providers an experiment's models have."""

from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.connections import connected, names_of
from ml_agents_results.experiments.study import prepare
from ml_agents_results.providers.interface import AuthenticationFailed

HERE = "http://127.0.0.1:9/v1"


def endpoints(**settings: Any) -> list[tuple[str, str, str]]:
    with connected(ExperimentConfig(**settings)) as providers:
        return [(one.name, one.model, one.endpoint) for one in providers]


def test_a_model_may_name_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    models = ["llama3:8b", "openai:gpt-5", "ft:x"]
    assert endpoints(models=models, base_url=HERE) == [
        ("openai-compatible", "llama3:8b", HERE),
        ("openai", "gpt-5", "https://api.openai.com/v1"),
        ("openai-compatible", "ft:x", HERE),
    ]
    assert endpoints(model="openai:gpt-5", provider="openai", base_url=HERE) == [
        ("openai", "gpt-5", HERE)
    ]
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(AuthenticationFailed, match="OPENAI_API_KEY is not set"):
        endpoints(models=models, base_url=HERE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "a", "models": ["b"]}, "cannot be combined"),
        ({"models": ["a", "a"]}, "the model a is named twice"),
        ({"models": "ab"}, "models must be a list of names"),
    ],
)
def test_what_names_no_models(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExperimentConfig(**settings).check()


def test_two_models_are_not_stored_under_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    config = ExperimentConfig(models=["gpt-5", "openai:gpt-5"], provider="openai")
    study = prepare(config)
    with (
        connected(config) as providers,
        pytest.raises(UsageError, match="two models are stored as openai/gpt-5"),
    ):
        study.asking(names_of(providers))
