"""score: scores stored answers again by a grader, or asks a judge about them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import EXPERIMENT, resolve_id
from ml_agents_results.cli.help_panels import JUDGE, SCORING, STATISTICS
from ml_agents_results.cli.judge_answers import judge_answers
from ml_agents_results.cli.option_groups import Names, flag, grouped, option
from ml_agents_results.cli.option_values import listed
from ml_agents_results.cli.output_options import JSON, PARTLY, emit_json
from ml_agents_results.cli.progress_bar import progress_bar
from ml_agents_results.cli.setting_options import SettingOptions
from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say, write

if TYPE_CHECKING:
    from ml_agents_results.experiments.rescoring import Difference, Disagreement, StoredScoring
    from ml_agents_results.processor import ResultsProcessor

EXAMPLES = 10
"""Answers that --dry-run shows."""

_SHOWN_OF_RUN = (
    *("approach_name", "model", "task", "sample_index", "repeat_index", "expected_answer"),
)
_ASKING = ("provider", "repeats", "concurrency", *vars(ProviderSettings))
"""Settings that only a judge has."""


@grouped
def score(
    experiment_id: list[str] = EXPERIMENT,
    grader: str | None = option(
        "NAME",
        "Grader, with settings (number,relative=0.01), module:function, or judge. [default: the "
        "experiment's]",
        panel=SCORING,
    ),
    name: str | None = option(
        "METRIC", "Name of the metric. [default: the grader's or rubric's name]"
    ),
    primary: bool = flag("--primary", "Make it the primary metric, which reports are about."),
    reparse: bool = flag(
        "--reparse", "Parse the outputs again; answers that a person read are kept.", panel=SCORING
    ),
    answer_kind: str | None = option(
        "KIND",
        "Kind of answer: number, choice, math, ... [default: as stored, else guessed]",
        panel=SCORING,
    ),
    answer_pattern: str | None = option(
        "REGEX", "Regular expression whose one group is the answer; with --reparse.", panel=SCORING
    ),
    rubric: str | None = option(
        "FILE",
        "Markdown file with the judge's prompt (docs/scoring.md), or one of: correct, coverage, "
        "refusal, preference.",
        panel=JUDGE,
    ),
    model: Names = option(
        "NAME,...", "The judge's model at the provider; several are a panel.", panel=JUDGE
    ),
    baseline: str | None = option(
        "NAME",
        "Pairwise rubrics: the approach or model to compare the others with. [default: None]",
        panel=STATISTICS,
    ),
    retry_failed: bool = flag(
        "--retry-failed", "Ask again where the judge failed or gave no readable verdict."
    ),
    max_cost: float | None = option(
        "USD", "Stop asking once the judge has cost this much.", panel=JUDGE, min=0
    ),
    *,
    settings: Annotated[dict[str, Any], SettingOptions(names=_ASKING)],
    dry_run: bool = flag("--dry-run", "Save and ask nothing: show what would change."),
    diff: str | None = option(
        "METRIC", "Save nothing: list the answers on which the grader and this metric disagree."
    ),
    force: bool = flag("--force", "Replace scores of a metric that is defined otherwise."),
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Score stored answers again by a rule; or ask a judge (--grader judge)."""
    from ml_agents_results.experiments.rescoring import StoredScoring
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.scoring.extraction import compile_pattern
    from ml_agents_results.scoring.graders import JUDGE as BY_JUDGE
    from ml_agents_results.scoring.kinds import check_kind

    judged = grader == BY_JUDGE
    only_judges = {
        "--rubric": rubric,
        "--model": model,
        "--baseline": baseline,
        "--retry-failed": retry_failed or None,
        "--max-cost": max_cost,
        **{f"--{key.replace('_', '-')}": value for key, value in settings.items()},
    }
    only_rules = {
        "--reparse": reparse or None,
        "--answer-kind": answer_kind,
        "--answer-pattern": answer_pattern,
        "--diff": diff,
    }
    for written, value in (only_rules if judged else only_judges).items():
        if value is not None:
            raise UsageError(
                f"{written} does not go with {'a judge' if judged else 'a rule'}",
                "A judge is given the whole output."
                if judged
                else "It is for judges: --grader judge --rubric FILE.",
            )
    database = where.current()
    with database.read() as connection:
        experiment = resolve_id(connection, experiment_id)
    with ResultsProcessor(database) as processor:
        if judged:
            judge_answers(
                processor,
                experiment,
                rubric,
                models=listed(model),
                settings=settings,
                max_cost=max_cost,
                dry_run=dry_run,
                as_json=as_json,
                name=name,
                primary=primary,
                baseline=baseline,
                force=force,
                retry=retry_failed,
            )
            return
        if answer_pattern is not None:
            if not reparse:
                raise UsageError("--answer-pattern needs --reparse", "Add --reparse.")
            compile_pattern(answer_pattern)
        scoring = StoredScoring(
            processor,
            experiment,
            grader,
            reparse=reparse,
            answer_kind=None if answer_kind is None else check_kind(answer_kind),
            pattern=answer_pattern,
            name=name,
            primary=primary,
            force=force or dry_run or diff is not None,
        )
        if dry_run or diff is not None:
            _compare(scoring, experiment, diff, as_json)
        else:
            _score(processor, scoring, experiment, as_json)


