"""The command line: flags, commands and exit codes."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter import __version__
from exporter.catalog import Catalog
from exporter.cli import checking, doctor, iam_policy, kinds, serving
from exporter.cli.invocation import Command, FailedError, Invocation
from exporter.settings import ConfigurationError, add_flags
from exporter.text.spelling import did_you_mean

WELL, FAILED, MISUSED = 0, 1, 2

_DESCRIPTION = """\
Prometheus exporter for the status of asynchronous jobs in AWS.

Without a command it serves: it polls AWS in the background and answers on /metrics.
Every flag below is also a key of the configuration file (--poll.interval: `poll: {interval: 60s}`)
and a variable of the environment (AWS_JOB_EXPORTER_POLL__INTERVAL=60s).
Flags win over the environment, the environment wins over the file.
"""

_VERSION = f"""\
aws-job-exporter, version {__version__}
  python version:   {platform.python_version()}
  platform:         {sys.platform}/{platform.machine()}"""

_EPILOG = "Exit codes: 0 well, 1 it failed while running, 2 wrong usage or configuration."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = _parser()
    _refuse_unknown(parser, sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(arguments)
    try:
        command: Command = options.command
        return asyncio.run(command(Invocation(options, Catalog())))
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


def _refuse_unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Exit with 2 at a setting that does not exist: argparse would take its value for a command."""
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public way to its options
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and "." in flag and flag not in known:
            parser.error(f"unknown flag {flag}{did_you_mean(flag, known)}")


def _parser() -> argparse.ArgumentParser:
    """Return the parser; flags stand before or after the command."""
    shared = argparse.ArgumentParser(add_help=False)
    add_flags(shared)
    parser = argparse.ArgumentParser(
        "aws-job-exporter",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    parser.set_defaults(command=serving.serve)
    parser.add_argument("--version", action="version", version=_VERSION)
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
    listing = add("kinds", kinds.kinds, "List the kinds of job that the catalog knows, or draft a new one.")
    listing.add_argument(
        "names",
        nargs="*",
        metavar="SERVICE[/KIND]",
        help="Only these; all where none is named. `new SERVICE OPERATION` drafts an entry from botocore's model.",
    )
    listing.add_argument("--output", choices=("table", "yaml"), default="table", help="How to print them.")
    policy = add("iam-policy", iam_policy.iam_policy, "Print the least-privilege policy that a configuration needs.")
    policy.add_argument("--output", choices=("json", "terraform"), default="json", help="How to write it.")
    policy.add_argument(
        "--for",
        choices=("role", "base"),
        default="role",
        dest="identity",
        help="Whose policy: `role` for who reads an account, which is what each role_arn of the configuration needs; "
        "`base` for the exporter's own identity, which assumes those roles.",
    )
    add(
        "doctor",
        doctor.doctor,
        "Poll every source once and tell what works, which permission is missing, and how many calls of AWS this "
        "configuration makes; 1 if a source failed.",
    )
    demo = add("demo", serving.demo, "Serve against an AWS that is simulated in the process: no account needed.")
    demo.add_argument("--seed", type=int, default=0, help="The same seed simulates the same jobs.")
    return parser
