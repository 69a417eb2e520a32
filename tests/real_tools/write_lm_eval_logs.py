"""Has lm-evaluation-harness write logs of a model that needs no network, and what it computed.

Run where lm-eval and this package are installed: python write_lm_eval_logs.py FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

from ml_agents_results.integrations.lm_eval_recording import record_lm_eval

QUESTIONS = [
    {"question": f"What is {n}+{n}?", "answer": str(2 * n), "id": f"q{n}"} for n in range(8)
]
GENERATED = """
task: sums_cot
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 32}
repeats: 3
filter_list:
  - name: strict
    filter: [{function: regex, regex_pattern: "answer is (\\\\d+)"}, {function: take_first}]
  - name: flexible
    filter: [{function: regex, regex_pattern: "(\\\\d+)"}, {function: majority_vote},
             {function: take_first}]
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
"""
CHOICES = """
task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: 1
doc_to_choice: ["red", "green", "dark blue"]
metric_list: [{metric: acc}, {metric: acc_norm}]
metadata: {version: 1.0}
"""


class Canned(LM):
    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        said = []
        for number, request in enumerate(requests):
            first = request.args[0].split()[3].split("+")[0]
            right = 2 * int(first)
            said.append((f"The answer is {right}.", f"I say {right}", "No idea", "The answer is 9")
                        [number % 4])  # fmt: skip
        return said

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        return [(-1.0 - (7 * number % 5), number % 3 == 0) for number, _ in enumerate(requests)]

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        return [-1.0 for _ in requests]


def main(folder: Path) -> None:
    tasks = folder / "tasks"
    tasks.mkdir(parents=True)
    data = (tasks / "questions.jsonl").resolve()
    data.write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS), encoding="utf-8")
    for name, settings in (("sums_cot", GENERATED), ("colours", CHOICES)):
        path = tasks / f"{name}.yaml"
        path.write_text(settings.replace("DATA", str(data)), encoding="utf-8")
    tracker = EvaluationTracker(output_path=str(folder / "logs"))
    results = simple_evaluate(
        model=Canned(),
        tasks=["sums_cot", "colours"],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        log_samples=True,
        evaluation_tracker=tracker,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    record_lm_eval({**results, "samples": samples}, folder / "memory.db")
    told = {"results": results["results"], "samples": samples}
    (folder / "told.json").write_text(json.dumps(told, default=str), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
