"""Results of promptfoo, as it exports them."""

import json
from pathlib import Path
from typing import Any


def result(test: int = 0, prompt: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "id": f"r{test}{prompt}",
        "promptIdx": prompt,
        "testIdx": test,
        "provider": {"id": "anthropic:messages:claude", "label": ""},
        "prompt": {"raw": f"Think. {test}?", "label": "cot"},
        "vars": {"question": f"{test}?", "expected": "4"},
        "testCase": {"vars": {}, "assert": [{"type": "contains", "value": "four"}]},
        "response": {
            "output": "4",
            "tokenUsage": {"total": 30, "prompt": 20, "completion": 10},
            "cached": False,
        },
        "error": None,
        "failureReason": 0,
        "success": True,
        "score": 0.75,
        "latencyMs": 812,
        "gradingResult": {"pass": True, "score": 1, "componentResults": []},
        "namedScores": {"brevity": 0.5},
        "cost": 0.001,
        **others,
    }


def document(*results: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "evalId": "eval-1",
        "results": {
            "version": 3,
            "timestamp": "2026-01-15T10:30:00.000Z",
            "prompts": [{"raw": "x"}],
            "results": list(results),
        },
        "config": {"description": "demo", "env": {"OPENAI_API_KEY": "sk-x"}},
        "metadata": {"promptfooVersion": "0.99"},
        **others,
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
