"""Dry run: prints what an experiment would ask and cost."""

from typing import TYPE_CHECKING

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.output_options import emit_json
from ml_agents_results.errors import NotFoundError
from ml_agents_results.reports.terminal import print_table, say, write

if TYPE_CHECKING:
    from ml_agents_results.experiments.cost_estimate import VariantEstimate
    from ml_agents_results.experiments.study import Study


def print_estimate(
    study: "Study",
    settled: bytearray,
    pilot: int | None,
    where: DatabaseOptions,
    as_json: bool,
) -> None:
    """Opens the providers, asks the questions of the pilot and no others, and prints the estimate.

    Args:
        settled: One byte for each position of the plan: 1 where nothing is left to do.
        pilot: Questions to ask of each variant; None asks none.
    """
    from ml_agents_results.experiments.connections import connected, names_of
    from ml_agents_results.experiments.cost_estimate import estimate
    from ml_agents_results.experiments.pilot import pilot_usage

    with connected(study.config, study.approaches) as providers:
        study = study.asking(names_of(providers))
        seen = None if pilot is None else pilot_usage(study, providers, pilot, say)
        try:
            with where.named().read() as connection:
                estimates = estimate(study, settled, providers, connection, seen)
        except NotFoundError:
            # Without a database there are no earlier answers.
            estimates = estimate(study, settled, providers, None, seen)
    runs = sum(row.runs for row in estimates)
    if as_json:
        emit_json(
            {
                "dataset": study.dataset.name,
                "runs": runs,
                "pilot": pilot,
                "variants": [row.to_dict() for row in estimates],
            }
        )
        return
    titles = study.plan.titles
    print_table(
        ("variant", "runs", "calls", "input", "output", "at most", "cost", "95%", "at most"),
        [_cells(title, row) for title, row in zip(titles, estimates, strict=True)],
        8,
    )
    asked = "nothing was asked" if pilot is None else "only the pilot was asked, nothing recorded"
    models = ", ".join("/".join(model) for model in study.plan.models)
    write(f"{runs:,} runs on {models}; {asked}.")
    write(
        "Tokens and USD are estimates: input by the characters, output as in "
        f"{'the pilot' if pilot else 'earlier answers of this model'}, and at most --max-tokens "
        "per call; approaches of several steps may take more calls. Answers that a cache holds "
        "are counted as if they were asked."
    )


def _cells(title: str, row: "VariantEstimate") -> tuple[object, ...]:
    low, high = row.cost_low, row.cost_high
    interval = None if low is None or high is None else f"{_usd(low)} to {_usd(high)}"
    return (
        title,
        *map(_number, (row.runs, row.calls, row.input_tokens)),
        *map(_number, (row.output_tokens, row.most_output_tokens)),
        _usd(row.cost),
        interval,
        _usd(row.most_cost),
    )


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _usd(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"${value:.2g}" if 0 < value < 1 else f"${value:,.2f}"
