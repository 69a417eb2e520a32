"""YAML that people write: read within bounds, since a few lines of aliases can stand for billions
of values."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.errors import InvalidFileError, NotFoundError

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


def read_yaml_mapping(path: Path, option: str, example: str) -> dict[Any, Any]:
    """The mapping that a file of settings holds.

    Args:
        option: What names the file, for the hint.
        example: A line of such a file.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: It is not a YAML mapping in UTF-8. The message shows no value.
    """
    hint = f"It has lines such as `{example}`."
    try:
        value = load_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", f"Check {option}.") from error
    except OSError as error:
        raise InvalidFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidFileError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from error
    except ValueError as error:
        raise InvalidFileError(f"{path} is not YAML: {error}", hint) from None
    if not isinstance(value, dict):
        raise InvalidFileError(f"{path} must be a mapping", hint)
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
