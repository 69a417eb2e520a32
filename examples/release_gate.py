"""A gate in a test or a release script: may the new prompt replace the old one?

    python examples/release_gate.py results.db study --margin 0.02

Ends with 0 where a loss of the margin is excluded, else with 1.
"""

import argparse
import sys

from ml_agents_results import AnalysisOptions, ResultsProcessor

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("database")
parser.add_argument("experiment")
parser.add_argument("--margin", type=float, default=0.02, help="a loss that would matter")
given = parser.parse_args()

with ResultsProcessor(given.database) as results:
    comparison = results.compare(
        [given.experiment], options=AnalysisOptions(margin=given.margin, missing="incorrect")
    )
(row,) = comparison.comparisons
print(
    f"{row.candidate.approach_name}: {row.difference:+.3f} [{row.ci_low:+.3f}, {row.ci_high:+.3f}]"
)
is_safe = row.p_non_inferior is not None and row.p_non_inferior < 0.05
print("passes" if is_safe else "does not pass: ask more questions, or keep the old one")
sys.exit(not is_safe)
