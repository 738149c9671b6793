"""The command that prints the policy which a configuration needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence

from exporter import permissions
from exporter.cli.invocation import Invocation
from exporter.settings import Settings

_MANAGED_MOST, _INLINE_MOST = 6144, 10_240
"""Characters that AWS takes in a managed policy, and in all inline policies of a role; white space does not count."""


async def iam_policy(invocation: Invocation) -> int:
    """Print the least that the exporter must be allowed, for the role that reads or for the exporter's own identity."""
    settings = invocation.settings()
    needed = permissions.base if invocation.options.identity == "base" else permissions.reading
    statements = permissions.statements(needed(settings, settings.catalog(invocation.catalog)))
    print(_json(statements) if invocation.options.output == "json" else _terraform(statements))
    for note in _notes(settings, statements, invocation.options.identity):
        print(f"aws-job-exporter: {note}", file=sys.stderr)
    return 0


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
    """Return a string of HCL, in which nothing is a template."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _notes(settings: Settings, statements: Iterable[permissions.Statement], identity: str) -> Iterator[str]:
    organization = settings.organization
    roles = len({account.role_arn for account in settings.named_accounts} - {None})
    which = f"role {organization.role_name}" if organization else f"role that the configuration names ({roles})"
    if (organization or roles) and identity == "role":
        yield (
            f"this is the policy of each {which}; --for base prints that of the exporter's own identity, which assumes "
            "them"
        )
    if (size := len(_json(statements, indent=None))) > _MANAGED_MOST:
        yield (
            f"the policy has {size:,} characters without white space, a managed policy may have {_MANAGED_MOST:,}: "
            f"divide its statements among several, or make it an inline policy of a role ({_INLINE_MOST:,})"
        )
