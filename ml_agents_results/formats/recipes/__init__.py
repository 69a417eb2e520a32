"""Recipes of the package: a YAML file for each table-like format, which `table_recipes` reads."""

from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
