"""A web configuration file: read again for each use, parsed again when it changed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from exporter.settings import ConfigurationError
from exporter.settings.yaml_file import StrictLoader, parse, read_bytes
from exporter.text.problems import in_words
from exporter.text.spelling import did_you_mean
from exporter.threads import WEB_CONFIGURATION
from exporter.web.toolkit import auth, tls
from exporter.web.toolkit.schema import TlsServerConfig, WebConfig


class WebConfigFile:
    """A file as it is now. Each method raises ConfigurationError if it is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._config: tuple[bytes, WebConfig] | None = None
        self._context: tuple[TlsServerConfig, tls.Material, ssl.SSLContext] | None = None

    async def config(self) -> WebConfig:
        """Return the content of the file."""
        return await WEB_CONFIGURATION.run(self._read)

    async def context(self) -> ssl.SSLContext:
        """Return the context for a new connection, with the certificates as they are now."""
        return await WEB_CONFIGURATION.run(self._read_context)

    def check(self) -> WebConfig:
        """Check the file, its hashes and the files that it names, and return its content."""
        config = self._read()
        for user, hashed in config.basic_auth_users.items():
            if problem := auth.problem(hashed):
                raise ConfigurationError([f"{self.path}: basic_auth_users.{user}: {problem}"])
        if config.tls_server_config.is_enabled:
            self._read_context()
        return config

    def _read(self) -> WebConfig:
        text = read_bytes(self.path)
        if self._config is None or self._config[0] != text:
            self._config = text, self._parse(text)
        return self._config[1]

    def _parse(self, text: bytes) -> WebConfig:
        try:
            return WebConfig.model_validate(parse(self.path, text, _TextLoader))
        except ValidationError as error:
            raise ConfigurationError([f"{self.path}: {_explain(problem)}" for problem in error.errors()]) from None

    def _read_context(self) -> ssl.SSLContext:
        config = self._read().tls_server_config
        try:
            material = tls.read(config, self.path.parent)
            if self._context is None or self._context[:2] != (config, material):
                self._context = config, material, tls.context(config, material)
        except tls.TlsError as error:
            raise ConfigurationError([f"{self.path}: tls_server_config: {error}"]) from None
        return self._context[2]


class _TextLoader(StrictLoader):
    """YAML in which every value is text, as Go's decoder takes it: `X-XSS-Protection: 1`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own
        first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":merge", ":null"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _explain(problem: Mapping[str, Any]) -> str:
    """Return one line that names the key and what is wrong with it; it shows no private key and no hash."""
    path = [str(step) for step in problem["loc"]]
    shown = {**problem, "input": "..."} if {"key", "basic_auth_users"} & {*path} else problem
    if problem["type"] == "extra_forbidden":
        return f"{'.'.join(path)}: unknown key{did_you_mean(path[-1], _keys_beside(path))}"
    return f"{'.'.join(path)}: {in_words(shown)}"


def _keys_beside(path: list[str]) -> list[str]:
    model: Any = WebConfig
    for step in path[:-1]:
        model = model.model_fields[step].annotation
    return list(model.model_fields)
