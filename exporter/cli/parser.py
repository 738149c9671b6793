"""An argument parser that takes `--flag=true` and `--flag=false` for what is on or off."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import Any


class Parser(argparse.ArgumentParser):
    """argparse's parser, in which a flag with a `--no-` form also takes its value after an equals sign.

    Whoever writes flags by a template (a Helm chart's map, a task definition) has a value for each.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; exits with 2 where a value is neither `true` nor `false`."""
        return super().parse_known_args([*self._plain(sys.argv[1:] if args is None else args)], namespace)

    def _plain(self, arguments: Iterable[str]) -> Iterator[str]:
        """Yield the arguments with `--flag=true` as `--flag`, and with `--flag=false` as `--no-flag`."""
        arguments = iter(arguments)
        for argument in arguments:
            flag, equals, value = argument.partition("=")
            if equals and isinstance(self._option_string_actions.get(flag), argparse.BooleanOptionalAction):
                yield self._plain_flag(flag, value)
            else:
                yield argument
            if argument == "--":
                yield from arguments

    def _plain_flag(self, flag: str, value: str) -> str:
        if value not in ("true", "false") or flag.startswith("--no-"):
            name = flag.removeprefix("--no-").removeprefix("--")
            self.error(
                f"argument {flag}: unexpected value {value!r}; allowed are --{name}, --no-{name}, "
                f"--{name}=true and --{name}=false"
            )
        return flag if value == "true" else f"--no-{flag.removeprefix('--')}"