def _score(
    processor: "ResultsProcessor", scoring: "StoredScoring", experiment: str, as_json: bool
) -> None:
    from ml_agents_results.experiments.platform_files import rewrite_platform_files

    with progress_bar("Scoring") as progress:
        result = scoring.run(progress)
    if result.primary:
        rewrite_platform_files(processor.database, experiment)
    if as_json:
        emit_json({"experiment_id": experiment, "grader": scoring.grader, **result.document()})
    else:
        counts = [f"{result.scored} of {result.read} answers scored", f"{result.changed} changed"]
        counts += [f"{count} {label}" for label, count in result.without.most_common()]
        write(f"{result.metric}: {', '.join(counts)}")
    _end(result.errors, result.first_error)


def _end(errors: int, first_error: str | None) -> None:
    if errors:
        say(f"The grader failed on {errors} answers: {first_error}")
        raise typer.Exit(PARTLY)


def _compare(scoring: "StoredScoring", experiment: str, metric: str | None, as_json: bool) -> None:
    with progress_bar("Scoring") as progress:
        result = scoring.compare(
            metric, examples=None if metric is not None else EXAMPLES, progress=progress
        )
    if as_json:
        emit_json(_comparison_document(experiment, scoring.grader, result))
    else:
        write(
            f"{scoring.grader} differs from {result.metric} on {result.differing} of "
            f"{result.read} answers; nothing was saved."
        )
        for one in result.examples:
            write(_line(one))
        if len(result.examples) < result.differing:
            write(f"... and {result.differing - len(result.examples)} more: --diff {result.metric}")
    _end(result.errors, result.first_error)


def _comparison_document(experiment: str, grader: str, result: "Disagreement") -> dict[str, Any]:
    return {
        "experiment_id": experiment,
        "grader": grader,
        "metric": result.metric,
        "read": result.read,
        "differing": result.differing,
        "errors": result.errors,
        "examples": [
            {
                "run_id": one.run.id,
                **{name: getattr(one.run, name) for name in _SHOWN_OF_RUN},
                "parsed_answer": one.parsed,
                "before": one.before,
                "after": one.after,
                "label": one.label or None,
            }
            for one in result.examples
        ],
    }


def _line(one: "Difference") -> str:
    """A differing answer in 80 columns: where, what is expected, what was read, and the change."""
    run = one.run
    where = f"{run.task}:{run.sample_index}" if run.task else str(run.sample_index)
    label = f" ({one.label})" if one.label else ""
    change = f"{_value(one.before)} -> {_value(one.after)}{label}"
    texts = [_short(text, 18) for text in (run.expected_answer, one.parsed)]
    return f"  {where:>6} {run.approach_name:<15.15} {texts[0]:<18} {texts[1]:<18} {change}"


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _short(text: str | None, width: int) -> str:
    flat = " ".join((text or "-").split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
