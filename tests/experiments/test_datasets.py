import json
from pathlib import Path

import pytest

from ml_agents_results.errors import DuplicateError, InvalidFileError, NotFoundError, UsageError
from ml_agents_results.experiments.datasets import Dataset, load_dataset
from ml_agents_results.experiments.question import Question

ROWS = [("1 + 1?", "2"), ("Größe „A“, ja?", "no"), ("x" * 200_000, None)]


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def jsonl(path: Path, rows: list[object]) -> str:
    return write(path, "\n".join(json.dumps(row) for row in rows) + "\n")


def texts(dataset: Dataset) -> list[tuple[str, str | None]]:
    return [(q.input_text, q.expected_answer) for q in dataset.questions]


def test_the_same_questions_have_the_same_fingerprint_in_every_format(tmp_path: Path) -> None:
    as_jsonl = jsonl(tmp_path / "a.jsonl", [{"input": i, "target": t} for i, t in ROWS])
    cells = "".join(f'"{i}","{t or ""}"\n' for i, t in ROWS)
    as_csv = write(tmp_path / "b.csv", "\ufeffquestion,answer\r\n" + cells)
    as_json = write(
        tmp_path / "c.json",
        json.dumps([{"prompt": i, "expected_output": t} for i, t in ROWS]),
    )
    loaded = [load_dataset(path) for path in (as_jsonl, as_csv, as_json)]
    assert [texts(dataset) for dataset in loaded] == [ROWS] * 3
    assert len({dataset.fingerprint for dataset in loaded}) == 1


def test_any_change_of_content_or_order_changes_the_fingerprint(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"input": i, "target": t} for i, t in ROWS]
    variants = [
        rows,
        rows[::-1],
        rows[:-1],
        [{**rows[0], "target": "3"}, *rows[1:]],
        [{**rows[0], "task": "t"}, *rows[1:]],
        [{**rows[0], "id": "1"}, *rows[1:]],
    ]
    prints = [load_dataset(jsonl(tmp_path / "d.jsonl", list(v))).fingerprint for v in variants]
    assert len(set(prints)) == len(variants)


def test_a_folder_of_big_bench_files_gives_tasks_in_order_of_their_names(tmp_path: Path) -> None:
    for task in ("word_sorting", "boolean_expressions"):
        document = {"canary": "x", "examples": [{"input": f"{task} {n}", "target": "True"}
                                                for n in range(2)]}  # fmt: skip
        write(tmp_path / f"{task}.json", json.dumps(document))
    write(tmp_path / "README.md", "not a task")
    assert load_dataset(str(tmp_path)).questions == [
        Question("boolean_expressions", 0, None, "boolean_expressions 0", "True"),
        Question("boolean_expressions", 1, None, "boolean_expressions 1", "True"),
        Question("word_sorting", 0, None, "word_sorting 0", "True"),
        Question("word_sorting", 1, None, "word_sorting 1", "True"),
    ]
    single = load_dataset(str(tmp_path / "word_sorting.json"))
    assert [(q.task, q.sample_index) for q in single.questions] == [
        ("word_sorting", 0),
        ("word_sorting", 1),
    ]


def test_samples_are_counted_within_each_task(tmp_path: Path) -> None:
    rows = [{"input": str(n), "task": "ab"[n % 2]} for n in range(10)]
    dataset = load_dataset(jsonl(tmp_path / "d.jsonl", list(rows)))
    assert [(q.task, q.sample_index, q.input_text) for q in dataset.first(2)] == [
        ("a", 0, "0"),
        ("b", 0, "1"),
        ("a", 1, "2"),
        ("b", 1, "3"),
    ]
    assert len(dataset.first(None)) == len(dataset.first(99)) == 10
    with pytest.raises(UsageError, match="samples is 0"):
        dataset.first(0)


