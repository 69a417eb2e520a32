"""The help of every command: sections, closed sets of values, one wording for one option."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, get_args

import pytest
import typer

from ml_agents_results.cli import app
from ml_agents_results.cli.analysis_reports import ReportType
from ml_agents_results.cli.help_panels import ORDER
from ml_agents_results.config import ParsingMode
from ml_agents_results.formats.duplicates import POLICIES
from ml_agents_results.formats.log_source import OnConflict
from ml_agents_results.statistics import choices
from ml_agents_results.statistics.multiplicity import CORRECTIONS
from ml_agents_results.statistics.proportions import INTERVAL_METHODS
from tests.commands import call, refusal

GROUP: Any = typer.main.get_command(app)
COMMANDS = tuple(GROUP.commands)


def sections(command: str) -> dict[str, list[str]]:
    """The options that the help of a command lists, by section, in order."""
    listed: dict[str, list[str]] = {}
    for line in call(command, "--help").stdout.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            listed[line[:-1]] = []
        elif line.startswith(("  --", "  FILE")):
            listed[next(reversed(listed))].append(line.split()[0].rstrip(","))
    return listed


@pytest.mark.parametrize("command", COMMANDS)
def test_sections_have_one_order_and_fit_a_terminal(command: str) -> None:
    listed = sections(command)
    assert list(listed) == [name for name in ORDER if name in listed]
    assert max(map(len, call(command, "--help").stdout.splitlines())) <= 80


def test_an_option_is_in_the_same_section_everywhere() -> None:
    found = defaultdict(set)
    for command in COMMANDS:
        for section, options in sections(command).items():
            for option in options:
                found[option].add(section)
    # What `import` writes into runs is not what analyses select by; `run` names its model.
    own = {"--approach", "--task", "--metric", "--model", "--provider"}
    own |= {"--map", "--source", "--force", "--seed", "--scale", "--samples", "--max-cost"}
    assert {option for option, names in found.items() if len(names) > 1} <= own


def test_sections_of_compare() -> None:
    listed = sections("compare")
    assert {"--approach", "--model", "--from"} <= set(listed["Selection"])
    assert {"--interval", "--margin", "--cluster"} <= set(listed["Statistics"])
    assert {"--json", "--output", "--force"} <= set(listed["Output"])
    assert {"--db-path", "--db-url", "--source"} <= set(listed["Database"])


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("compare", "--contrasts", get_args(choices.Contrasts)),
        ("compare", "--interval", INTERVAL_METHODS),
        ("compare", "--difference-interval", get_args(choices.DifferenceMethod)),
        ("compare", "--test", get_args(choices.PairedTest)),
        ("compare", "--correction", (*CORRECTIONS, "none")),
        ("compare", "--missing", get_args(choices.Missing)),
        ("compare", "--null-cluster", get_args(choices.NullCluster)),
        ("compare", "--by", ("task",)),
        ("compare", "--engine", ("duckdb", "spark")),
        ("analyze", "--report-type", ReportType),
        ("import", "--duplicates", POLICIES),
        ("import", "--on-conflict", get_args(OnConflict)),
        ("run", "--parsing", get_args(ParsingMode)),
    ],
)
def test_help_and_errors_list_the_values_of_closed_sets(
    command: str, option: str, values: Collection[str]
) -> None:
    shown, listed = call(command, "--help").stdout, f"{option} <{'|'.join(values)}>"
    # Where they do not fit on a line, the text of the option has them.
    assert listed in shown or (len(listed) > 76 and ", ".join(values) in " ".join(shown.split()))
    message, _ = refusal(command, option, "no-such", code=2)
    assert all(repr(str(value)) in message for value in values)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("compare --correction ", ["holm", "fdr_bh", "bonferroni", "none"]),
        ("compare --cluster s", ["sample_id"]),
        ("compare --allow dataset,m", ["dataset,metric", "dataset,model"]),
        ("export --format ex", ["excel"]),
        ("export --include summary,co", ["summary,comparisons", "summary,costs"]),
        ("import --format lm", ["lm-eval"]),
        ("run --approach None,Co", ["None,CoT", "None,CoVe"]),
    ],
)
def test_completion_offers_values(words: str, offered: list[str]) -> None:
    from typer.testing import CliRunner

    settings = {
        "_ML_AGENTS_COMPLETE": "complete_bash",
        "COMP_WORDS": f"ml-agents {words}",
        "COMP_CWORD": str(len(words.split(" "))),
    }
    result = CliRunner().invoke(app, [], prog_name="ml-agents", env=settings)
    assert result.stdout.split() == offered
