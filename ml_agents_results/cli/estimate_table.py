"""Dry run: prints what an experiment would ask and cost."""

from typing import TYPE_CHECKING

from ml_agents_results.cli.database_options import named_database
from ml_agents_results.cli.output_options import emit_json
from ml_agents_results.errors import NotFoundError
from ml_agents_results.reports.terminal import print_table, write

if TYPE_CHECKING:
    from ml_agents_results.config import ExperimentConfig
    from ml_agents_results.experiments.cost_estimate import ApproachEstimate


def print_estimate(
    config: "ExperimentConfig", db_path: str | None, db_url: str | None, as_json: bool
) -> None:
    """Loads and checks everything, opens the provider, and asks nothing."""
    from ml_agents_results.experiments.cost_estimate import estimate
    from ml_agents_results.experiments.plan import prepare
    from ml_agents_results.experiments.runner import connected

    study = prepare(config)
    with connected(config, study.approaches) as provider:
        try:
            with named_database(db_path, db_url).read() as connection:
                estimates = estimate(study, provider, connection)
        except NotFoundError:
            # Without a database there are no earlier answers.
            estimates = estimate(study, provider, None)
        document = {
            "provider": provider.name,
            "model": provider.model,
            "dataset": study.dataset.name,
            "runs": len(study.plan),
            "approaches": [row.to_dict() for row in estimates],
        }
    if as_json:
        emit_json(document)
        return
    print_table(
        ("approach", "runs", "calls", "input", "output", "at most", "cost", "at most"),
        [_cells(row) for row in estimates],
        7,
    )
    write(f"{len(study.plan):,} runs on {provider.name}/{provider.model}; nothing was asked.")
    write(
        "Tokens and USD are estimates: input by the characters, output as in earlier answers of "
        "this model, and at most --max-tokens per call; approaches of several steps may take more "
        "calls."
    )


def _cells(row: "ApproachEstimate") -> tuple[object, ...]:
    return (
        row.approach_name,
        *map(_number, (row.runs, row.calls, row.input_tokens)),
        *map(_number, (row.output_tokens, row.most_output_tokens)),
        *map(_usd, (row.cost, row.most_cost)),
    )


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _usd(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"${value:.2g}" if 0 < value < 1 else f"${value:,.2f}"
