"""The configuration file: strict YAML."""

from __future__ import annotations

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


def parse(file: Path, text: bytes, loader: type[StrictLoader] | None = None) -> dict[str, Any]:
    """Return what the text of a YAML file says, nothing for an empty one; raises ConfigurationError."""
    try:
        content = yaml.load(text.decode(), loader or StrictLoader)  # noqa: S506 - a safe loader
    except UnicodeDecodeError:
        raise ConfigurationError([f"{file}: not UTF-8 text"]) from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError([f"{file}{line}: not valid YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{file}: not valid YAML: {' '.join(str(error).split())}"]) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError([f"{file}: the top level must be keys and values"])
    if not all(isinstance(key, str) for key in content):
        raise ConfigurationError([f"{file}: keys must be words"])
    return content


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent loss."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Return the keys and values of a node, each key once."""
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
