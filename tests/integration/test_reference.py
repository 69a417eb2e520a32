"""The generated pages say what the code says."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest

import ml_agents_results
from tests.processes import ROOT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["cli", "python", "fields"])
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="signatures are written otherwise")
def test_the_reference_is_current(reference: ModuleType, page: str) -> None:
    written = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert getattr(reference, f"{page}_reference")() == written, "run: make reference"


def test_every_public_name_and_method_has_a_docstring(reference: ModuleType) -> None:
    page = reference.python_reference()
    for name in ml_agents_results.__all__:
        assert name == "__version__" or f"\n## {name}\n" in page
    bare = [part.split("\n")[0] for part in page.split("\n##")[1:] if part.rstrip().endswith("```")]
    assert bare == []
