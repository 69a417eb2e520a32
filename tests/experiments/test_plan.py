"""The order of runs, also of plans that were extended."""

import pytest

from ml_agents_results.experiments.plan import Extent, Plan, PlannedModel
from ml_agents_results.experiments.question import Question

MODELS = [PlannedModel("p", "a"), PlannedModel("p", "b"), PlannedModel("q", "a")]


def questions(samples: int) -> list[Question]:
    return [Question(task, n, None, f"{task}{n}", "1") for task in "xy" for n in range(samples)]


def plan(samples: int, approaches: int, models: int, repeats: int, **more: object) -> Plan:
    names = ["None", "CoT1", "Mine"][:approaches]
    asked = questions(samples)
    return Plan(names, asked, repeats, MODELS[:models], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("shuffle", [None, 7])
@pytest.mark.parametrize(
    "before",
    [
        [],
        [Extent(1, 1, 2, 1)],
        [Extent(2, 1, 2, 1), Extent(2, 2, 2, 2)],
        [Extent(3, 3, 4, 1), Extent(3, 3, None, 2)],
    ],
)
def test_every_run_has_one_position(before: list[Extent], shuffle: int | None) -> None:
    whole = plan(4, 3, 3, 3, before=before, shuffle=shuffle)
    keys = [whole.key(position) for position in range(len(whole))]
    assert len(set(keys)) == len(keys) == 3 * 3 * 8 * 3
    assert [whole.position(key) for key in keys] == list(range(len(whole)))
    for position, key in enumerate(keys):
        assert MODELS[whole.model_at(position)] == (key.provider, key.model)
    assert whole.position(keys[0]._replace(repeat_index=3)) is None
    assert whole.position(keys[0]._replace(model="c")) is None


@pytest.mark.parametrize("shuffle", [None, 7])
def test_positions_stay_what_they_were_before_extensions(shuffle: int | None) -> None:
    """Processes that know the plan before and after an extension share their claims."""
    first = plan(2, 2, 1, 1, shuffle=shuffle)
    second = plan(2, 2, 2, 2, before=[Extent(2, 1, 2, 1)], shuffle=shuffle)
    before = [Extent(2, 1, 2, 1), Extent(2, 2, 2, 2)]
    third = plan(4, 3, 3, 2, before=before, shuffle=shuffle)
    for earlier, later in ((first, second), (second, third)):
        assert len(earlier) < len(later)
        for position in range(len(earlier)):
            assert later.key(position) == earlier.key(position)


def test_variants_are_named_by_what_differs() -> None:
    assert plan(1, 2, 1, 1).titles == ["None", "CoT1"]
    assert plan(1, 1, 2, 1).titles == ["a", "b"]
    assert plan(1, 1, 3, 1).titles == ["p/a", "p/b", "q/a"]
    assert plan(1, 2, 2, 1).titles == ["None / a", "CoT1 / a", "None / b", "CoT1 / b"]


def test_samples_that_were_added_are_not_in_random_order() -> None:
    assert plan(2, 1, 1, 1, shuffle=1).describe()["shuffle"] == 1
    repeated = plan(2, 1, 1, 2, shuffle=1, before=[Extent(1, 1, 2, 1)])
    assert (repeated.is_random, repeated.describe()["version"]) == (True, 2)
    assert "shuffle" not in plan(4, 1, 1, 1, shuffle=1, before=[Extent(1, 1, 2, 1)]).describe()
