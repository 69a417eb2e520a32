"""Every answer of the built-in questions, worked out here a second time by other means."""

import calendar
import statistics
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import permutations, product

import pytest

from ml_agents_results.experiments.datasets import load_dataset

QUESTIONS = {q.sample_id: q for q in load_dataset("builtin").questions}


def after(sample_id: str, separator: str) -> list[str]:
    """The items that the question lists after its colon (or before its question)."""
    text = QUESTIONS[sample_id].input_text.partition(separator)[2]
    return [item.strip() for item in text.split(",")]


def joined(items: Iterable[str]) -> str:
    return ", ".join(items)


def evaluated(sample_id: str) -> str:
    expression = QUESTIONS[sample_id].input_text.partition("? ")[2]
    return str(eval(expression, {"__builtins__": {}}))


def only(found: Iterable[str]) -> str:
    (answer,) = set(found)
    return answer


def follows(premises: Callable[..., bool], conclusion: Callable[..., bool], letters: int) -> bool:
    """Whether the conclusion holds in every world of truth values where the premises hold."""
    worlds = product([False, True], repeat=letters)
    return all(conclusion(*world) for world in worlds if premises(*world))


def socks() -> str:
    colours = [5, 7, 8]
    most_without_pair = sum(min(count, 1) for count in colours)
    return str(most_without_pair + 1)


def second_tallest() -> str:
    orders = permutations(["Anna", "Ben", "Carla", "David"])
    return only(
        o[1]
        for o in orders
        if o.index("Anna") < o.index("Ben") < o.index("Carla")
        and o.index("David") < o.index("Anna")
    )


def knights(says: Callable[[bool, bool], tuple[bool, bool]], who: int) -> str:
    worlds = product([False, True], repeat=2)
    fitting = [w for w in worlds if all(w[i] == said for i, said in enumerate(says(*w)))]
    return only("knight" if w[who] else "knave" for w in fitting)


def queue() -> str:
    return only(
        o[2]
        for o in permutations(["Ada", "Bo", "Cy", "Di"])
        if o.index("Bo") == o.index("Di") + 1 and o[0] != "Ada" and o[3] == "Cy"
    )


def one_true_statement() -> str:
    fitting = [
        (a, b, c)
        for a, b, c in product([False, True], repeat=3)
        if a == b and b == (not c) and c == (not a) and a + b + c == 1
    ]
    return only(f"({'ABC'[w.index(True)]})" for w in fitting)


def compass() -> str:
    directions = ["north", "east", "south", "west"]
    return directions[(3 - 1 - 1 + 1 + 2) % 4]


def boxes() -> str:
    fitting = []
    for red, blue, green, white in permutations(range(1, 5)):
        if red % 2 and blue == red + 1 and abs(green - blue) > 1 and blue != 4:
            fitting.append(str(white))
    return only(fitting)


def bubble_pass(items: list[int]) -> list[int]:
    for i in range(len(items) - 1):
        if items[i] > items[i + 1]:
            items[i], items[i + 1] = items[i + 1], items[i]
    return items


ROMAN = {"VI": 6, "IX": 9, "XIV": 14, "XXI": 21, "XL": 40}
UNITS = {"m": Fraction(1), "cm": Fraction(1, 100), "km": Fraction(1000), "mm": Fraction(1, 1000)}
UNITS["dm"] = Fraction(1, 10)


def metres(length: str) -> Fraction:
    number, unit = length.split()
    return Fraction(number) * UNITS[unit]


def amount(text: str) -> Fraction:
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def may_2022() -> list[date]:
    return [date(2022, 5, day) for day in range(1, 32)]


def shirt() -> str:
    return str(Fraction(40) * Fraction(125, 100) * Fraction(80, 100))


