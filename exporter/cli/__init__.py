"""The command line: flags, commands and exit codes."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic_settings import CliSettingsSource

from exporter import __version__
from exporter.catalog import Catalog
from exporter.cli import checking, kinds, serving
from exporter.cli.invocation import Command, FailedError, Invocation
from exporter.settings import ConfigurationError, Settings, format_duration

WELL, FAILED, MISUSED = 0, 1, 2

_DESCRIPTION = """\
Prometheus exporter for the status of asynchronous jobs in AWS.

Without a command it serves: it polls AWS in the background and answers on /metrics.
Every flag below is also a key of the configuration file (--poll.interval: `poll: {interval: 60s}`)
and a variable of the environment (AWS_JOB_EXPORTER_POLL__INTERVAL=60s).
Flags win over the environment, the environment wins over the file.
"""

_EPILOG = "Exit codes: 0 well, 1 it failed while running, 2 wrong usage or configuration."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser, flags = _parser()
    options = parser.parse_args(arguments)
    try:
        command: Command = options.command
        return asyncio.run(command(Invocation(options, flags(parsed_args=options), Catalog())))
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"aws-job-exporter: {problem}", file=sys.stderr)
        return MISUSED
    except FailedError as error:
        print(f"aws-job-exporter: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python would complain once more when it closes stdout.
        sys.stderr.close()
        return WELL


def _parser() -> tuple[argparse.ArgumentParser, CliSettingsSource[Any]]:
    """Return the parser and what knows the flags among its options; flags stand before or after the command."""
    shared = argparse.ArgumentParser(add_help=False)
    flags = CliSettingsSource[Any](Settings, root_parser=shared)
    for action in shared._actions:  # noqa: SLF001 - argparse has no public way to its options
        _explain(action)
    parser = argparse.ArgumentParser(
        "aws-job-exporter",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    parser.set_defaults(command=serving.serve)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=text, description=text, parents=[shared], allow_abbrev=False)
        subparser.set_defaults(command=command)
        return subparser

    add("serve", serving.serve, "Poll AWS and serve the metrics; what is done without a command.")
    once = add("once", serving.once, "Poll everything once, print the result and exit; 1 if a source failed.")
    once.add_argument("--output", choices=("metrics", "table"), default="metrics", help="What to print.")
    check = add("check-config", checking.check_config, "Check configuration files and exit.")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    classify = add("classify", checking.classify, "Tell what failure messages are taken for, to try rules.")
    classify.add_argument("messages", nargs="*", metavar="MESSAGE", help="Read from stdin, one a line, if not given.")
    classify.add_argument("--status", default="", help="The status of the jobs that failed so.")
    classify.add_argument("--code", default="", help="The code that AWS gave beside the message.")
    classify.add_argument("--service", default="", help="The botocore name of the service, for rules of one service.")
    listing = add("kinds", kinds.kinds, "List the kinds of job that the catalog knows.")
    listing.add_argument("names", nargs="*", metavar="SERVICE[/KIND]", help="Only these; all where none is named.")
    listing.add_argument("--output", choices=("table", "yaml"), default="table", help="How to print them.")
    demo = add("demo", serving.demo, "Serve against an AWS that is simulated in the process: no account needed.")
    demo.add_argument("--seed", type=int, default=0, help="The same seed simulates the same jobs.")
    return parser, flags


def _explain(action: argparse.Action) -> None:
    """Say in a flag's help what a person writes, not what type Python makes of it."""
    kind = str(action.metavar or "")
    action.metavar = next((word for python, word in _METAVARS.items() if python in kind), action.metavar)
    if action.metavar == "DURATION":
        action.help = re.sub(r"\d+\.\d+", lambda number: format_duration(float(number[0])), action.help or "")
    elif action.metavar == "JSON":
        action.help = re.sub(r" \(default.*", "", action.help or "", flags=re.DOTALL)


_METAVARS = {
    "JSON": "JSON",
    "float": "DURATION",
    "Path": "FILE",
    "int": "NUMBER",
    "tuple[str": "ADDRESS",
    "str": "TEXT",
}
