"""Has Inspect write logs, and beside each what its own reader says of it.

Run where inspect-ai is installed: python write_inspect_logs.py FOLDER
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval, eval_retry, task
from inspect_ai.analysis import samples_df
from inspect_ai.dataset import Sample
from inspect_ai.log import convert_eval_logs, read_eval_log
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi
from inspect_ai.scorer import Score, accuracy, choice, includes, match, mean, scorer
from inspect_ai.solver import chain_of_thought, generate, multiple_choice, solver

OUTPUTS = {
    "2+2": "ANSWER: 4",
    "3*3": "ANSWER: nine",
    "10-3": "no idea \N{SHRUG} \n\n ANSWER: 8",
    "1/1": "So it is\n\nANSWER: 1",
}
BROKEN = "ML_AGENTS_TOOL_IS_BROKEN"


@solver
def sometimes_failing() -> Any:
    async def solve(state: Any, generate: Any) -> Any:
        if state.sample_id == "q3" and os.environ.get(BROKEN):
            raise RuntimeError("the tool broke")
        return await generate(state)

    return solve


@scorer(metrics=[mean()])
def shares() -> Any:
    async def score(state: Any, target: Any) -> Any:
        return Score(value=len(state.output.completion) % 4 / 4, answer=None, explanation="length")

    return score


@scorer(metrics=[accuracy()])
def partial() -> Any:
    async def score(state: Any, target: Any) -> Any:
        return Score(value="CPIN"[ord(str(state.sample_id)[-1]) % 4], answer="a")

    return score


@scorer(metrics={"one": [mean()], "two": [mean()]})
def several() -> Any:
    async def score(state: Any, target: Any) -> Any:
        return Score(value={"one": 1, "two": 0.25})

    return score


def questions() -> list[Sample]:
    return [
        Sample(id="q1", input="What is 2+2?", target="4", metadata={"topic": "sums"}),
        Sample(id="q2", input="What is 3*3?", target=["9", "nine"]),
        Sample(id="q3", input="What is 10-3?", target="7"),
        Sample(id=12, input="What is 1/1? " + "Think hard. " * 200, target="1"),
    ]


@task
def retried() -> Any:
    return Task(dataset=questions(), solver=sometimes_failing(), scorer=match())


class Canned(ModelAPI):
    """A model that needs no network; Inspect's own mock model counts tokens with a download."""

    asked = 0

    async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> Any:
        type(self).asked += 1
        asked = str(input[-1].content)
        said = next((say for about, say in OUTPUTS.items() if about in asked), "ANSWER: A")
        output = ModelOutput.from_content(self.model_name, said)
        output.usage = ModelUsage(
            input_tokens=20 + self.asked,
            output_tokens=self.asked,
            total_tokens=20 + 2 * self.asked + 3,
            input_tokens_cache_read=3,
            total_cost=0.001 * (self.asked % 2),
        )
        return output


@modelapi(name="canned")
def canned() -> type[ModelAPI]:
    return Canned


MODEL = "canned/lab/model"


def write(folder: Path) -> None:
    common: dict[str, Any] = {"display": "none", "fail_on_error": False, "log_dir": str(folder)}
    tasks = {
        "plain": Task(dataset=questions(), solver=generate(), scorer=match(), name="plain"),
        "several_scorers": Task(
            dataset=questions(),
            solver=[chain_of_thought(), generate()],
            scorer=[match(numeric=True), includes(), several()],
            epochs=3,
            name="several_scorers",
            metadata={"approach": "CoT"},
        ),
        "shares": Task(dataset=questions(), solver=generate(), scorer=shares(), name="shares"),
        "partial": Task(dataset=questions(), solver=generate(), scorer=partial(), name="partial"),
        "choices": Task(
            dataset=[
                Sample(id=n, input=f"Pick {n}", choices=["one", "two"], target="AB"[n % 2])
                for n in range(1, 4)
            ],
            solver=multiple_choice(),
            scorer=choice(),
            name="choices",
        ),
        "failing": Task(
            dataset=questions(), solver=sometimes_failing(), scorer=match(), name="failing"
        ),
        "unscored": Task(dataset=questions(), solver=generate(), name="unscored"),
    }
    for name, made in tasks.items():
        if name == "failing":
            os.environ[BROKEN] = "1"
        eval(made, model=MODEL, **common)
    os.environ[BROKEN] = "1"
    first = eval(
        f"{__file__}@retried",
        model=MODEL,
        display="none",
        log_dir=str(folder),
        max_samples=1,
    )
    del os.environ[BROKEN]
    eval_retry(first, display="none", log_dir=str(folder))


def tell(folder: Path) -> None:
    """What Inspect's reader says, log by log."""
    for path in sorted([*folder.glob("*.eval"), *folder.glob("*.json")]):
        log = read_eval_log(str(path))
        frame = samples_df(str(path), quiet=True)
        rows = json.loads(frame.to_json(orient="records"))
        full = {
            (str(sample.id), sample.epoch): {
                "completion": sample.output.completion,
                "working_time": sample.working_time,
                "total_time": sample.total_time,
                "error": sample.error.message if sample.error else None,
                "target": sample.target,
                "input": sample.input if isinstance(sample.input, str) else None,
                "scores": {
                    name: {"value": score.value, "answer": score.answer}
                    for name, score in (sample.scores or {}).items()
                },
                "usage": {name: usage.model_dump() for name, usage in sample.model_usage.items()},
            }
            for sample in log.samples or []
        }
        told = {
            "status": log.status,
            "task": log.eval.task,
            "task_id": log.eval.task_id,
            "model": log.eval.model,
            "sample_ids": log.eval.dataset.sample_ids,
            "scorers": [one.name for one in log.eval.scorers or []],
            "metrics": {
                score.name: {name: metric.value for name, metric in score.metrics.items()}
                for score in (log.results.scores if log.results else [])
            },
            "rows": rows,
            "samples": [
                {"id": sample_id, "epoch": epoch, **values}
                for (sample_id, epoch), values in full.items()
            ],
        }
        beside = path.with_name(f"{path.name}.told")
        beside.write_text(json.dumps(told, default=str), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write(target)
    converted = target / "converted"
    convert_eval_logs(str(target), to="json", output_dir=str(converted))
    tell(target)
    tell(converted)
