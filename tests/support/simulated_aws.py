"""The simulator with additions that only tests need: faults, an organization, regions, and queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.simulator import AwsError, RequestContext, Simulator, World
from exporter.simulator.operations import Operation
from tests.support.faults import Faults
from tests.support.sqs import SimulatedQueues


class SimulatedAws(Simulator):
    """A simulated AWS with faults to switch on, and with an organization once it has members."""

    def __init__(self, world: World, **options: Any) -> None:
        self.queues = SimulatedQueues()
        operations: dict[str, Mapping[str, Operation]] = {
            "organizations": {"ListAccounts": self._list_accounts},
            "ec2": {"DescribeRegions": self._describe_regions},
            "sqs": self.queues.operations,
        }
        super().__init__(world, operations=operations, **options)
        self.members: dict[str, str] = {}
        """The accounts of the organization with their names."""
        self.regions = [world.region]
        """The regions that are enabled for every account."""
        self.faults = Faults()
        self.hooks.append(self.faults)

    def _describe_regions(self, _: RequestContext) -> dict[str, Any]:
        """Return the enabled regions."""
        return {"Regions": [{"RegionName": region} for region in self.regions]}

    def _list_accounts(self, context: RequestContext) -> dict[str, Any]:
        """Return a page of the accounts; raises AwsError if there is no organization."""
        if not self.members:
            raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400)
        start = int(context.arguments.get("NextToken", 0))
        end = start + min(context.arguments.get("MaxResults", _PAGE), _PAGE)
        root = f"arn:aws:organizations::{self.world.account}:account/o-exampleorg"
        accounts = [
            {"Id": account, "Arn": f"{root}/{account}", "Name": name, "State": "ACTIVE"}
            for account, name in sorted(self.members.items())
        ]
        return {"Accounts": accounts[start:end], **({"NextToken": str(end)} if accounts[end:] else {})}


_PAGE = 20
"""The most accounts that AWS returns in one page."""