def test_values_that_are_not_text_become_text(tmp_path: Path) -> None:
    targets = [7, 0.5, True, ["only"], ["a", "b"], "", None]
    path = jsonl(tmp_path / "d.jsonl", [{"input": "?", "target": t} for t in targets])
    assert [q.expected_answer for q in load_dataset(path).questions] == [
        "7",
        "0.5",
        "True",
        "only",
        '["a", "b"]',
        None,
        None,
    ]


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", "nr,frage,antwort,fach,input\nx,Was?,Das,kunde,no\n")
    mapping = {"input": "frage", "target": "antwort", "id": "nr", "task": "fach"}
    assert load_dataset(path, mapping).questions == [Question("kunde", 0, "x", "Was?", "Das")]
    with pytest.raises(UsageError, match="'tsak'"):
        load_dataset(path, {"tsak": "fach"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", '{"input": "a"}\n{"input": \n', "d.jsonl, line 2 is not JSON"),
        ("d.jsonl", '{"input": "a"}\n[1]\n', "d.jsonl, line 2 is not a JSON object"),
        ("d.jsonl", '{"inputs": "a"}\n', "line 1 has no question.*its columns are inputs"),
        ("d.jsonl", '{"input": "  "}\n', "line 1 has no question"),
        ("d.jsonl", "\n", "d.jsonl has no questions"),
        ("d.csv", "input,target\n", "d.csv has no questions"),
        ("d.csv", 'input,target\na,b\n"c,d\n', "d.csv, line 3 is not CSV"),
        ("d.csv", "input,target\na,b,c\n", "d.csv, line 2 has more cells"),
        ("d.json", '{"examples": 3}', "d.json has no list of examples"),
        ("d.json", '{"examples": [{"input": "a"}, 3]}', "d.json, example 2 is not"),
        ("d.json", '{"examples": [', "d.json is not JSON"),
        ("d.parquet", "PAR1", "d.parquet is not a known kind"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(InvalidFileError, match=message):
        load_dataset(write(tmp_path / name, content))


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes("input,target\nGröße?,1\n".encode("latin-1"))
    with pytest.raises(InvalidFileError, match="not UTF-8"):
        load_dataset(str(path))


def test_an_id_may_not_occur_twice_in_a_task(tmp_path: Path) -> None:
    rows = [{"input": "a", "id": 1}, {"input": "b", "id": 2}, {"input": "c", "id": 1}]
    with pytest.raises(DuplicateError, match=r"line 3 has the id '1', and so has d.jsonl, line 1"):
        load_dataset(jsonl(tmp_path / "d.jsonl", list(rows)))
    rows = [{"input": "a", "id": 1, "task": task} for task in "xy"]
    assert len(load_dataset(jsonl(tmp_path / "d.jsonl", list(rows))).questions) == 2


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    for missing in (str(tmp_path / "no.jsonl"), "questions", "data/questions.csv"):
        with pytest.raises(NotFoundError, match="there is no dataset"):
            load_dataset(missing)
    with pytest.raises(InvalidFileError, match=r"holds no \.json"):
        load_dataset(str(tmp_path))


def test_a_hugging_face_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="needs the extra [datasets]")
    # The library takes owner/name from the working directory before it asks the network.
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    jsonl(folder / "train.jsonl", [{"question": "a", "answer": "1"}])
    jsonl(folder / "test.jsonl", [{"question": "b", "answer": "2"}])
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from ml_agents_results.experiments.dataset_rows import _read_hugging_face

    monkeypatch.chdir(tmp_path)
    by_split = {split: list(_read_hugging_face(f"owner/name{split}")) for split in ("", "@train")}
    assert by_split[""] == [("owner/name, row 1", {"question": "b", "answer": "2"})]
    assert by_split["@train"] == [("owner/name@train, row 1", {"question": "a", "answer": "1"})]
    with pytest.raises(InvalidFileError, match="no split 'dev'"):
        list(_read_hugging_face("owner/name@dev"))
