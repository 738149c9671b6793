"""The commands with their flags. What a command needs is loaded when it runs."""

from __future__ import annotations

import argparse
import asyncio
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from exporter.catalog import Catalog
from exporter.cli import prices
from exporter.cli.invocation import Command, FailedError, Invocation
from exporter.cli.parser import Parser
from exporter.cli.version import VERSION
from exporter.settings import ConfigurationError, add_flags
from exporter.text.spelling import did_you_mean
from exporter.threads import NoThreadError

SUCCEEDED, FAILED, MISUSED = 0, 1, 2

_DESCRIPTION = """\
Prometheus exporter for the status of asynchronous jobs in AWS.

Without a command it polls AWS in the background and serves the metrics on /metrics.
Every flag below is also a key of the configuration file (--poll.interval: `poll: {interval: 60s}`)
and an environment variable (AWS_JOB_EXPORTER_POLL__INTERVAL=60s).
Flags win over the environment, and the environment wins over the file.
What is on or off is also written --web.enable-lifecycle=true or =false.
"""

_EPILOG = "Exit codes: 0 success, 1 failure while running, 2 wrong usage or configuration."


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    parser = argument_parser()
    _refuse_unknown(parser, arguments)
    options = parser.parse_args(arguments)
    try:
        command: Command = pkgutil.resolve_name(f"exporter.cli.{options.command}")
        return asyncio.run(command(Invocation(options, Catalog())))
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"aws-job-exporter: {problem}", file=sys.stderr)
        return MISUSED
    except (FailedError, NoThreadError) as error:
        print(f"aws-job-exporter: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # `| head` has read enough. Python would print another complaint when it flushes stdout at exit.
        sys.stderr.close()
        return SUCCEEDED


def _refuse_unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Exit with 2 at an unknown flag of a setting: argparse would report its value as an unknown command instead."""
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public list of its options
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and "." in flag and flag not in known:
            parser.error(f"unknown flag {flag}{did_you_mean(flag, known)}")


def argument_parser() -> Parser:
    """Return the parser, which takes flags before and after the command."""
    shared = Parser(add_help=False)
    add_flags(shared)
    parser = Parser(
        "aws-job-exporter",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        # An abbreviated flag would stop working when a setting is added whose flag starts alike.
        allow_abbrev=False,
    )
    parser.set_defaults(command="serving:serve")
    parser.add_argument("--version", action="version", version=VERSION)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, command: str, text: str) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=text, description=text, parents=[shared], allow_abbrev=False)
        subparser.set_defaults(command=command)
        return subparser

    _add_commands(add)
    return parser


def _add_commands(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the commands in the order of the help, each with where it is and its own options."""
    add("serve", "serving:serve", "Poll AWS and serve the metrics; the default command.")
    once = add(
        "once", "serving:once", "Poll everything once, print the result, and exit with code 1 if a source failed."
    )
    once.add_argument("--output", choices=("metrics", "table"), default="metrics", help="Output format.")
    check = add("check-config", "checking:check_config", "Check configuration files and exit.")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="Configuration files to check.")
    check.add_argument("--verbose", action="store_true", help="Also tell which groups may take the same jobs.")
    classify = add(
        "classify", "checking:classify", "Print the reason that each failure message gets, and the rule that matched."
    )
    classify.add_argument(
        "messages", nargs="*", metavar="MESSAGE", help="Failure messages; if none, the lines of stdin."
    )
    classify.add_argument("--status", default="", help="Status of the failed jobs.")
    classify.add_argument("--code", default="", help="Error code that AWS returned with the message.")
    classify.add_argument("--service", default="", help="botocore name of the service, for rules about one service.")
    listing = add("kinds", "kinds:kinds", "List the kinds of job in the catalog, or draft a new one.")
    listing.add_argument(
        "names",
        nargs="*",
        metavar="SERVICE[/KIND]",
        help="Kinds to list; if none, all. `new SERVICE OPERATION` drafts an entry from botocore's model.",
    )
    listing.add_argument("--output", choices=("table", "yaml"), default="table", help="Output format.")
    policy = add("iam-policy", "iam_policy:iam_policy", "Print the least-privilege policy that a configuration needs.")
    policy.add_argument("--output", choices=("json", "terraform"), default="json", help="Output format.")
    policy.add_argument(
        "--for",
        choices=("role", "base", "queue"),
        default="role",
        dest="identity",
        help="Whose policy: `role` for the identity that reads an account, such as each role_arn of the configuration; "
        "`base` for the exporter's own identity, which assumes those roles; `queue` for a role that reads queues.",
    )
    doctor = add(
        "doctor",
        "doctor:doctor",
        "Poll every source, and report what does not work and what to do about it, which permissions are missing, and "
        "how many requests to AWS to expect per hour and month; exit with code 1 if a source failed.",
    )
    doctor.add_argument("--all", action="store_true", help="Show a row for each source, also where all is well.")
    doctor.add_argument("--output", choices=("table", "json"), default="table", help="Output format.")
    prices.add_flags(doctor)
    _add_record(add)
    storage_ = add(
        "storage", "storage:storage", "Check a storage directory and show what it holds, even while it is in use."
    )
    storage_.add_argument(
        "directory", nargs="?", type=Path, metavar="DIR", help="The directory; if none, storage.path."
    )
    demo = add("demo", "demo:demo", "Serve against a simulated AWS in the same process; no account needed.")
    demo.add_argument(
        "--seed", type=int, default=0, help="Seed for the simulated jobs: the same seed gives the same jobs."
    )


def _add_record(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    text = "Print what AWS responds to the listing of one kind, anonymized: a test of the exporter."
    recording = add("record", "recorder:record", text)
    recording.description = f"{text} {_RECORD}"
    recording.add_argument("kind", metavar="SERVICE/KIND", help="The kind to list, such as bedrock/evaluation_job.")
    recording.add_argument("--most", type=int, default=3, metavar="N", help="Jobs of each status to keep (3).")
    recording.add_argument("--file", type=Path, metavar="FILE", help="Where to write to, instead of stdout.")
    recording.add_argument("--overwrite", action="store_true", help="Replace the file if it exists.")


_RECORD = """\
Ids, names, ARNs, accounts and all free text are replaced, equal ones by equal ones; kept are the names of members,
numbers, times to the second, and words that AWS enumerates. `jobs` at the end is what the exporter makes of it: correct
what is wrong, and the file shows the fault. One account is read in one region, that of the configuration;
--poll.lookback shortens the list. docs/recordings.md has more.
"""
