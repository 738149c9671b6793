"""Who one is: the two operations of STS that every client of AWS may call first, and who else there is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.simulator.aws_error import AwsError, invalid
from exporter.simulator.calls import Call, Operation
from exporter.simulator.world import World


@dataclass(frozen=True)
class Identity:
    """STS, as far as accounts matter."""

    world: World

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations by their names."""
        return {"GetCallerIdentity": self.caller, "AssumeRole": self.assume_role}

    def caller(self, call: Call) -> dict[str, Any]:
        """Return who calls."""
        arn = f"arn:aws:iam::{call.account}:user/{call.access_key}"
        return {"UserId": call.access_key, "Account": call.account, "Arn": arn}

    def assume_role(self, call: Call) -> dict[str, Any]:
        """Return credentials for the account of a role; raises AwsError for an ARN that is none."""
        arn, session = call.arguments["RoleArn"], call.arguments["RoleSessionName"]
        if arn.count(":") != _COLONS:
            raise invalid(f"{arn} is invalid")
        key = self.world.assume_role(arn)
        credentials = {
            "AccessKeyId": key,
            "SecretAccessKey": f"secret-of-{key}",
            "SessionToken": f"session-of-{key}",
            # The clients compare this with the real time, whatever the clock of the simulator says.
            "Expiration": time.time() + call.arguments.get("DurationSeconds", 3600),
        }
        user = {"AssumedRoleId": f"{key}:{session}", "Arn": f"{arn}/{session}"}
        return {"Credentials": credentials, "AssumedRoleUser": user}


@dataclass(frozen=True)
class OrganizationsApi:
    """Organizations, as far as it lists accounts."""

    world: World

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations by their names."""
        return {"ListAccounts": self.accounts}

    def accounts(self, call: Call) -> dict[str, Any]:
        """Return a page of the accounts; raises AwsError where the account is in no organisation."""
        if not self.world.members:
            raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400)
        members = sorted(self.world.members.items())
        start = int(call.arguments.get("NextToken", 0))
        end = start + min(call.arguments.get("MaxResults", _PAGE), _PAGE)
        page = [self._account(*member) for member in members[start:end]]
        return {"Accounts": page, **({"NextToken": str(end)} if members[end:] else {})}

    def _account(self, account: str, name: str) -> dict[str, Any]:
        arn = f"arn:aws:organizations::{self.world.account}:account/o-exampleorg/{account}"
        return {"Id": account, "Arn": arn, "Name": name, "State": "ACTIVE"}


_PAGE = 20

_COLONS = 5
"""An ARN has six parts."""