ANSWERS: dict[str, Callable[[], str]] = {
    "arithmetic-01": lambda: str(24 * 18 - 37),
    "arithmetic-02": lambda: str(17 * 23 - 19 * 11),
    "arithmetic-03": lambda: str(150 / Fraction(100, 60)),
    "arithmetic-04": lambda: only(str(3 * s) for s in range(99) if 3 * s + 6 == 2 * (s + 6)),
    "arithmetic-05": shirt,
    "arithmetic-06": lambda: str(1000 % 37),
    "arithmetic-07": lambda: str(sum(n % 3 == 0 and n % 5 != 0 for n in range(1, 101))),
    "arithmetic-08": lambda: str(1 / (Fraction(1, 10) + Fraction(1, 15))),
    "arithmetic-09": lambda: only(str(w * (w + 4)) for w in range(99) if 2 * (w + w + 4) == 56),
    "arithmetic-10": lambda: only(str(n + 4) for n in range(0, 200, 2) if n + n + 2 + n + 4 == 132),
    "arithmetic-11": socks,
    "arithmetic-12": lambda: str(Fraction(3, 8) * Fraction(2, 3) * 480),
    "arithmetic-13": lambda: str(Fraction(4, 60) * ((20 - 8) * 60 + 30)),
    "arithmetic-14": lambda: str(20 - 6 * Decimal("1.35") - 4 * Decimal("2.80")),
    "arithmetic-15": lambda: str(sum(map(int, str(9876 * 5)))),
    "logic-01": lambda: evaluated("logic-01"),
    "logic-02": lambda: evaluated("logic-02"),
    "logic-03": lambda: evaluated("logic-03"),
    "logic-04": second_tallest,
    # One individual x with plim, dorn, wug: may it be a plim and a wug?
    "logic-05": lambda: (
        "no"
        if follows(lambda p, d, w: (not p or d) and not (d and w), lambda p, d, w: not (p and w), 3)
        else "yes"
    ),
    # The individual that witnesses "some tarns are veeks".
    "logic-06": lambda: (
        "yes"
        if follows(lambda t, v, x: t and v and (not v or x), lambda t, v, x: t and x, 3)
        else "no"
    ),
    "logic-07": lambda: (
        "yes" if follows(lambda z, m: (not z or m) and m, lambda z, m: z, 2) else "no"
    ),
    "logic-08": lambda: knights(lambda ola, per: (not ola and not per, per), 1),
    "logic-09": lambda: knights(lambda xan, yve: (not yve, xan == yve), 0),
    "logic-10": queue,
    "logic-11": lambda: (
        "no"
        if follows(lambda rain, off: (not rain or off) and not off, lambda rain, off: not rain, 2)
        else "yes"
    ),
    "logic-12": lambda: (
        "yes"
        if follows(lambda lamp, home: (not lamp or home) and not lamp, lambda _, h: not h, 2)
        else "no"
    ),
    "logic-13": one_true_statement,
    "logic-14": compass,
    "logic-15": boxes,
    "dates-01": lambda: str(date(2023, 1, 15) + timedelta(days=100)),
    "dates-02": lambda: date(2024, 2, 29).strftime("%A"),
    "dates-03": lambda: str((date(2021, 6, 18) - date(2021, 3, 3)).days),
    "dates-04": lambda: calendar.day_name[(calendar.WEDNESDAY + 100) % 7],
    "dates-05": lambda: (datetime(2023, 1, 1, 22, 45, tzinfo=UTC) + timedelta(minutes=90)).strftime(
        "%H:%M"
    ),
    "dates-06": lambda: only(
        f"({letter})"
        for letter, year in zip("ABCD", [1900, 2000, 2100, 2022], strict=True)
        if calendar.isleap(year)
    ),
    "dates-07": lambda: str(calendar.monthrange(2100, 2)[1]),
    "dates-08": lambda: (
        datetime(2023, 1, 1, 23, 20, tzinfo=UTC)
        + timedelta(hours=9, minutes=55)
        - timedelta(hours=6)
    ).strftime("%H:%M"),
    "dates-09": lambda: f"2023-06-{calendar.monthrange(2023, (11 + 7 - 1) % 12 + 1)[1]}",
    "dates-10": lambda: str(sum(date(2021, 3, d).weekday() == 0 for d in range(1, 32))),
    "dates-11": lambda: str(2020 - 1990 - ((8, 29) < (8, 30))),
    "dates-12": lambda: str([d for d in may_2022() if d.weekday() == calendar.FRIDAY][2]),
    "dates-13": lambda: str((16 * 60 + 5) - (7 * 60 + 48)),
    "dates-14": lambda: calendar.day_name[(calendar.SUNDAY - 2 - 1) % 7],
    "dates-15": lambda: str((datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=1000)).date()),
    "sorting-01": lambda: joined(sorted(after("sorting-01", ":"), key=int)),
    "sorting-02": lambda: joined(sorted(after("sorting-02", ":"), key=Fraction, reverse=True)),
    "sorting-03": lambda: joined(sorted(after("sorting-03", ":"))),
    "sorting-04": lambda: joined(sorted(after("sorting-04", ":"), key=len)),
    "sorting-05": lambda: joined(sorted(after("sorting-05", ":"), key=Fraction)),
    "sorting-06": lambda: joined(sorted(after("sorting-06", ":"), key=ROMAN.__getitem__)),
    "sorting-07": lambda: joined(sorted(after("sorting-07", ":"), reverse=True)),
    "sorting-08": lambda: joined(sorted(after("sorting-08", ":"), key=date.fromisoformat)),
    "sorting-09": lambda: joined(sorted(after("sorting-09", ":"), key=lambda word: word[-1])),
    "sorting-10": lambda: joined(sorted(after("sorting-10", ":"), key=metres)),
    "sorting-11": lambda: joined(sorted(after("sorting-11", ":"), key=amount)),
    "sorting-12": lambda: "".join(sorted("machine")),
    "sorting-13": lambda: joined(map(str, bubble_pass([5, 2, 4, 1]))),
    "sorting-14": lambda: str(statistics.median([12, 5, 9, 21, 3, 14, 8])),
    "sorting-15": lambda: str(sorted([45, 12, 78, 34, 89, 67, 23])[-3]),
}


def test_there_are_four_tasks_of_fifteen() -> None:
    tasks = [question.task for question in QUESTIONS.values()]
    assert {task: tasks.count(task) for task in tasks} == dict.fromkeys(
        ["arithmetic", "logic", "dates", "sorting"], 15
    )
    assert set(ANSWERS) == set(QUESTIONS)


@pytest.mark.parametrize("sample_id", QUESTIONS)
def test_the_expected_answer_is_right(sample_id: str) -> None:
    assert QUESTIONS[sample_id].expected_answer == ANSWERS[sample_id]()
