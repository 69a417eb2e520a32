"""Runs every program of this folder that measures, one after the other: `make bench`."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NO_MEASUREMENTS = ("__main__.py", "generate_runs.py", "servers.py")


def main() -> int:
    """The number of programs that missed a figure or failed."""
    programs = sorted(path for path in FOLDER.glob("*.py") if path.name not in NO_MEASUREMENTS)
    failed = []
    for program in programs:
        print(f"== {program.name}", flush=True)
        if subprocess.run([sys.executable, program], check=False).returncode:
            failed.append(program.name)
    if failed:
        print(f"Missed a figure, or failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
