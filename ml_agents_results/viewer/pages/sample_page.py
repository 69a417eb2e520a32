"""One sample: the question, the answers of all variants side by side, steps, scores, neighbours."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.records import RunRecord, Variant, variant_labels
from ml_agents_results.reports.word_diff import Part, word_diff
from ml_agents_results.repositories.run_list import RunLine, RunListRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.sample_grid import SampleGridRepository
from ml_agents_results.viewer.cell_links import experiment_crumbs, sample_link
from ml_agents_results.viewer.grid_query import GridQuery, experiments_of
from ml_agents_results.viewer.neighbours import neighbours_of, origin_of_link, usual_origin
from ml_agents_results.viewer.site import Site
from ml_agents_results.viewer.variant_links import variant_of, variant_slug

AT_ONCE = 4
MOST_AT_ONCE = 8
_MOST_TOGGLES = 16
LONGEST = 100_000
"""Characters of a text that the page holds; the whole is one click away."""

DIFFS = ("none", "baseline", "expected")
_TEXTS = ("input_text", "expected_answer", "raw_output", "reasoning_text", "error")
_HIDDEN = ("steps",)
"""What of the metadata is shown elsewhere."""


@dataclass(frozen=True, slots=True)
class Side:
    """A variant's answer: the chosen repeat, its outcome, and what it shows.

    Attributes:
        lines: All repeats of the variant.
        parts: The output against what it is compared with; None where it is shown as it is.
        marked: The output around the parsed answer; None where that is not to be found in it.
    """

    variant: Variant
    label: str
    run: RunRecord
    outcome: str
    lines: Sequence[RunLine]
    parts: Sequence[Part] | None
    marked: tuple[str, str, str] | None
    steps: Sequence[dict[str, Any]]
    metadata: str
    is_baseline: bool

    @property
    def right(self) -> int:
        return sum(line.outcome == "correct" for line in self.lines)


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    if "sample" in params:
        return _go_to(site, params.get("experiment", ""), params["sample"].strip())
    ids, task = experiments_of(params), params.get("task", "")
    index = _index(params.get("index", ""))
    diff = params.get("diff", "none")
    if diff not in DIFFS:
        raise UsageError(f"diff cannot be {diff!r}", f"Choose of: {', '.join(DIFFS)}")
    record, *_ = [site.record(one) for one in ids]
    variants = site.variants(*ids)
    with site.store.read() as connection:
        lines = RunListRepository(connection).of_sample(variants, task, index)
        if not lines:
            raise NotFoundError(
                f"experiment {' and '.join(map(repr, ids))} has no sample {index}"
                + (f" of task {task!r}" if task else ""),
                "Its runs may have been deleted meanwhile.",
            )
        there = list(dict.fromkeys(map(_variant, lines)))
        focus = next((line for line in lines if line.id == params.get("run")), None)
        shown = _shown(params.getlist("v"), there, focus)
        chosen = [_line_of(lines, variant, focus, params.get("repeat")) for variant in shown]
        runs = RunRepository(connection).find_many([line.id for line in chosen])
        focus = focus or chosen[0]
        origin = origin_of_link(params.get("from"), variants) or usual_origin(focus)
        places = neighbours_of(connection, origin, focus)
    labels = variant_labels(variants)
    baseline = _baseline(there)
    sides = [
        _side(line, runs[line.id], lines, labels, baseline, diff, runs, chosen)
        for line in chosen
        if line.id in runs
    ]
    first, address = sides[0].run, _Address(request)
    return site.page(
        "sample.html",
        title=f"{task}:{index}" if task else f"Sample {index}",
        crumbs=[
            *experiment_crumbs(record.id, record.name),
            (origin.url(), "Samples" if isinstance(origin, GridQuery) else "Runs"),
        ],
        record=record,
        question=first.input_text or "",
        expected=first.expected_answer,
        sample_id=first.sample_id,
        choices=_choices(first),
        sides=sides,
        there=there,
        shown=shown,
        most_toggles=_MOST_TOGGLES,
        outcomes={_variant(line): line.outcome for line in reversed(lines)},
        labels=labels,
        lines=lines,
        diff=diff,
        diffs=DIFFS,
        pretty=lambda value: json_bytes(value, indent=True).decode(),
        longest=LONGEST,
        most=MOST_AT_ONCE,
        with_params=address.with_params,
        toggled=partial(address.toggled, shown),
        text_url=lambda run, name: "/text?" + urlencode({"id": run.id, "field": name}),
        focus=focus,
        neighbours={name: address.with_params(**place) for name, place in places.items()},
        baseline=baseline,
        commands=[_command(site, one, task, index) for one in ids],
    )


def of_run(site: Site, request: Request) -> Response:
    """The permanent link of a run leads to its sample."""
    with site.store.read() as connection:
        run = RunRepository(connection).get(request.query_params.get("id", ""))
    link = sample_link(run.experiment_id, run.task, run.sample_index)
    return RedirectResponse(f"{link}&{urlencode({'run': run.id})}", 303)


def whole_text(site: Site, request: Request) -> Response:
    """A text of a run as it is, to be saved or read in full."""
    params = request.query_params
    name = params.get("field", "")
    if name not in _TEXTS:
        raise UsageError(f"there is no text {name!r}", f"Choose of: {', '.join(_TEXTS)}")
    with site.store.read() as connection:
        run = RunRepository(connection).get(params.get("id", ""))
    content = (getattr(run, name) or "").encode("utf-8", "backslashreplace")
    headers = {"Content-Disposition": f'attachment; filename="{name}.txt"'}
    return Response(content, media_type="text/plain; charset=utf-8", headers=headers)


def _go_to(site: Site, experiment_id: str, text: str) -> Response:
    variants = site.variants(experiment_id)
    with site.store.read() as connection:
        key = SampleGridRepository(connection, (experiment_id,)).find(variants, text)
    if key is None:
        raise NotFoundError(
            f"experiment {experiment_id!r} has no sample {text!r}",
            "Give its task and index, as in sums:12, or the data set's own id.",
        )
    return RedirectResponse(sample_link(experiment_id, *key), 303)


def _index(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise UsageError(f"index cannot be {text!r}", "It is the number of the sample in its task.")


def _variant(line: RunLine) -> Variant:
    return Variant(line.experiment_id, line.approach_name, line.provider, line.model)


def _baseline(variants: Sequence[Variant]) -> Variant:
    return next((one for one in variants if one.approach_name == "None"), variants[0])


def _shown(slugs: Sequence[str], there: Sequence[Variant], focus: RunLine | None) -> list[Variant]:
    """The variants side by side: those that are named, else the first few and the run's own."""
    if slugs:
        named = [variant_of(slug, there) for slug in slugs]
        return list(dict.fromkeys(named))[:MOST_AT_ONCE]
    shown = sorted(there, key=lambda one: one != _baseline(there))[:AT_ONCE]
    if focus is not None and (own := _variant(focus)) not in shown:
        shown[-1] = own
    return shown


