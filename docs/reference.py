"""Writes cli.md, python.md and fields.md from the code: `make reference`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import ml_agents_results
from ml_agents_results.cli import app
from ml_agents_results.reports import columns as declared
from ml_agents_results.reports.column import UNITS, Column
from ml_agents_results.setting import Setting

DOCS = Path(__file__).parent
GENERATED = "<!-- Written by `make reference` from the code: change the code instead. -->"

CLI = """# Command line

`ml-agents COMMAND --help` shows the same.

- **Database.** `--db-path FILE` or `--db-url URL`, else `$ML_AGENTS_DB_PATH` or
  `$ML_AGENTS_DB_URL`, else `./ml_agents_results.db`. Commands that read never create a database.
- **Experiments.** `--experiment-id` and `--experiment-ids` are one option. It takes ids, unique
  beginnings of ids, names and `latest`; commands that work on several take a comma list or the
  option repeated.
- **Output.** `--json` prints one JSON document to stdout. Messages, warnings and progress go to
  stderr. Files that exist are replaced only with `--force`.
- **Errors** are two lines, `Error: ...` and `Hint: ...`. `--debug`, anywhere on the line, or
  `ML_AGENTS_DEBUG=1` adds the traceback.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | an error to act on: an output exists, a file cannot be read, there is nothing to compare |
| 2 | wrong usage: an unknown option or value, options that contradict each other |
| 3 | no such experiment, run, metric, database or file |
| 4 | the database needs migration, or is locked, foreign, moved, damaged or unreachable |
| 5 | finished in part: some runs failed, or some rows could not be saved |
| 6 | a gate failed |
| 130 | interrupted |

`ml-agents --install-completion` installs completion for the shell. Packages add commands by entry
points of the group `ml_agents_results.commands`.
"""

PYTHON = """# Python

```python
from ml_agents_results import ResultsProcessor

with ResultsProcessor("results.db") as results:
    comparison = results.compare(["exp_a", "exp_b"])
```

Every name of `ml_agents_results`, with its public methods. Accuracies and rates are fractions,
times ms, costs USD. Errors are subclasses of `ml_agents_results.errors.ResultsError` with
`message`, `hint` and `exit_code`. [orm.md](orm.md) shows the models at work.
"""

FIELDS = """# Result fields

The columns of every report, under the names that they have in JSON documents, data frames, CSV
files and workbooks. Which formula is behind a figure: [statistics](statistics/README.md).

A fraction is between 0 and 1 (tables for people show percent), a signed one between -1 and 1
(tables show percentage points). `null`, an empty cell or NaN is a figure that cannot be given;
`null_reason` says why.
`{k}` and the like stand for numbers.
"""

KINDS = {
    "points": "signed fraction",
    "distance": "fraction",
    "value": "unit of the metric",
    "change": "unit of the metric, signed",
    "p": "p value",
    "flag": "yes or no",
}
"""Kinds of columns in words, where their name is not enough."""

SECTIONS = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$", re.MULTILINE)
TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Errors"}


def cli_reference() -> str:
    """The Markdown of docs/cli.md."""
    group: Any = typer.main.get_command(app)
    names = list(group.commands)
    links = [f"[`{name}`](#{name})" for name in names]
    parts = [GENERATED, CLI, " · ".join(links)]
    for name in names:
        command = group.commands[name].loaded()
        context = typer.Context(command, info_name=f"ml-agents {name}")
        parts.append(f"## {name}\n\n{_prose(command.help)}")
        parts.append(f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```")
        for section, records in command.help_sections(context).items():
            lines = [f"| {section.lower()} | meaning |", "| --- | --- |"]
            lines += [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in records]
            parts.append("\n".join(lines))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def python_reference() -> str:
    """The Markdown of docs/python.md."""
    names = [name for name in ml_agents_results.__all__ if name != "__version__"]
    parts = [GENERATED, PYTHON, " · ".join(f"[`{name}`](#{name.lower()})" for name in names)]
    for name in names:
        parts += _object(name, getattr(ml_agents_results, name))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def fields_reference() -> str:
    """The Markdown of docs/fields.md."""
    known = declared.COLUMNS
    parts = [GENERATED, FIELDS, "## Of all reports", _field_table(known)]
    for title, columns in (
        ("Of differences of right and wrong", declared.DIFFERENCE_COLUMNS),
        ("Of a numeric metric", declared.VALUE_COLUMNS),
        ("Of differences in a numeric metric", declared.VALUE_DIFFERENCE_COLUMNS),
    ):
        own = {name: each for name, each in columns.items() if known.get(name) != each}
        parts += [f"## {title}", _field_table(own)]
        known = known | own
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _field_table(columns: dict[str, Column]) -> str:
    """Columns that hold one figure; those that show several in one cell are for people only."""
    lines = ["| field | what it is | meaning |", "| --- | --- | --- |"]
    for column in columns.values():
        if not column.parts:
            kind = KINDS.get(column.kind) or UNITS.get(column.kind, column.kind)
            lines.append(f"| `{_cell(column.name)}` | {kind} | {_cell(column.meaning)} |")
    return "\n".join(lines)


def _object(name: str, value: Any) -> Iterator[str]:
    yield f"## {name}"
    signature = "" if hasattr(value, "__table__") else _signature(value)
    yield f"```python\n{name}{signature}\n```"
    yield _docstring(value)
    if not inspect.isclass(value):
        return
    if columns := _columns(value):
        yield "**Columns**\n\n" + "\n".join(columns)
    if settings := _settings(value):
        yield "**Settings**\n\n" + "\n".join(settings)
    for member, function in _methods(value):
        yield f"### {name}.{member}"
        if not isinstance(function, property):
            yield f"```python\n{member}{_signature(function)}\n```"
        yield _docstring(function)


def _methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that this package defines, in the order of the source."""
    for parent in owner.__mro__:
        if not parent.__module__.startswith("ml_agents_results"):
            continue
        for name, member in vars(parent).items():
            is_bound = isinstance(member, classmethod | staticmethod)
            function = member.__func__ if is_bound else member
            is_method = inspect.isfunction(function) or isinstance(function, property)
            is_overridden = vars(owner).get(name, member) is not member
            if is_method and not is_overridden and not name.startswith("_") and function.__doc__:
                yield name, function


