"""Datasets: questions in a fixed order, with a fingerprint.

A dataset is a file (JSON Lines, CSV, or JSON in the BIG-Bench layout), a folder of such files, the
name of a Hugging Face dataset, or the set of questions that comes with this package.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal

from ml_agents_results.errors import DuplicateError, InvalidFileError, UsageError
from ml_agents_results.experiments.dataset_recipes import Recipe, load_recipe, recognise
from ml_agents_results.experiments.dataset_rows import BUILTIN, RowSource, row_source
from ml_agents_results.experiments.question import Question
from ml_agents_results.providers.interface import Message
from ml_agents_results.scoring import kinds
from ml_agents_results.scoring.kinds import AnswerKind, check_kind

ALIASES: dict[str, tuple[str, ...]] = {
    "input": ("input", "question", "prompt", "messages"),
    "target": ("target", "answer", "expected_output", "expected_answer"),
    "id": ("id",),
    "task": ("task",),
}
"""The columns of each field; the first one present is used. A mapping replaces them."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions in a fixed order.

    Attributes:
        name: A file's or folder's name, a Hugging Face name, or `builtin`.
        source: What loads it again from any working directory.
        fingerprint: SHA-256 over all of its questions, whatever file format they came in. It
            covers the whole dataset, also where only the first samples of it are asked.
        recipe: The name of the recipe that its columns were read by.
        kinds: Of each task, how its kind of answer was decided.
        warnings: What may be wrong with it, each with what helps.
    """

    name: str
    source: str
    questions: list[Question]
    fingerprint: str
    recipe: str | None = None
    kinds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def first(self, samples: int | None) -> list[Question]:
        """The first `samples` questions of each task; all for None."""
        if samples is None:
            return self.questions
        if samples < 1:
            raise UsageError(f"samples is {samples}", "Ask at least one sample, or leave it out.")
        return [question for question in self.questions if question.sample_index < samples]


def load_dataset(
    source: str | None = None,
    mapping: Mapping[str, str] | None = None,
    recipe: str | None = None,
    answer_kind: str | None = None,
) -> Dataset:
    """Loads a dataset.

    Published layouts (GSM8K, MMLU, ARC, ...) are recognised by name or columns; see
    docs/scoring.md. A mapping of `input` or `target` turns that off.

    Args:
        source: A file, a folder, a Hugging Face name (`owner/name`, `owner/name:config`, either
            with `@split`), or None or `builtin` for the built-in questions.
        mapping: Which column holds `input`, `target`, `id` or `task`, where it has another name.
        recipe: A YAML file with a recipe of one's own.
        answer_kind: The kind of all answers; None guesses it for each task.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: The file cannot be read; the message names the line.
        DuplicateError: Two questions of a task have the same id.
        UsageError: The mapping names a field that does not exist, or a library is missing.
    """
    unknown = sorted(set(mapping or ()) - set(ALIASES))
    if unknown:
        raise UsageError(
            f"there is no field {unknown[0]!r} to map", f"Fields: {', '.join(ALIASES)}."
        )
    columns = {**ALIASES, **{field: (column,) for field, column in (mapping or {}).items()}}
    kind = check_kind(answer_kind) if answer_kind is not None else None
    own = load_recipe(recipe) if recipe is not None else None
    looks = own is None and not {"input", "target"} & set(mapping or ())
    reading = _Reading(columns, kind, own, recognises=looks)
    rows = row_source(source)
    if rows.source == BUILTIN:
        reading = _Reading(ALIASES, kind)
    return _collect(rows, reading)


@dataclass(frozen=True)
class _Reading:
    """How rows become questions."""

    columns: Mapping[str, tuple[str, ...]]
    kind: AnswerKind | None = None
    recipe: Recipe | None = None
    recognises: bool = False


def _collect(source: RowSource, reading: _Reading) -> Dataset:
    questions: list[Question] = []
    counts: dict[str, int] = {}
    seen: dict[tuple[str, str], str] = {}
    digest = sha256()
    recipe = reading.recipe
    first_row: dict[str, Any] = {}
    for where, row in source.rows:
        if not first_row:
            first_row = row
            if reading.recognises:
                recipe = recognise(source.source, row)
        question = _question(where, row, reading, recipe)
        task, sample_id = question.task, question.sample_id
        if sample_id is not None:
            first = seen.setdefault((task, sample_id), where)
            if first is not where:
                raise DuplicateError(
                    f"{where} has the id {sample_id!r}, and so has {first}",
                    "An id names one question of its task: correct it, or map id elsewhere.",
                )
        index = counts.get(task, 0)
        counts[task] = index + 1
        question = replace(question, sample_index=index)
        questions.append(question)
        text, expected = question.input_text, question.expected_answer
        digest.update(json.dumps([task, index, sample_id, text, expected]).encode() + b"\n")
    if not questions:
        raise InvalidFileError(f"{source.name} has no questions", "A dataset needs at least one.")
    declared = reading.kind or (recipe.kind if recipe is not None else None)
    decided = _decide_kinds(questions, declared)
    questions = [
        replace(q, answer_kind=q.answer_kind or decided[q.task].kind, labels=decided[q.task].labels)
        for q in questions
    ]
    described = {
        task: guess.describe() | {"guessed": declared is None} for task, guess in decided.items()
    }
    return Dataset(
        source.name,
        source.source,
        questions,
        digest.hexdigest(),
        recipe.name if recipe is not None else None,
        described,
        tuple(warnings_of(questions, first_row, recipe, decided)),
    )


def _question(
    where: str, row: dict[str, Any], reading: _Reading, recipe: Recipe | None
) -> Question:
    columns = reading.columns
    task = _value(row, columns["task"]) or ""
    sample_id = _value(row, columns["id"])
    if recipe is not None:
        made = recipe.prepare(row, where)
        return replace(made, task=made.task or task, sample_id=made.sample_id or sample_id)
    messages = _messages(where, row, columns["input"])
    text = _transcript(messages) if messages else _value(row, columns["input"])
    if text is None or not text.strip():
        raise InvalidFileError(
            f"{where} has no question: no text in {' or '.join(columns['input'])}; "
            f"its columns are {', '.join(map(str, row)) or 'none'}",
            "Name the column that holds the question: --map input=COLUMN.",
        )
    kind = row.get("answer_kind")
    return Question(
        task,
        0,
        sample_id,
        text,
        _value(row, columns["target"]),
        messages=messages,
        answer_kind=check_kind(str(kind)) if kind else None,
    )


_ROLES: tuple[Literal["system", "user", "assistant"], ...] = ("system", "user", "assistant")


def _messages(where: str, row: Mapping[str, Any], names: Iterable[str]) -> tuple[Message, ...]:
    """The turns of a question that is a conversation; empty for any other.

    Raises:
        InvalidFileError: A turn holds more than text, or the last one is not the user's.
    """
    value = next((row[name] for name in names if name in row), None)
    if (
        not isinstance(value, list)
        or not value
        or not all(
            isinstance(turn, Mapping) and "role" in turn and "content" in turn for turn in value
        )
    ):
        return ()
    turns = []
    for turn in value:
        content = turn["content"]
        if isinstance(content, list) and all(
            isinstance(part, Mapping) and part.get("type") == "text" for part in content
        ):
            content = "\n".join(str(part.get("text", "")) for part in content)
        role = "system" if turn["role"] == "developer" else turn["role"]
        if not isinstance(content, str) or role not in _ROLES:
            raise InvalidFileError(
                f"{where} is a conversation with more than text in it",
                "Only texts of the roles system, user and assistant can be sent.",
            )
        turns.append(Message(_ROLES[_ROLES.index(role)], content))
    if turns[-1].role != "user":
        raise InvalidFileError(
            f"{where} is a conversation that ends with {turns[-1].role}",
            "Its last turn is the question: it needs the role user.",
        )
    return tuple(turns)


def _transcript(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in messages)


def _decide_kinds(
    questions: Iterable[Question], declared: AnswerKind | None
) -> dict[str, kinds.Guess]:
    """The kind of answer of each task: declared, else guessed from its targets."""
    by_task: dict[str, list[Question]] = {}
    for question in questions:
        by_task.setdefault(question.task, []).append(question)
    if declared is not None and declared != "any":
        return dict.fromkeys(by_task, kinds.Guess(declared, 1.0))
    decided = {}
    for task, samples in by_task.items():
        with_target = [q for q in samples if q.expected_answer is not None]
        decided[task] = kinds.guess(
            [q.expected_answer or "" for q in with_target],
            [kinds.expectation(q.input_text, None, q.choices).options for q in with_target],
        )
    return decided


_CHOICE_COLUMNS = ("choices", "options", "endings")


def warnings_of(
    questions: list[Question],
    row: Mapping[str, Any],
    recipe: Recipe | None,
    decided: Mapping[str, kinds.Guess],
) -> Iterator[str]:
    """What may be wrong with a dataset, each with what helps.

    Args:
        row: The first row, as it lies in the file.
    """
    targets = [q.expected_answer for q in questions if q.expected_answer is not None]
    if recipe is not None and recipe.needs_grader:
        yield (
            f"answers of {recipe.name} are graded by a function only: without --grader "
            "package.module:function they stay ungraded"
        )
    elif len(targets) < len(questions):
        missing = len(questions) - len(targets)
        yield (
            f"{missing} of {len(questions)} questions have no target (a test split without "
            "labels?) and stay ungraded: name another split (NAME@SPLIT) or --map target=COLUMN"
        )
    if recipe is None:
        yield from _suspicions(targets, row, questions[0])
    for task, guess in decided.items():
        if guess.kind != "any" and guess.share < 0.98:
            yield (
                f"{1 - guess.share:.1%} of the targets{f' of {task}' if task else ''} are not of "
                f"kind {guess.kind}, for example {guess.exceptions[0]!r}: --answer-kind names "
                "another"
            )


def _suspicions(targets: list[str], row: Mapping[str, Any], first: Question) -> Iterator[str]:
    if any("####" in target for target in targets):
        yield "targets hold a solution with ####: a recipe (--dataset-recipe) takes what follows it"
    elif sum("\n" in target.strip() for target in targets) > len(targets) / 2:
        yield "targets have several lines, as solutions do: --map target=COLUMN names the answers"
    if any(target.startswith(("{", '[{"')) for target in targets):
        yield (
            "targets are objects: --map target=COLUMN names another column, --dataset-recipe one "
            "inside"
        )
    hidden = [
        column
        for column in _CHOICE_COLUMNS
        if isinstance(row.get(column), list | dict) and not _shows(first.input_text, row[column])
    ]
    if hidden:
        yield (
            f"the column {hidden[0]!r} holds options that the question does not show: "
            "--dataset-recipe shows them"
        )
        if targets and all(target.isdigit() for target in targets):
            yield "targets are numbers next to options: --dataset-recipe makes labels of them"


def _shows(question: str, options: Any) -> bool:
    values = options.get("text", ()) if isinstance(options, dict) else options
    return all(str(value) in question for value in values)


def _value(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first column present, as text; empty cells and null are absent.

    A list of one is that one (BIG-Bench writes its targets so); longer ones become JSON.
    """
    for name in names:
        if name in row:
            value = row[name]
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if value is None or value == "":
                return None
            if isinstance(value, list | dict):
                return json.dumps(value, ensure_ascii=False)
            return str(value)
    return None
