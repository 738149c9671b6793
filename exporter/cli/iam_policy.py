"""The command that prints the IAM policy that a configuration needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from exporter import permissions
from exporter.cli.invocation import Invocation
from exporter.settings import ConfigurationError, Settings

_MANAGED_LIMIT, _INLINE_LIMIT = 6144, 10_240
"""AWS's limits for a managed policy and for all inline policies of a role, in characters other than white space."""


async def iam_policy(invocation: Invocation) -> int:
    """Print the least-privilege policy of what reads an account or a queue, or of the exporter's own identity."""
    settings = invocation.settings()
    needed = _NEEDED[invocation.options.identity]
    if needed is permissions.receiving and not settings.events:
        raise ConfigurationError(["events: names no queue"])
    statements = _fitting(permissions.statements(needed(settings, settings.catalog(invocation.catalog))))
    print(_json(statements) if invocation.options.output == "json" else _terraform(statements))
    for note in _notes(settings, statements, invocation.options.identity):
        print(f"aws-job-exporter: {note}", file=sys.stderr)
    return 0


_NEEDED = {"role": permissions.reading, "base": permissions.base, "queue": permissions.receiving}
"""What each identity needs."""


def _fitting(statements: Sequence[permissions.Statement]) -> Sequence[permissions.Statement]:
    """Return one statement for each service or, where that is too long for a managed policy, one for all together."""
    if _size(statements) <= _MANAGED_LIMIT:
        return statements
    everywhere = [statement for statement in statements if statement.resources == permissions.ANY]
    actions = tuple(chain.from_iterable(statement.actions for statement in everywhere))
    merged = permissions.Statement("AllServices", actions, permissions.ANY)
    return [merged, *(statement for statement in statements if statement not in everywhere)]


def _size(statements: Iterable[permissions.Statement]) -> int:
    return len(_json(statements, indent=None))


def _json(statements: Iterable[permissions.Statement], indent: int | None = 2) -> str:
    entries = [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": actions,
            "Resource": resources[0] if resources == permissions.ANY else resources,
        }
        for sid, actions, resources in statements
    ]
    separators = (",", ": " if indent else ":")
    return json.dumps({"Version": "2012-10-17", "Statement": entries}, indent=indent, separators=separators)


def _terraform(statements: Iterable[permissions.Statement]) -> str:
    """Return a data block in HCL, as `terraform fmt` writes it."""
    lines = ['data "aws_iam_policy_document" "aws_job_exporter" {']
    for number, (sid, actions, resources) in enumerate(statements):
        lines += [""] * (number > 0)
        lines += ["  statement {", f"    sid    = {_quoted(sid)}", '    effect = "Allow"']
        lines += [*_list("actions", actions), *_list("resources", resources), "  }"]
    return "\n".join([*lines, "}"])


def _list(name: str, values: Sequence[str]) -> list[str]:
    return [f"    {name} = [", *(f"      {_quoted(value)}," for value in values), "    ]"]


def _quoted(text: str) -> str:
    """Return a string of HCL, with templates escaped."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _notes(settings: Settings, statements: Iterable[permissions.Statement], identity: str) -> Iterator[str]:
    organization = settings.organization
    roles = len({account.role_arn for account in settings.named_accounts} - {None})
    which = f"role {organization.role_name}" if organization else f"role in the configuration ({roles})"
    if (organization or roles) and identity == "role":
        yield (
            f"this is the policy of each {which}; `--for base` prints the one of the exporter's own identity, which "
            "assumes them"
        )
    if identity == "role" and (readers := sorted({queue.role_arn for queue in settings.events if queue.role_arn})):
        yield f"{', '.join(readers)} needs the policy that `--for queue` prints"
    if (size := _size(statements)) > _MANAGED_LIMIT:
        yield (
            f"the policy has {size:,} characters without white space, but a managed policy can have at most "
            f"{_MANAGED_LIMIT:,}: split it into several, or use an inline policy of a role (at most {_INLINE_LIMIT:,})"
        )
