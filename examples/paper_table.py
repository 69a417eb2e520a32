"""From a table of grades to the sentence, the exceptions and the LaTeX table of a paper.

    python examples/paper_table.py GRADES.csv.gz TABLE.tex

The grades have the columns task, sample_index, approach_name and is_correct, as
tests/data/bbh_grades.csv.gz has.
"""

import csv
import gzip
import sys
from pathlib import Path

from ml_agents_results import ResultsProcessor, RunRecord
from ml_agents_results.formats.exporting import export
from ml_agents_results.reports.sentences import comparison_sentence

grades, table = map(Path, sys.argv[1:])
with ResultsProcessor(table.with_suffix(".db")) as results, gzip.open(grades, "rt") as file:
    results.save_experiment("paper", {"dataset": grades.name}, status="completed")
    results.save_runs(
        RunRecord(
            "paper",
            row["approach_name"],
            int(row["sample_index"]),
            task=row["task"],
            is_correct=row["is_correct"] == "1",
        )
        for row in csv.DictReader(file)
    )
    comparison = results.compare(["paper"], by_task=True)
    for row in comparison.comparisons:
        print(comparison_sentence(row))
    for task in comparison.tasks:
        for row in task.comparisons:
            if row.difference is not None and row.difference < 0:
                print(f"Not on {task.task}: {100 * row.difference:+.1f} points")
    export(results.database, ["paper"], table, include=["summary", "comparisons"], force=True)
