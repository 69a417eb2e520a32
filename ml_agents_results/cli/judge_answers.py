"""The part of `score` that asks judges, and what it prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from ml_agents_results.cli.output_options import PARTLY, emit_json
from ml_agents_results.cli.progress_bar import progress_bar
from ml_agents_results.cli.setting_options import named_models
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say, write

if TYPE_CHECKING:
    from ml_agents_results.experiments.stored_judging import Judged, StoredJudging
    from ml_agents_results.processor import ResultsProcessor


def judge_answers(
    processor: "ResultsProcessor",
    experiment: str,
    rubric: str | None,
    *,
    models: Sequence[str],
    settings: dict[str, Any],
    max_cost: float | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Asks judges about the answers of an experiment; prints what came of it.

    Args:
        rubric: A file, or the name of one of the package's.
        models: The judges' models; none is the provider's default.
        settings: How they are asked.
        options: Those of `StoredJudging`.
    """
    from ml_agents_results.config import ExperimentConfig
    from ml_agents_results.experiments.config_file import read_text
    from ml_agents_results.experiments.connections import connected
    from ml_agents_results.experiments.platform_files import rewrite_platform_files
    from ml_agents_results.experiments.stored_judging import StoredJudging
    from ml_agents_results.scoring.judging import find_rubric

    if rubric is None:
        raise UsageError("a judge needs a rubric", "Name it with --rubric; see docs/scoring.md.")
    chosen = find_rubric(rubric)
    if "system" in settings:
        settings["system"] = read_text(settings["system"])
    config = ExperimentConfig(**settings, **named_models(models))
    config.check()
    with connected(config) as providers:
        judging = StoredJudging(
            processor,
            experiment,
            chosen,
            providers,
            config,
            repeats=config.repeats,
            **options,
        )
        if dry_run:
            _show_plan(judging, experiment, as_json)
            return
        with progress_bar("Judging", judging.plan().verdicts) as progress:
            result = judging.run(config.concurrency, max_cost=max_cost, progress=progress, say=say)
    if result.primary:
        rewrite_platform_files(processor.database, experiment)
    if as_json:
        emit_json({"experiment_id": experiment, "rubric": chosen.name, **result.document()})
    else:
        _show(result)
    if result.left or result.unjudged:
        raise typer.Exit(PARTLY)


def _show_plan(judging: "StoredJudging", experiment: str, as_json: bool) -> None:
    plan = judging.plan()
    if as_json:
        emit_json({"experiment_id": experiment, **vars(plan)})
        return
    write(
        f"{plan.metric}: {plan.verdicts} verdicts to ask for, {plan.calls} calls, "
        f"about {plan.prompt_tokens:,} tokens to read; nothing was asked."
    )


def _show(result: "Judged") -> None:
    counts = [f"{result.scored} of {result.read} verdicts", f"{result.asked} asked for now"]
    counts += [f"{count} {label}" for label, count in result.without.most_common()]
    counts += [f"{result.left} left"] if result.left else []
    write(f"{result.metric}: {', '.join(counts)}")
    tokens = f"{result.prompt_tokens:,} tokens read, {result.completion_tokens:,} written"
    write(f"Judge: {tokens}" + ("" if result.cost is None else f", ${result.cost:.4f}"))
    if result.agreement is not None:
        write(f"Agreement of the verdicts on an answer: {result.agreement:.0%}")
    if result.position_dependent:
        share = result.position_dependent / result.scored
        write(f"{result.position_dependent} verdicts ({share:.0%}) changed with the order: ties")
    if result.unjudged:
        say(f"{result.unjudged} answers have no verdict: ask again with --retry-failed.")
    if result.left:
        say("The same command asks for those that are left.")
