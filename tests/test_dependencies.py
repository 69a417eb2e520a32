"""What the package imports is what pyproject.toml declares."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

from tests.processes import ROOT

PACKAGE = ROOT / "ml_agents_results"


def imported() -> Iterator[tuple[str, str]]:
    """Every top-level package that is imported anywhere, with the module that does."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                yield name.partition(".")[0], str(path.relative_to(ROOT))


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(line for extra in extras for line in extra)]
    declared = {normalized(re.split(r"[\[<>=,; ]", line)[0]) for line in requirements}
    distributions = packages_distributions()
    for name, module in imported():
        if name in sys.stdlib_module_names or name == PACKAGE.name:
            continue
        sources = {normalized(source) for source in distributions.get(name, [name])}
        assert sources & declared, f"{module} imports {name}, which pyproject.toml does not declare"
