"""The names that people give to the columns of their tables, and the fields of runs they mean."""

import re
from collections.abc import Collection, Iterable, Mapping

from ml_agents_results.formats.coercion import FLAGS

_NAMES = {
    "sample_id": "id task_id question_id instance_id example_id doc_id sample qid problem_id "
    "item_id idx index unnamed_0",
    "input_text": "question input query problem instruction user_input full_prompt",
    "raw_output": "response output completion generation model_output predictions generated_text "
    "model_response raw_response solution model_solution model_patch",
    "expected_answer": "gold target expected reference ground_truth label correct_answer "
    "gold_answer reference_answer expected_output",
    "parsed_answer": "pred prediction extracted_answer parsed extracted predicted final_answer "
    "model_answer",
    "is_correct": "correct passed pass pass_fail success resolved is_right right",
    "score": "grade rating judge_score verdict correctness",
    "approach_name": "approach method strategy prompt_name prompt_template prompt_version "
    "prompt_variant prompt_type prompt_id variant condition arm",
    "model": "model_name model_id model_name_or_path llm",
    "provider": "vendor",
    "task": "subject category subset",
    "repeat_index": "repeat trial attempt",
    "execution_time_ms": "latency_ms time_ms duration_ms",
    "cost_estimate": "cost cost_usd price",
    "prompt_tokens": "input_tokens tokens_in",
    "completion_tokens": "output_tokens tokens_out",
    "error": "error_message exception",
}
_FIELDS = {name: field for field, names in _NAMES.items() for name in names.split()}
_SECONDS = ("latency_s", "latency_seconds", "seconds", "execution_time", "duration_s", "time_s")
_METRICS = re.compile(
    r"f1|em|exact_match|bleu|rouge_?(1|2|l|lsum)|meteor|bert_?score|chrf|acc|acc_norm|accuracy"
    r"|pass_?at_?\d+"
)
_MEASURED = re.compile(
    r"(\w+_)?score(_\w+)?|(\w+_)?(relevanc[ey]|recall|precision|similarity|correctness|quality)"
    r"|faithfulness|groundedness|coherence|fluency|helpfulness|harmlessness|conciseness|toxicity"
    r"|completeness|factuality|hallucination"
)
"""Columns that are metrics if their values are numbers."""

_RESULT = re.compile(r"(\w+_)?(result|outcome|status)")
"""Columns that are verdicts if their values are."""

_WORDS = FLAGS.keys() - {"1", "1.0", "0", "0.0"}
_OF_VARIANTS = (
    *("answer", "response", "output", "prediction", "completion"),
    *("correct", "passed", "score"),
)
"""Words that tables with a column for each variant have in the names of these columns."""

_ANSWERS = {"raw_output", "parsed_answer", "is_correct", "score"}
_BETWEEN = tuple(" _-.")
_TIDY = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)( ?%)?")
_NO_ROW: Mapping[str, object] = {}


def meanings(
    columns: Iterable[str], taken: Collection[str], row: Mapping[str, object] = _NO_ROW
) -> tuple[dict[str, tuple[str, float]], list[str]]:
    """What columns mean by their names.

    Args:
        columns: All columns.
        taken: Fields of runs that are given otherwise.
        row: The first row, whose values tell a score from what is said of it.

    Returns:
        Column to field and the factor to the unit of the field; and the columns that are metrics.
    """
    tidy = {column: _tidied(column) for column in columns}
    if "" in tidy:
        tidy[""] = "index"  # As pandas writes it.
    names = set(tidy.values())
    fields = {_FIELDS[name] for name in names if name in _FIELDS}
    known: dict[str, tuple[str, float]] = {}
    metrics = []
    used = set(taken)
    for column, name in tidy.items():
        field, factor = _field(name, names, fields, used), 1.0
        if name in _SECONDS:
            field, factor = "execution_time_ms", 1000.0
        if _METRICS.fullmatch(name):
            metrics.append(column)
        elif field is not None and field not in used:
            known[column] = field, factor
            used.add(field)
        elif _MEASURED.fullmatch(name) and _may_be_number(row.get(column)):
            metrics.append(column)
        elif _RESULT.fullmatch(name) and "is_correct" not in used and _is_verdict(row.get(column)):
            known[column] = "is_correct", factor
            used.add("is_correct")
    return known, metrics


