"""Published layouts, with the columns that they have on the hub: small rows made for this test."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import InvalidFileError, NotFoundError, UsageError
from ml_agents_results.experiments.dataset_recipes import built_in, load_recipe, recognise
from ml_agents_results.experiments.datasets import Dataset, load_dataset
from ml_agents_results.providers.interface import Message

Row = dict[str, Any]
SHOWN = "\n\n(A) 4\n(B) 7\n(C) 9\n(D) 15"


def load(tmp_path: Path, *rows: Row, **options: Any) -> Dataset:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_dataset(str(path), **options)


GSM8K = {"question": "9 jars at $2?", "answer": "9*2=$<<9*2=18>>18\n#### 18"}
MMLU = {"question": "Which is prime?", "subject": "numbers", "choices": ["4", "7", "9", "15"],
        "answer": 1}  # fmt: skip
MMLU_PRO = {"question_id": 70, "question": "Which is prime?", "options": ["4", "7", "9", "N/A"],
            "answer": "B", "answer_index": 1, "cot_content": "", "category": "math"}  # fmt: skip
ARC = {"id": "m_1", "question": "Which?", "choices": {"text": ["4", "7", "9"],
       "label": ["1", "2", "3"]}, "answerKey": "2"}  # fmt: skip
MATH_500 = {"problem": "1/2?", "solution": "It is $\\boxed{1}$.", "answer": "\\frac{1}{2}",
            "subject": "Algebra", "level": 1, "unique_id": "test/a/1.json"}  # fmt: skip
HENDRYCKS = {"problem": "p?", "level": "Level 1", "type": "Algebra",
             "solution": "$\\boxed{2}$, so $\\boxed{\\frac{\\sqrt{3}}{2}}$."}  # fmt: skip
WINOGRANDE = {"sentence": "The cup fits no box as _ is big.", "option1": "cup", "option2": "box",
              "answer": "1"}  # fmt: skip
HELLASWAG = {"ind": 1, "activity_label": "Cooking", "ctx": "A man", "endings": ["x", "y", "z", "w"],
             "label": "3", "source_id": "s1"}  # fmt: skip
BOOLQ = {"question": "is it?", "answer": True, "passage": "It is."}
SUPER_GLUE = {"question": "is it?", "passage": "It is.", "idx": 0, "label": 0}
DROP = {"query_id": "q", "passage": "p", "question": "who?",
        "answers_spans": {"spans": ["Ada", "Ada L."], "types": ["span", "span"]}}  # fmt: skip
DROP_OLD = {"query_id": "q", "passage": "p", "question": "when?",
            "answer": {"number": "", "date": {"day": "4", "month": "May", "year": "1990"},
                       "spans": []},
            "validated_answers": {"number": ["5"], "date": [{"day": "", "month": "", "year": ""}],
                                  "spans": [[]]}}  # fmt: skip
TRIVIA = {"question": "Which river?", "question_id": "t1",
          "answer": {"value": "Danube", "aliases": ["the Danube", "Donau", "Danube"]}}  # fmt: skip
SQUAD = {"id": "s", "title": "t", "context": "c", "question": "q",
         "answers": {"text": ["Ada", "Ada"], "answer_start": [1, 1]}}  # fmt: skip
SQUAD_2 = {**SQUAD, "answers": {"text": [], "answer_start": []}}
IFEVAL = {"key": 1, "prompt": "Write in capitals.", "instruction_id_list": ["case"], "kwargs": [{}]}
HUMANEVAL = {"task_id": "HumanEval/0", "prompt": "def f():", "canonical_solution": "",
             "test": "assert f()", "entry_point": "f"}  # fmt: skip
MBPP = {"task_id": 2, "text": "Write f.", "code": "", "test_list": ["assert f() == 1"]}


@pytest.mark.parametrize(
    ("recipe", "row", "question", "target", "kind"),
    [
        ("gsm8k", GSM8K, "9 jars at $2?", "18", "number"),
        ("mmlu", MMLU, "Which is prime?" + SHOWN, "B", "choice"),
        ("mmlu_pro", MMLU_PRO, "Which is prime?\n\n(A) 4\n(B) 7\n(C) 9", "B", "choice"),
        ("arc", ARC, "Which?\n\n(A) 4\n(B) 7\n(C) 9", "B", "choice"),
        ("math_500", MATH_500, "1/2?", "\\frac{1}{2}", "math"),
        ("hendrycks_math", HENDRYCKS, "p?", "\\frac{\\sqrt{3}}{2}", "math"),
        ("winogrande", WINOGRANDE, "The cup fits no box as _ is big.", "A", "choice"),
        ("hellaswag", HELLASWAG, "Cooking: A man", "D", "choice"),
        ("boolq", BOOLQ, "It is.\n\nis it?", "yes", "boolean"),
        ("boolq", SUPER_GLUE, "It is.\n\nis it?", "no", "boolean"),
        ("drop", DROP, "p\n\nwho?", '["Ada", "Ada L."]', "text"),
        ("drop", DROP_OLD, "p\n\nwhen?", '["4 May 1990", "5"]', "text"),
        ("trivia_qa", TRIVIA, "Which river?", '["Danube", "the Danube", "Donau"]', "text"),
        ("squad", SQUAD, "c\n\nq", "Ada", "text"),
        ("squad", SQUAD_2, "c\n\nq", "unanswerable", "text"),
        ("ifeval", IFEVAL, "Write in capitals.", None, "text"),
        ("humaneval", HUMANEVAL, "def f():", "assert f()", "code"),
        ("mbpp", MBPP, "Write f.\n\nassert f() == 1", '["assert f() == 1"]', "code"),
    ],
)
def test_published_layouts_are_recognised_by_their_columns(
    tmp_path: Path, recipe: str, row: Row, question: str, target: str | None, kind: str
) -> None:
    dataset = load(tmp_path, row)
    assert dataset.recipe == recipe
    asked = dataset.questions[0]
    assert question in asked.input_text
    assert asked.expected_answer == target
    assert asked.answer_kind == kind
    assert dataset.kinds[asked.task]["guessed"] is False


@pytest.mark.parametrize(
    ("source", "row", "recipe"),
    [
        ("openai/gsm8k:main@test", GSM8K, "gsm8k"),
        ("cais/mmlu:all", MMLU, "mmlu"),
        ("Idavidrein/gpqa:gpqa_diamond", {"Question": "q", "Correct Answer": "a",
         "Incorrect Answer 1": "b", "Incorrect Answer 2": "c", "Incorrect Answer 3": "d"}, "gpqa"),
        ("somebody/else", {"input": "1+1?", "target": "2"}, None),
        ("somebody/else", {"question": "1+1?", "answer": "2"}, None),
        ("somebody/else", {"question": "?", "choices": ["a", "b"], "answer": "A"}, None),
    ],
)  # fmt: skip
def test_datasets_are_recognised_by_name_or_columns(
    source: str, row: Row, recipe: str | None
) -> None:
    found = recognise(source, row)
    assert (found.name if found else None) == recipe


def test_tasks_and_ids_come_from_their_columns(tmp_path: Path) -> None:
    dataset = load(tmp_path, MMLU_PRO, {**MMLU_PRO, "question_id": 71, "category": "law"})
    assert [(q.task, q.sample_index, q.sample_id) for q in dataset.questions] == [
        ("math", 0, "70"),
        ("law", 0, "71"),
    ]


def test_options_are_shuffled_the_same_way_every_time_and_the_target_with_them(
    tmp_path: Path,
) -> None:
    rows = [
        {"question": f"q{n}", "mc1_targets": {"choices": ["right", "b", "c", "d"],
                                              "labels": [1, 0, 0, 0]}}
        for n in range(40)
    ]  # fmt: skip
    once, again = load(tmp_path, *rows), load(tmp_path, *rows)
    assert once.questions == again.questions
    for question in once.questions:
        label = question.expected_answer or ""
        assert question.choices["ABCD".index(label)] == "right"
        assert f"({label}) right" in question.input_text
    assert {question.expected_answer for question in once.questions} == set("ABCD")


def test_a_row_that_contradicts_itself_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"line 2 contradicts itself: answer names choice 0"):
        load(tmp_path, MMLU_PRO, {**MMLU_PRO, "question_id": 71, "answer": "A"})
    with pytest.raises(InvalidFileError, match="line 1 names choice 'E'"):
        load(tmp_path, {**ARC, "answerKey": "E"})


def test_a_mapping_of_question_or_target_turns_recipes_off(tmp_path: Path) -> None:
    dataset = load(tmp_path, MMLU, mapping={"target": "subject"})
    assert dataset.recipe is None
    assert dataset.questions[0].expected_answer == "numbers"
    assert load(tmp_path, MMLU, mapping={"task": "subject"}).recipe == "mmlu"


@pytest.mark.parametrize(
    ("rows", "warning"),
    [
        ([{"input": "?", "target": "It is 2.\n#### 2"}], "a solution with ####"),
        ([{"input": "?", "target": "Look:\nit is 2."}], "several lines"),
        ([{"input": "?", "target": {"value": 2}}], "targets are objects"),
        ([{"input": "?", "choices": ["a", "b"], "target": 1}], "numbers next to options"),
        ([{"input": "?", "options": ["a", "b"], "target": "a"}], "'options' holds options"),
        ([{"input": "?", "target": ""}, {"input": "!", "target": "2"}], "1 of 2 questions"),
        ([IFEVAL], "graded by a function only"),
        ([{"input": f"{n}?", "target": str(n)} for n in range(30)] + [{"input": "?",
          "target": "soon or later"}], "3.2% of the targets are not of kind number"),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_said_with_the_option_that_helps(
    tmp_path: Path, rows: Sequence[Row], warning: str
) -> None:
    warnings = load(tmp_path, *rows).warnings
    assert any(warning in told for told in warnings), warnings
    assert all("--" in told for told in warnings)


@pytest.mark.parametrize("row", [GSM8K, MMLU, ARC, MATH_500, {"input": "1+1?", "target": "2"}])
def test_a_sound_dataset_gets_no_warning(tmp_path: Path, row: Row) -> None:
    assert load(tmp_path, row).warnings == ()


def test_a_conversation_is_sent_as_one(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    asked = load(tmp_path, {"prompt": turns, "answer": "4"}).questions[0]
    assert asked.history == (Message("system", "Be brief."),)
    assert asked.prompt == "2+2?"
    assert asked.input_text == "[system]\nBe brief.\n\n[user]\n2+2?"
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
    with pytest.raises(InvalidFileError, match="line 1 is a conversation with more than text"):
        load(tmp_path, {"prompt": image, "answer": "4"})
    with pytest.raises(InvalidFileError, match="ends with assistant"):
        load(tmp_path, {"messages": [*turns, {"role": "assistant", "content": "5"}]})


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "question: [frage]\nchoices: {column: optionen}\ntarget: {index: loesung, from: 1}\n"
        "kind: choice\ntask: fach\n",
        encoding="utf-8",
    )
    row = {"frage": "Was?", "optionen": ["dies", "das"], "loesung": 2, "fach": "kunde"}
    dataset = load(tmp_path, row, recipe=str(recipe))
    assert dataset.recipe == "mine"
    asked = dataset.questions[0]
    assert (asked.task, asked.input_text, asked.expected_answer) == (
        "kunde", "Was?\n\n(A) dies\n(B) das", "B",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question: [q]\ntraget: {column: a}\n", "unknown key 'traget'"),
        ("question: [q]\ntarget: {colum: a}\n", "unknown key 'colum'"),
        ("a: {kind: number}\n", "names no question column"),
        ("question: [q]\nkind: letter\n", "no answer kind 'letter'"),
        ("- 1\n", "holds no recipe"),
        ("question: [q\n", "is not YAML"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidFileError, match=message):
        load_recipe(path)


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no recipe"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="no answer kind 'letter'"):
        load(tmp_path, GSM8K, answer_kind="letter")


def test_every_recipe_of_the_package_has_a_name_and_columns() -> None:
    names = [recipe.name for recipe in built_in()]
    assert len(names) == len(set(names)) == 18
    for recipe in built_in():
        assert recipe.definition["hub"], recipe.name
        assert recipe.definition["columns"], recipe.name
