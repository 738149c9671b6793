"""The Resource Groups Tagging API: the tags of resources by their ARNs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.simulator.aws_error import AwsError
from exporter.simulator.operations import Operation, RequestContext
from exporter.simulator.world import World


def operations(world: World) -> Mapping[str, Operation]:
    """Return the operation that the exporter calls, by name."""

    def get_resources(context: RequestContext) -> dict[str, Any]:
        arns = context.arguments.get("ResourceARNList", ())
        if not 0 < len(arns) <= _MOST or not all(arn.startswith("arn:") for arn in arns):
            raise AwsError("InvalidParameterException", f"ResourceARNList takes 1 to {_MOST} ARNs")
        told = [(arn, world.tags(arn)) for arn in arns]
        return {"ResourceTagMappingList": [_mapping(arn, tags) for arn, tags in told if tags]}

    return {"GetResources": get_resources}


def _mapping(arn: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


_MOST = 100
"""ARNs in a request."""