def _is_verdict(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in _WORDS)


def _may_be_number(value: object) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return value is None or isinstance(value, int | float)


def _field(name: str, names: set[str], fields: set[str], taken: set[str]) -> str | None:
    """The field that a column means next to columns of other `names`, which mean `fields`."""
    others = fields | taken
    if name == "id" and {"sample_index", "experiment_id"} & names:
        return None
    if name == "answer":
        answered = {"raw_output", "parsed_answer"} & others
        return "expected_answer" if answered and "expected_answer" not in others else "raw_output"
    if name == "prompt":
        return "approach_name" if "input_text" in others else "input_text"
    return _FIELDS.get(name)


def wide_columns(columns: Collection[str]) -> dict[str, str]:
    """Columns that look like those of several variants, each with the name of its variant: of
    `answer_a` and `answer_b`, or of `gpt-4o` and `o3` next to `gpt-4o_correct` and `o3_correct`."""
    bare = {_tidied(column): column for column in columns}
    for word in _OF_VARIANTS:
        marked = {
            _tidied(marker): (column, marker)
            for column in columns
            if _tidied(column) not in _FIELDS and (marker := _marker(column, word))
        }
        if len(marked) > 1:
            alone = {bare[one]: marker for one, (_, marker) in marked.items() if one in bare}
            if len(alone) == len(marked):
                return alone
            if word != "score":
                return dict(marked.values())
    return {}


def _marker(column: str, word: str) -> str:
    """What is left of a name without a word at its beginning or end; empty if it has neither."""
    lower = column.lower()
    if lower.startswith(word):
        return column[len(word) :].lstrip(" _-.") if lower[len(word) :][:1] in _BETWEEN else ""
    if lower.endswith(word) and lower[: -len(word)][-1:] in _BETWEEN:
        return column[: -len(word)].rstrip(" _-.")
    return ""


def _tidied(column: str) -> str:
    return _TIDY.sub("_", column.lower()).strip("_")


def widened(columns: Collection[str], wide: Collection[str]) -> dict[str, dict[str, str]]:
    """For each wide column the columns that belong to its variant alone, by their common names.

    Wide columns differ in a part: of `answer_a` and `answer_b` that is `a`, and `correct_a` belongs
    to the first, as `correct`.
    """
    parts = {column: re.split(r"[^A-Za-z0-9]+", column) for column in (*columns, *wide)}
    markers = _markers({column: parts[column] for column in wide})
    groups: dict[str, dict[str, str]] = {column: {} for column in wide}
    for column in columns:
        known = parts[column]
        for one, marker in markers.items():
            for mark in (marker, parts[one]):
                size = len(mark)
                if column == one and known == marker:
                    groups[one][column] = column
                elif known[:size] == mark and known[size:]:
                    groups[one][column] = "_".join(known[size:])
                elif known[-size:] == mark and known[:-size]:
                    groups[one][column] = "_".join(known[:-size])
    return groups


def says_what(name: str) -> bool:
    """Whether the common name of a wide column says what is in it: an answer, or a grade."""
    known, metrics = meanings([name], ())
    fields = {field for field, _ in known.values()}
    return bool(metrics) or name in _ANSWERS or not fields.isdisjoint(_ANSWERS)


def _markers(wide: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The parts of each name that the names do not share."""
    if len(wide) == 1:
        return {column: known[-1:] for column, known in wide.items()}
    shortest = min(map(len, wide.values())) - 1
    start = _shared(wide.values(), shortest)
    end = _shared((known[::-1] for known in wide.values()), shortest - start)
    return {column: known[start : len(known) - end] for column, known in wide.items()}


def _shared(names: Iterable[list[str]], most: int) -> int:
    """How many of their first parts are the same, at most so many."""
    known = list(names)
    return next((n for n in range(most) if len({one[n] for one in known}) > 1), max(most, 0))
