"""Compares a log of Inspect with an output of lm-eval, on the questions that both asked.

python examples/two_logs.py examples/two_tools results.db
"""

import sys
from pathlib import Path

from ml_agents_results import AnalysisOptions, ResultsProcessor
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.reports.sentences import comparison_sentence

if len(sys.argv) != 3:
    sys.exit(__doc__)
folder, database = map(Path, sys.argv[1:])
with ResultsProcessor(database) as results:
    for tool, options in {
        "inspect": ImportOptions(experiment_id="inspect", approach="CoT", task="sums"),
        "lm_eval": ImportOptions(
            experiment_id="lm-eval",
            task="sums",
            columns={"sample_id": "doc.id", "input_text": "doc.question"},
        ),
    }.items():
        imported = load(results.database, [LogSource(folder / tool)], options)
        print(f"{tool}: {imported.inserted} runs")
    comparison = results.compare(["lm-eval", "inspect"], options=AnalysisOptions(allow=("metric",)))
    for row in comparison.comparisons:
        print(comparison_sentence(row))
