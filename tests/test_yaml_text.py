"""YAML within bounds: what a few lines can stand for, nobody waits for."""

import time

import pytest

from ml_agents_results.yaml_text import load_yaml

ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: 1}}\n" for n in range(1, 12)
)


def test_settings_and_repeated_values_are_read() -> None:
    text = "model: m\nshared: &s {a: 1}\nfirst: *s\nsecond: {<<: *s, b: [2, null]}\n"
    assert load_yaml(text) == {
        "model": "m",
        "shared": {"a": 1},
        "first": {"a": 1},
        "second": {"a": 1, "b": [2, None]},
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ALIASES, "repeat too much"),
        ("a: &a [*a]", "nested too deeply"),
        ("[" * 5000, "nested too deeply"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("x" * 2_000_000, "longer than 1 MiB"),
        ("a: [1", "line 1"),
        ("a: 2024-13-45", "month"),
        ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_settings_is_refused_at_once(text: str, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=why):
        load_yaml(text)
    assert time.monotonic() - began < 10


def test_merges_that_repeat_end_at_once() -> None:
    """From 6.0.4 on PyYAML merges every key once; before, there would be billions."""
    began = time.monotonic()
    try:
        assert len(load_yaml(MERGES)["a11"]) == 12
    except ValueError as error:
        assert "merges too much" in str(error)  # noqa: PT017 - not with every PyYAML
    assert time.monotonic() - began < 10
