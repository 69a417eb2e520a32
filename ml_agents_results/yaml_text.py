"""YAML that people write: read within bounds, since a few lines of aliases can stand for billions
of values."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

LONGEST = 1 << 20
"""Characters; a file of settings has some hundreds."""
LARGEST = 100_000
"""Values, each counted as often as aliases repeat it."""
DEEPEST = 100


def load_yaml(text: str) -> Any:
    """The value that a YAML text holds.

    Raises:
        ValueError: It is not YAML, or too large; the message says where and why.
    """
    import yaml

    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST >> 20} MiB")
    try:
        value = yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{getattr(error, 'problem', None) or 'unreadable'}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _size(value, 0, {})
    return value


@cache
def _loader() -> "type[yaml.SafeLoader]":
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: "yaml.MappingNode") -> None:
            super().flatten_mapping(node)
            if len(node.value) > LARGEST:
                raise yaml.constructor.ConstructorError(None, None, "it merges too much")

    return Loader


def _size(value: Any, depth: int, sizes: dict[int, int]) -> int:
    """The number of values in it. A value that contains itself is nested too deeply."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if (known := sizes.get(id(value))) is not None:
        return known
    inner = value.values() if isinstance(value, dict) else value
    size = 1 + sum(_size(one, depth + 1, sizes) for one in inner)
    if size > LARGEST:
        raise ValueError("its aliases repeat too much")
    sizes[id(value)] = size
    return size
