"""STS: which account an access key belongs to, and keys for the account of a role."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from exporter.simulator.aws_error import invalid
from exporter.simulator.operations import Operation, RequestContext
from exporter.simulator.world import World


def operations(world: World) -> Mapping[str, Operation]:
    """Return the two operations that the exporter calls, by name."""

    def get_caller_identity(context: RequestContext) -> dict[str, Any]:
        arn = f"arn:aws:iam::{context.account}:user/{context.access_key}"
        return {"UserId": context.access_key, "Account": context.account, "Arn": arn}

    def assume_role(context: RequestContext) -> dict[str, Any]:
        arn, session = context.arguments["RoleArn"], context.arguments["RoleSessionName"]
        if arn.count(":") != _COLONS:
            raise invalid(f"{arn} is invalid")
        # In AWS's form, so that what redacts keys recognizes this one.
        key = f"ASIA{len(world.accounts):016}"
        world.accounts[key] = arn.split(":")[4]
        credentials = {
            "AccessKeyId": key,
            "SecretAccessKey": f"secret-of-{key}",
            "SessionToken": f"session-of-{key}",
            # Clients compare this with the real time, whatever the simulator's clock shows.
            "Expiration": time.time() + context.arguments.get("DurationSeconds", 3600),
        }
        user = {"AssumedRoleId": f"{key}:{session}", "Arn": f"{arn}/{session}"}
        return {"Credentials": credentials, "AssumedRoleUser": user}

    return {"GetCallerIdentity": get_caller_identity, "AssumeRole": assume_role}


_COLONS = 5
"""An ARN has six parts."""
