"""A loop that a crash does not hurt: started again, it asks what is missing and nothing else.

    python examples/own_loop.py loop.db --crash-after 5
    python examples/own_loop.py loop.db

`ask` stands for your model: here it adds, and errs on every third sum unless it is told to check.
"""

import argparse
import re
from itertools import count

from ml_agents_results import ResultsProcessor

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("database")
parser.add_argument("--crash-after", type=int, default=-1)
given = parser.parse_args()

samples = [
    {"id": f"sum-{n}", "question": f"What is {7 * n} + {5 * n}?", "answer": str(12 * n)}
    for n in range(1, 31)
]
calls = count()


def ask(question: str, prompt: str) -> str:
    if next(calls) == given.crash_after:
        raise SystemExit("the machine is gone")
    first, second = map(int, re.findall(r"\d+", question))
    is_wrong = prompt == "plain" and first % 3 == 0
    return f"The answer is {first + second + is_wrong}."


with (
    ResultsProcessor(given.database) as results,
    results.experiment("sums", config={"temperature": 0}) as experiment,
):
    for prompt in ("plain", "check"):
        for sample in experiment.missing(samples, approach=prompt, model="adder"):
            with experiment.run(sample, approach=prompt, model="adder") as run:
                run.raw_output = ask(sample["question"], prompt)
                run.score("exact", run.raw_output == f"The answer is {sample['answer']}.")
print(f"asked {next(calls)} times")
