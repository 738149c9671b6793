"""Which accounts are read: those that are named, or all of an organization."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from exporter.catalog.models import regions
from exporter.settings.sections import Patterns, Section, matches
from exporter.text.spelling import did_you_mean

ALL_REGIONS = "all"
"""Stands for all regions that are enabled for an account."""

UNIT = "ou-"
"""Prefix of the id of an organizational unit."""


def _known_region(region: str) -> str:
    known = regions()
    if is_pattern(region):
        if not any(fnmatchcase(name, region) for name in known):
            raise ValueError(f"AWS has no region that matches {region!r}")
    elif region != ALL_REGIONS and region not in known:
        raise ValueError(f"AWS has no region {region!r}{did_you_mean(region, known)}")
    return region


def is_pattern(region: str) -> bool:
    """Return whether a region of the configuration stands for those with names like `eu-*`."""
    return any(character in region for character in "*?[")


def takes_region(configured: Sequence[str], region: str) -> bool:
    """Return whether a region is among the names and patterns of a configuration."""
    return ALL_REGIONS in configured or any(fnmatchcase(region, pattern) for pattern in configured)


def are_to_be_found(configured: Iterable[str]) -> bool:
    """Return whether only AWS can say which of its regions a configuration means."""
    return any(region == ALL_REGIONS or is_pattern(region) for region in configured)


def _all_alone(regions: tuple[str, ...]) -> tuple[str, ...]:
    if ALL_REGIONS in regions and len(regions) > 1:
        raise ValueError("`all` cannot be combined with other regions")
    return regions


def _role_name(name: str) -> str:
    # IAM's limit of 64 characters is for the name without its path.
    if not re.fullmatch(r"([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", name, re.ASCII):
        raise ValueError(f"{name!r} is not the name of a role, such as aws-job-exporter or monitoring/aws-job-exporter")
    return name


def _unit_or_pattern(pattern: str) -> str:
    if pattern.startswith(UNIT) and not re.fullmatch(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}", pattern):
        raise ValueError(f"{pattern!r} is not the id of an organizational unit, such as ou-ab12-11111111")
    return pattern


def _role(arn: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", arn):
        raise ValueError(f"{arn!r} is not the ARN of a role, such as arn:aws:iam::111122223333:role/NAME")
    return arn


def _external_id(value: SecretStr) -> SecretStr:
    # As STS's model has it.
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", value.get_secret_value(), re.ASCII):
        raise ValueError("must be 2 to 1224 letters, digits and +=,.@:/_-")
    return value


Regions = Annotated[
    tuple[Annotated[str, AfterValidator(_known_region)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) and are_to_be_found((value,)) else value),
    AfterValidator(_all_alone),
]
RoleArn = Annotated[str, AfterValidator(_role)]
ExternalId = Annotated[SecretStr, AfterValidator(_external_id)]
AccountPattern = Annotated[str, AfterValidator(_unit_or_pattern)]


class Account(Section):
    """One account to read."""

    role_arn: RoleArn | None = None
    """ARN of the role to assume. If unset, the default credentials are used as they are."""
    external_id: ExternalId | None = None
    """External id that the trust policy of the role requires."""
    regions: Regions = ()
    """Regions to read: names, patterns (`eu-*`) on those that are enabled for the account, or `all` of these. Of a
    region that is found this way, the services that it has are read. If unset, the region of the environment.
    """

    @property
    def account_id(self) -> str:
        """The id in the ARN of the role, empty for the default credentials."""
        return self.role_arn.split(":")[4] if self.role_arn else ""


class Organization(Patterns):
    """Every account of an organization, each through a role of the same name."""

    role_name: Annotated[str, AfterValidator(_role_name)]
    """Instead of a list of accounts, read every account of the organization, each through the role of this name
    (`monitoring/aws-job-exporter` with a path).
    """
    external_id: ExternalId | None = None
    """External id that the trust policies of these roles require."""
    regions: Regions = ()
    """Regions to read in each account, as `accounts[].regions`."""
    account_regions: Mapping[AccountPattern, Regions] = Field(default_factory=dict)
    """Other regions of some accounts, by patterns on their names and ids, or the ids of organizational units; the first
    that applies decides.
    """
    include: tuple[AccountPattern, ...] = ("*",)
    """Patterns on the names and ids of the accounts to read; the id of an organizational unit stands for all of its
    accounts.
    """
    exclude: tuple[AccountPattern, ...] = ()
    """Likewise, the accounts to leave out."""

    @property
    def units(self) -> Sequence[str]:
        """The ids of organizational units among the patterns."""
        patterns = (*self.include, *self.exclude, *self.account_regions)
        return [pattern for pattern in patterns if pattern.startswith(UNIT)]

    @property
    def every_region(self) -> Sequence[str]:
        """The regions of any account, as they are configured."""
        return [region for regions in (self.regions, *self.account_regions.values()) for region in regions]

    def regions_of(self, *names: str) -> Regions:
        """Return the regions of the account that has these names, among them its id and those of its units."""
        own = (regions for pattern, regions in self.account_regions.items() if matches((pattern,), names))
        return next(own, self.regions)

    def account(self, account_id: str, partition: str, regions: Regions) -> Account:
        """Return how to read an account of the organization."""
        arn = f"arn:{partition}:iam::{account_id}:role/{self.role_name}"
        return Account(role_arn=arn, external_id=self.external_id, regions=regions)


class OrganizationAccounts(Section):
    """The accounts of an organization, instead of a list of accounts."""

    organization: Organization
