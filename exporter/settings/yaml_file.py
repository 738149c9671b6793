"""The configuration file: strict YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from exporter.settings.errors import ConfigurationError
from exporter.text.redaction import REDACTED, SECRET, redacted

_LONG = 100
"""Characters of a value to show."""


def read(file: Path) -> dict[str, Any]:
    """Return the content of a configuration file; raises ConfigurationError, also for a file without content.

    One that is just being written would otherwise mean every kind of the default account.
    """
    text = read_bytes(file)
    content = parse(file, text)
    if not content and yaml.safe_load(text) is None:
        raise ConfigurationError([f"{file}: has no content; write {{}} if every default is meant"])
    if "config" in content:
        raise ConfigurationError([f"{file}: config: only a flag or an environment variable can set it (--config.file)"])
    return content


def read_bytes(file: Path) -> bytes:
    """Return the content of any file; raises ConfigurationError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror}"]) from None


def parse(file: Path, content: bytes, loader: type[StrictLoader] | None = None) -> dict[str, Any]:
    """Return the keys and values of a YAML file, empty for an empty file; raises ConfigurationError."""
    try:
        text = content.decode()
        parsed = yaml.load(text, loader or StrictLoader)  # noqa: S506 - a safe loader
    except UnicodeDecodeError:
        raise ConfigurationError([f"{file}: not UTF-8 text"]) from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError([f"{file}{line}: not valid YAML: {_anonymous(str(error.problem))}"]) from None
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        problem = f"U+{ord(text[error.position]):04X} is not allowed"
        raise ConfigurationError([f"{file}:{number}: not valid YAML: {problem}"]) from None
    except RecursionError:
        raise ConfigurationError([f"{file}: nested too deeply"]) from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise ConfigurationError([f"{file}: the top level must be a mapping"])
    if not all(isinstance(key, str) for key in parsed):
        raise ConfigurationError([f"{file}: keys must be strings"])
    return parsed


def _anonymous(problem: str) -> str:
    """Return a problem without the name of an alias or a tag: it may be a secret that was not quoted."""
    found = _NAME.search(problem)
    return f"{problem[: found.start()]}; a text that starts with * or ! needs quotes" if found else problem


_NAME = re.compile(r"(?<=alias|. tag|andle) '.*", re.DOTALL)


class StrictLoader(yaml.SafeLoader):
    """YAML without its traps: a duplicate key is an error, and a value that its type cannot have is one, too."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._secrets: set[int] = set()
        """The nodes below keys whose values are secret."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return the value of a node."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError):
            # PyYAML passes on what Python says about month 13 or an empty `!!int`, without the line.
            value = REDACTED if id(node) in self._secrets else f"{redacted(str(node.value))[:_LONG]!r}"
            problem = f"{value} is not a valid {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return the keys and values of a node; PyYAML would keep the last of two equal keys."""
        keys = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in keys[:number]:
                problem = f"duplicate key {key.value!r}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        for key, value in node.value:
            if isinstance(key.value, str) and SECRET.search(key.value):
                self._hide(value)
        return super().construct_mapping(node, deep)

    def _hide(self, node: yaml.Node) -> None:
        """Note that a node, and all below it, is secret."""
        if id(node) in self._secrets:
            return
        self._secrets.add(id(node))
        for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
            for each in inner if isinstance(inner, tuple) else (inner,):
                self._hide(each)
