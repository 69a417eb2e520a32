import threading
import time
from importlib.util import find_spec

import pytest

from ml_agents_results.scoring import algebra
from ml_agents_results.scoring.graders import grade

pytestmark = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs the extra [math]")


@pytest.mark.parametrize(
    ("answer", "expected", "verdict"),
    [
        ("\\log_2 8", "3", True),
        ("\\tan^2 x + 1", "\\sec^2 x", True),
        ("\\log_2 8", "4", False),
        ("\\binom{5}{2}", "10", True),
    ],
)
def test_what_the_own_grammar_does_not_read_goes_to_computer_algebra(
    answer: str, expected: str, verdict: bool
) -> None:
    assert grade(answer, expected, "math").value is verdict


@pytest.mark.parametrize(
    "monster",
    ["9^{9^{9^{9}}}", "10!!!", "\\binom{10^9}{5}^{99999}", "(" * 200 + "x" + ")" * 200, "9" * 5000,
     "\\sum_{k=1}^{10^9} k^{k}", "__import__('os').system('true')"],
)  # fmt: skip
def test_no_answer_runs_away(monster: str) -> None:
    start = time.perf_counter()
    assert grade(monster, "\\log_2 8", "math").value is not True
    assert time.perf_counter() - start < algebra.TIME_LIMIT + 8


def test_a_worker_that_was_late_is_replaced() -> None:
    assert algebra.same("\\sin^2 x + \\cos^2 x", "1") is True
    algebra._worker.stop()
    algebra.same.cache_clear()
    assert algebra.same("\\sin^2 x + \\cos^2 x", "1") is True


def test_it_works_on_every_thread() -> None:
    verdicts: list[object] = []

    def compare(power: int) -> None:
        verdicts.append(grade(f"\\log_2 {2**power}", str(power), "math").value)

    threads = [threading.Thread(target=compare, args=(power,)) for power in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [True] * 8
