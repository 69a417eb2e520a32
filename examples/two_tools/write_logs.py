"""Asks the same forty questions with Inspect and with lm-evaluation-harness, and keeps both logs.

Run where both are installed: python write_logs.py FOLDER. The model needs no network: it computes
the answer, and errs by a rule, less often when it is asked to think step by step.
"""

import json
import sys
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelAPI, ModelOutput, modelapi
from inspect_ai.scorer import match
from inspect_ai.solver import chain_of_thought, generate
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

QUESTIONS = [
    {"id": f"sum{n:02}", "question": f"What is {17 * n} + {23 * n + 5}?", "answer": str(40 * n + 5)}
    for n in range(40)
]
TASK = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 32}
filter_list:
  - name: number
    filter: [{function: regex, regex_pattern: "(\\\\d+)"}, {function: take_first}]
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


def answer(prompt: str, errs_every: int) -> str:
    asked = next(one for one in QUESTIONS if one["question"] in prompt)
    number = QUESTIONS.index(asked)
    if number % 13 == 7:
        return "I cannot say."
    return str(int(asked["answer"]) + 10 * (number % errs_every == 2))


@modelapi(name="adder")
def adder() -> type[ModelAPI]:
    class Adder(ModelAPI):
        async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> Any:
            said = f"Adding up step by step.\n\nANSWER: {answer(str(input[-1].content), 8)}"
            return ModelOutput.from_content(self.model_name, said)

    return Adder


@register_model("adder")
class Adder(LM):
    def __init__(self, pretrained: str, **_: Any) -> None:
        super().__init__()

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        return [answer(request.args[0], 3) for request in requests]

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def main(folder: Path) -> None:
    samples = [Sample(id=q["id"], input=q["question"], target=q["answer"]) for q in QUESTIONS]
    task = Task(
        dataset=samples,
        solver=[chain_of_thought(), generate()],
        scorer=match(numeric=True),
        name="sums",
    )
    eval(task, model="adder/adder-1", log_dir=str(folder / "inspect"), display="none")
    tasks = folder / "tasks"
    tasks.mkdir()
    data = tasks / "questions.jsonl"
    data.write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS), encoding="utf-8")
    (tasks / "sums.yaml").write_text(TASK.replace("DATA", str(data)), encoding="utf-8")
    tracker = EvaluationTracker(output_path=str(folder / "lm_eval"))
    results = simple_evaluate(
        model="adder",
        model_args="pretrained=adder-1",
        tasks=["sums"],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        log_samples=True,
        evaluation_tracker=tracker,
        bootstrap_iters=0,
    )
    answers = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=answers)
    tracker.save_results_samples(task_name="sums", samples=answers["sums"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
