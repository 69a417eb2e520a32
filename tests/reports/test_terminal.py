"""The terminal: what is printed fits, breaks no word, and steers nothing."""

import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.columns import COLUMNS, columns
from ml_agents_results.reports.report import Report, Table, View
from ml_agents_results.reports.terminal import (
    json_printable,
    print_report,
    print_table,
    printable,
    say,
    write,
)
from tests.reports.conftest import Reports
from tests.services.building import coin, runs

HOSTILE = "\x1b[2J\x1b]0;title\x07 \x9b31m \x7f \u202e\u2066 \u200f \u2028 \ud800 \r back\x08"
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Screen(io.TextIOWrapper):
    """A stream that is a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace")

    def isatty(self) -> bool:
        return True


def on_screen(*reports: Report, verbose: bool = False, encoding: str = "utf-8") -> str:
    """What a terminal of 80 columns shows, without its colours."""

    def action() -> None:
        for report in reports:
            print_report(report, verbose=verbose)

    return shown(action, encoding)


def shown(action: Callable[[], object], encoding: str = "utf-8") -> str:
    screen = Screen(encoding)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(screen):
        patch.setenv("COLUMNS", "80")
        patch.setenv("TERM", "xterm-256color")
        action()
    screen.seek(0)
    return re.sub(r"\x1b\[[\d;]*m", "", screen.read())


@pytest.fixture
def study(processor: ResultsProcessor) -> ResultsProcessor:
    """Three approaches in tasks with long names."""
    processor.save_experiment("study", {})
    tasks = ("boolean_expressions", "tracking_shuffled_objects_seven_objects", "snarks")
    for number, task in enumerate(tasks):
        for variant, chance in (("None", 0.4), ("CoT1", 0.7), ("ChainOfVerification", 0.6)):
            made = runs("study", variant, coin(number, 30, chance), task=task)
            for index, one in enumerate(made):
                one.execution_time_ms, one.cost_estimate = 10_000 + 731 * index, 0.0123 * chance
            processor.save_runs(made)
    return processor


def test_what_steers_a_terminal_is_escaped() -> None:
    text = printable(HOSTILE)
    assert UNSAFE.search(text) is None
    for escape in (
        r"\x1b[2J",
        r"\x07",
        r"\x9b31m",
        r"\x7f",
        r"\u202e",
        r"\u2028",
        r"\ud800",
        r"\r",
    ):
        assert escape in text
    assert printable("tab\tline\nöя🧪") == "tab\tline\nöя🧪"


def test_json_is_escaped_to_the_same_value() -> None:
    document = json.dumps({"text": HOSTILE}, ensure_ascii=False)
    escaped = json_printable(document)
    assert UNSAFE.search(escaped) is None
    assert json.loads(escaped) == {"text": HOSTILE}


def test_every_door_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    write(HOSTILE)
    say(HOSTILE)
    print_table((HOSTILE, "n"), [(HOSTILE, 3), (HOSTILE + "\nsecond", None)], numbers=1)
    row = {"task": HOSTILE, "graded": 3}
    named = (COLUMNS["task"], COLUMNS["graded"])
    view = View("tasks", HOSTILE, named, [row], caption=HOSTILE)
    print_report(
        Report(HOSTILE, [Table("T", named, [row], [view])], [HOSTILE], [HOSTILE], [HOSTILE]),
        verbose=True,
    )
    out, err = capsys.readouterr()
    assert UNSAFE.search(out) is None
    assert UNSAFE.search(err) is None
    assert r"\nsecond" in out


@pytest.mark.parametrize("verbose", [False, True])
def test_every_report_fits_80_columns_and_breaks_no_word(
    study: ResultsProcessor, reports: Reports, verbose: bool
) -> None:
    text = on_screen(*reports("study").values(), verbose=verbose)
    assert max(map(len, text.splitlines())) <= 80
    words = set(text.split())
    for word in (
        *("ChainOfVerification", "tracking_shuffled_objects_seven_objects", "minimum"),
        *("accuracy", "discordance", "confidence", "percentage"),
    ):
        assert word in words
    assert not {"ChainOfVerificatio", "tracking_shuffled_objects_seven_object"} & words


def test_what_does_not_fit_follows_under_the_same_names() -> None:
    figures = ("runs", "graded", "failed", "unparsed", "ungraded", "correct", "samples", "priced")
    row = {"task": "a task of 32 characters, its name", **dict.fromkeys(figures, 123_456)}
    shown = columns("task", *figures)
    report = Report("R", [Table("T", shown, [row], [View("t", "T", shown, [row])])])
    lines = on_screen(report).splitlines()
    assert sum(line.startswith("a task of 32 characters") for line in lines) == 2
    assert sum(line.count("123,456") for line in lines) == len(figures)
    for name in figures:
        assert sum(name in line.split() for line in lines) == 1


def test_at_most_three_notes(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("R", [], notes=["one", "two", "three", "four", "five"], methods=["Method."])
    print_report(report)
    brief = capsys.readouterr().out
    assert brief.split("\n")[1:5] == [
        "Note: one.",
        "Note: two.",
        "Note: three.",
        "2 more notes with --verbose.",
    ]
    assert "Method." not in brief
    print_report(report, verbose=True)
    whole = capsys.readouterr().out
    assert "Note: five." in whole
    assert "Method." in whole


def test_the_sentence_comes_first_and_zero_can_be_seen(
    study: ResultsProcessor, reports: Reports
) -> None:
    lines = on_screen(reports("study")["comparison"]).splitlines()
    assert lines[0].startswith("CoT1 is better: on 90 shared samples")
    rows = [line for line in lines if re.match(r"snarks +[+-]", line)]
    assert len(rows) == 2
    assert all(re.search("[│┼]", row) for row in rows)


def test_ascii_terminals_get_ascii_plots(study: ResultsProcessor, reports: Reports) -> None:
    text = on_screen(reports("study")["comparison"], encoding="ascii")
    assert "\\u" not in text
    assert "--o--" in text


def test_in_a_pipe_nothing_is_wrapped_or_cut(
    study: ResultsProcessor, reports: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    report = reports("study")["comparison"]
    print_report(report)
    out = capsys.readouterr().out.splitlines()
    assert list(report.sentences) == out[: len(report.sentences)]
    assert "\x1b" not in "".join(out)


def test_titles_stand_over_a_row_that_has_no_room_for_them() -> None:
    rows = [("experiment_of_today", "What a name!", "completed", *(1234,) * 6)]
    heads = ("id", "name", "status", "planned", "runs", "graded", "failed", "variants", "right")
    lines = shown(lambda: print_table(heads, rows, numbers=6, titles=2)).splitlines()
    assert lines[2:] == [
        "experiment_of_today  What a name!",
        "  completed    1,234  1,234   1,234   1,234     1,234  1,234",
    ]
    assert lines[1].split() == list(heads[2:])
