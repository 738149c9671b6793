"""The configuration file: strict YAML."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter.settings.errors import ConfigurationError


def read(file: Path) -> dict[str, Any]:
    """Return the content of a configuration file, nothing for an empty one; raises ConfigurationError."""
    content = parse(file, read_bytes(file))
    if "config" in content:
        raise ConfigurationError([f"{file}: config: belongs to the command line (--config.file), not into the file"])
    return content


def read_bytes(file: Path) -> bytes:
    """Return the content of any file; raises ConfigurationError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror}"]) from None
    except ValueError:
        raise ConfigurationError([f"{str(file)!r}: not the name of a file"]) from None


def parse(file: Path, content: bytes, loader: type[StrictLoader] | None = None) -> dict[str, Any]:
    """Return the keys and values of a YAML file, none of an empty one; raises ConfigurationError."""
    try:
        parsed = _parsed(file, content.decode(), loader or StrictLoader)
    except UnicodeDecodeError:
        raise ConfigurationError([f"{file}: not UTF-8 text"]) from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise ConfigurationError([f"{file}: the top level must be keys and values"])
    if not all(isinstance(key, str) for key in parsed):
        raise ConfigurationError([f"{file}: keys must be words"])
    return parsed


def _parsed(file: Path, text: str, loader: type[StrictLoader]) -> Any:
    """Return what a text says; raises ConfigurationError where it says nothing that YAML could mean."""
    try:
        return yaml.load(text, loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError([f"{file}{line}: not valid YAML: {error.problem}"]) from None
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        wrong = f"a text holds no U+{ord(text[error.position]):04X}"
        raise ConfigurationError([f"{file}:{number}: not valid YAML: {wrong}"]) from None
    except RecursionError:
        raise ConfigurationError([f"{file}: not valid YAML: nested too deeply"]) from None


_MOST_NODES = 100_000
"""So many values may a file hold once its aliases are written out: a few lines of them can stand for billions."""


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent loss, and a value that is none of its kind, too.

    Aliases work, unless they lead into themselves or to more than can be meant.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Return the whole document; raises ConstructorError where its aliases make it endless."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _size(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return the value of a node, of the kind that it says."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # PyYAML lets through what Python says of a month 13, a `!!float` of letters or a number of 5000 digits.
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:_SHOWN]!r} is no {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return the keys and values of a node, each key once."""
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_SHOWN = 80
"""So much of a wrong value is told."""


def _size(node: yaml.Node, sizes: dict[int, int | None]) -> int:
    """Return how many values a node holds, its aliases written out; `sizes` are those that are known."""
    if id(node) not in sizes:
        sizes[id(node)] = None
        sizes[id(node)] = 1 + sum(_size(inner, sizes) for inner in _inside(node))
    size = sizes[id(node)]
    if size is None:
        raise yaml.constructor.ConstructorError(None, None, "an alias leads into itself", node.start_mark)
    if size > _MOST_NODES:
        raise yaml.constructor.ConstructorError(None, None, "too large", node.start_mark)
    return size


def _inside(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from itertools.chain.from_iterable(node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value