def _line_of(
    lines: Sequence[RunLine], variant: Variant, focus: RunLine | None, repeat: str | None
) -> RunLine:
    """The repeat of a variant that is shown: the run's own, the one that is named, or the first."""
    own = [line for line in lines if _variant(line) == variant]
    wanted = focus.repeat_index if focus is not None else None
    if repeat is not None and repeat.isascii() and repeat.isdigit():
        wanted = int(repeat)
    return next((line for line in own if line.repeat_index == wanted), own[0])


def _side(
    line: RunLine,
    run: RunRecord,
    lines: Sequence[RunLine],
    labels: dict[Variant, str],
    baseline: Variant,
    diff: str,
    runs: dict[str, RunRecord],
    chosen: Sequence[RunLine],
) -> Side:
    variant = _variant(line)
    metadata = dict(run.metadata_json or {})
    steps = metadata.get("steps")
    other = None
    if diff == "expected":
        other = run.expected_answer
    elif diff == "baseline" and variant != baseline:
        of_baseline = next((one for one in chosen if _variant(one) == baseline), None)
        other = runs[of_baseline.id].raw_output if of_baseline is not None else None
    short = max(len(run.raw_output or ""), len(other or "")) <= LONGEST
    parts = word_diff(other, run.raw_output or "") if other is not None and short else None
    rest = {name: value for name, value in metadata.items() if name not in _HIDDEN}
    return Side(
        variant,
        labels[variant],
        run,
        line.outcome,
        [one for one in lines if _variant(one) == variant],
        parts,
        None if parts else _marked(run.raw_output or "", run.parsed_answer or ""),
        [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else [],
        json_bytes(rest, indent=True).decode() if rest else "",
        variant == baseline,
    )


def _marked(output: str, answer: str) -> tuple[str, str, str] | None:
    """What stands before the answer, the answer, and what follows: where it occurs last, since that
    is what parsers read."""
    if not answer.strip() or len(output) > LONGEST:
        return None
    words = re.compile(rf"(?<!\w){re.escape(answer.strip())}(?!\w)", re.IGNORECASE)
    if not (places := list(words.finditer(output))):
        return None
    last = places[-1]
    return output[: last.start()], last[0], output[last.end() :]


def _choices(run: RunRecord) -> list[str]:
    choices = (run.metadata_json or {}).get("choices")
    return [str(one) for one in choices] if isinstance(choices, list) else []


class _Address:
    """The address of this page, from which links lead to it with other parameters."""

    def __init__(self, request: Request) -> None:
        pairs = request.query_params.multi_items()
        self._written = [(name, _written(name, value)) for name, value in pairs]

    def with_params(self, **changes: str | None) -> str:
        written = [_written(*pair) for pair in changes.items() if pair[1] is not None]
        return self._with(changes, written)

    def toggled(self, shown: Sequence[Variant], variant: Variant) -> str:
        """With one variant more, or less."""
        after = [one for one in shown if one != variant]
        if variant not in shown:
            after.append(variant)
        return self._with(("v",), [_written("v", variant_slug(one)) for one in after])

    def _with(self, names: Collection[str], written: Sequence[str]) -> str:
        left = (pair for name, pair in self._written if name not in names)
        return "/sample?" + "&".join([*left, *written])


def _written(name: str, value: str | None) -> str:
    return urlencode(((name, value),), errors="surrogatepass")


def _command(site: Site, experiment_id: str, task: str, index: int) -> str:
    import shlex

    sample = shlex.quote(f"{task}:{index}" if task else str(index))
    named = f"--experiment-id {shlex.quote(experiment_id)} --sample {sample}"
    return f"ml-agents show {named} {site.store.database.option}"
