"""The names that people give to the columns of their tables, and the fields of runs they mean."""

import re
from collections.abc import Collection, Iterable, Mapping

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
    "is_correct": "correct passed pass success resolved is_right right",
    "score": "grade rating judge_score",
    "approach_name": "approach method strategy prompt_name prompt_template variant",
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
    r"f1|em|exact_match|bleu|rouge_?(1|2|l|lsum)|meteor|bert_?score|chrf|acc|acc_norm|pass_?at_?\d+"
)
_MEASURED = re.compile(r"(\w+_)?score(_\w+)?")
"""Columns that are metrics if their values are numbers."""

_TIDY = re.compile(r"[^a-z0-9]+")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)")
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
    tidy = {column: _TIDY.sub("_", column.lower()).strip("_") for column in columns}
    if "" in tidy:
        tidy[""] = "index"  # As pandas writes it.
    names = set(tidy.values())
    known: dict[str, tuple[str, float]] = {}
    metrics = []
    used = set(taken)
    for column, name in tidy.items():
        field, factor = _field(name, names, used)
        if name in _SECONDS:
            field, factor = "execution_time_ms", 1000.0
        if _METRICS.fullmatch(name):
            metrics.append(column)
        elif field is not None and field not in used:
            known[column] = field, factor
            used.add(field)
        elif _MEASURED.fullmatch(name) and _may_be_number(row.get(column)):
            metrics.append(column)
    return known, metrics


def _may_be_number(value: object) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return value is None or isinstance(value, int | float)


def _field(name: str, names: Collection[str], taken: Collection[str]) -> tuple[str | None, float]:
    if name == "id" and {"sample_index", "experiment_id"} & set(names):
        return None, 1.0
    fields = {_FIELDS[one] for one in names if one in _FIELDS} | set(taken)
    if name == "answer":
        answered = {"raw_output", "parsed_answer"} & fields
        return (
            "expected_answer" if answered and "expected_answer" not in fields else "raw_output",
            1.0,
        )
    if name == "prompt":
        return "approach_name" if "input_text" in fields else "input_text", 1.0
    return _FIELDS.get(name), 1.0


def widened(columns: Collection[str], wide: Collection[str]) -> dict[str, dict[str, str]]:
    """For each wide column the columns that belong to its variant alone, by their common names.

    Wide columns differ in a part: of `answer_a` and `answer_b` that is `a`, and `correct_a` belongs
    to the first, as `correct`.
    """
    parts = {column: re.split(r"[^A-Za-z0-9]+", column) for column in (*columns, *wide)}
    markers = _markers({column: parts[column] for column in wide})
    groups: dict[str, dict[str, str]] = {column: {} for column in wide}
    for column in columns:
        for one, marker in markers.items():
            size, known = len(marker), parts[column]
            if column == one and known == marker:
                groups[one][column] = column
            elif known[:size] == marker:
                groups[one][column] = "_".join(known[size:])
            elif known[-size:] == marker:
                groups[one][column] = "_".join(known[:-size])
    return groups


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
