"""What a sample of Inspect used: tokens and cost of the model under test alone."""

from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

from ml_agents_results.formats.coercion import amount, mapping, sequence, total


class Usage(NamedTuple):
    """Tokens and USD; None if unknown."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    cost: float | None = None


def usage_of_model(sample: Mapping[str, Any], evaluated: Mapping[str, Any]) -> Usage:
    """The usage of the evaluated model, without what judges and helpers used.

    Args:
        evaluated: The `eval` of the log's header.
    """
    by_model = mapping(sample.get("model_usage"))
    model = evaluated.get("model")
    if model not in by_model:
        return _sum([_usage(used) for used in by_model.values()])
    own = _usage(by_model[model])
    roles = mapping(evaluated.get("model_roles"))
    for role, used in mapping(sample.get("role_usage")).items():
        known = roles.get(role)
        models = [mapping(one).get("model") for one in sequence(known) or [known]]
        if model in models:
            own = _without(own, _usage(used))
    return own


def _usage(used: object) -> Usage:
    """The tokens by the convention of the log: `total_tokens` tells whether input includes cached
    tokens, as in older logs, and whether output includes reasoning."""
    values = mapping(used)
    known = {name: amount(values.get(name)) for name in values}
    whole = known.get("total_tokens")
    prompt, cached = known.get("input_tokens"), known.get("input_tokens_cache_read")
    cached = total((cached, known.get("input_tokens_cache_write")))
    completion, reasoning = known.get("output_tokens"), known.get("reasoning_tokens")
    prompts = (total((prompt, cached)), prompt)
    completions = (completion, total((completion, reasoning)))
    for choice in product(prompts, completions):
        if whole is not None and total(choice) == whole:
            return Usage(*choice, known.get("total_cost"))
    return Usage(prompts[0], completions[0], known.get("total_cost"))


def _sum(usages: list[Usage]) -> Usage:
    return Usage(*(total(values) for values in zip(*usages, strict=True))) if usages else Usage()


def _without(own: Usage, other: Usage) -> Usage:
    return Usage(
        *(
            None if mine is None else max(0, mine - (theirs or 0))
            for mine, theirs in zip(own, other, strict=True)
        )
    )
