"""Which repository counts is a matter of how many runs the experiments have."""

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories import fastest
from ml_agents_results.repositories.column_analysis import ColumnAnalysis
from ml_agents_results.repositories.filters import Filters
from tests.generated import make_runs


@pytest.mark.parametrize(("few", "columns"), [(79, True), (80, False)])
def test_many_runs_are_counted_by_columns(
    processor: ResultsProcessor, monkeypatch: pytest.MonkeyPatch, few: int, columns: bool
) -> None:
    processor.save_experiment("exp", {})
    processor.save_experiment("other", {})
    processor.save_runs(make_runs())
    processor.save_runs(make_runs("other", samples=2))
    monkeypatch.setattr(fastest, "FEW", few)
    with processor.database.read() as connection:
        of_one = fastest.analysis(connection, Filters(experiment_id=("exp",), task=("sums",)))
        assert isinstance(of_one, ColumnAnalysis) == columns
        assert sum(part.runs for part in of_one.variants()) == 40
        assert isinstance(fastest.analysis(connection), ColumnAnalysis)
        assert isinstance(
            fastest.analysis(connection, Filters(experiment_id=("exp",)), pairs=True),
            ColumnAnalysis,
        )