def _columns(owner: Any) -> list[str]:
    columns = getattr(getattr(owner, "__table__", None), "columns", ())
    kinds = inspect.get_annotations(owner)
    return [f"- `{column.name}`: {_Bare.of(kinds[column.name])}" for column in columns]


def _settings(owner: type) -> list[str]:
    settings = [value for value in vars(owner).values() if isinstance(value, Setting)]
    lines = []
    for setting in settings:
        default = setting.unset or repr(setting.default)
        lines.append(f"- `{setting.name}`: {setting.help} Default: {default}.")
    return lines


class _Bare(str):
    """An annotation as it is written, without the modules of its names, Mapped and Setting."""

    def __repr__(self) -> str:
        return str(self)

    @classmethod
    def of(cls, annotation: Any) -> Any:
        if annotation is inspect.Signature.empty:
            return annotation
        is_text = isinstance(annotation, str)
        text = annotation if is_text else inspect.formatannotation(annotation)
        text = re.sub(r"\b(?:[a-z_]+\.)+(\w)", r"\1", text)
        return cls(re.sub(r"^(?:Mapped|Setting)\[(.*)\]$", r"\1", text))


def _signature(function: Any) -> str:
    """The signature as it is written, over several lines where one is too long."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(
            annotation=_Bare.of(parameter.annotation), default=_default(parameter.default)
        )
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    returned = _Bare.of(signature.return_annotation)
    text = str(signature.replace(parameters=parameters, return_annotation=returned))
    if len(text) <= 80:
        return text
    return re.sub(r"^\((.*)\)( ->.*)?$", _lines, text, flags=re.DOTALL)


def _default(value: Any) -> Any:
    if isinstance(value, Setting):
        return value.default
    is_generated = "object at 0x" in repr(value) or repr(value) == "<factory>"
    return _Bare("...") if is_generated else value


def _lines(match: re.Match[str]) -> str:
    depth, line, lines = 0, "", []
    for character in match[1]:
        depth += (character in "[({") - (character in "])}")
        if character == "," and not depth:
            lines.append(line.strip())
            line = ""
        else:
            line += character
    listed = "".join(f"    {one},\n" for one in [*lines, line.strip()])
    return f"(\n{listed}){match[2] or ''}"


def _docstring(value: Any) -> str:
    """A docstring in Markdown: its sections as lists."""
    text = inspect.getdoc(value) or ""
    prose, *sections = SECTIONS.split(text)
    parts = [prose.strip()]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        entries, rest = _entries(body)
        parts.append(f"**{TITLES.get(title, title)}**\n\n{entries}")
        parts.append(rest)
    return "\n\n".join(filter(None, parts))


def _entries(body: str) -> tuple[str, str]:
    """The indented lines of a section as a list, and what follows it."""
    lines = body.strip("\n").splitlines()
    end = next((i for i, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
    items: list[str] = []
    for line in filter(None, lines[:end]):
        if not line.startswith("     ") and (
            entry := re.match(r"    (\w+)(?: \(.*\))?: (.*)", line)
        ):
            items.append(f"- `{entry[1]}`: {entry[2]}")
        elif items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    return "\n".join(items), "\n".join(lines[end:]).strip()


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Writes the pages."""
    (DOCS / "cli.md").write_text(cli_reference(), encoding="utf-8")
    (DOCS / "python.md").write_text(python_reference(), encoding="utf-8")
    (DOCS / "fields.md").write_text(fields_reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
