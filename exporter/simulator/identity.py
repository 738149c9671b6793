"""Who one is: the two operations of STS that every client of AWS may call first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.simulator.calls import Call, Operation
from exporter.simulator.errors import invalid
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


_COLONS = 5
"""An ARN has six parts."""
