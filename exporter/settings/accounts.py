"""Which accounts are read: by name, or all of an organisation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr

from exporter.catalog.models import regions
from exporter.settings.sections import Section
from exporter.text.spelling import did_you_mean

ALL_REGIONS = "all"
"""In place of a list of regions: those that are enabled for the account."""

UNIT = "ou-"
"""How the id of an organizational unit begins."""


def _known_region(region: str) -> str:
    if region not in (known := regions()):
        raise ValueError(f"AWS has no region {region!r}{did_you_mean(region, known)}")
    return region


def _region_or_all(region: str) -> str:
    return region if region == ALL_REGIONS else _known_region(region)


def _all_alone(regions: tuple[str, ...]) -> tuple[str, ...]:
    if ALL_REGIONS in regions and len(regions) > 1:
        raise ValueError("`all` stands alone, other regions are among them")
    return regions


def _role_name(name: str) -> str:
    if not re.fullmatch(r"([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", name, re.ASCII):
        raise ValueError(f"{name!r} is not the name of a role: aws-job-exporter, monitoring/aws-job-exporter")
    return name


def _unit_or_pattern(pattern: str) -> str:
    if pattern.startswith(UNIT) and not re.fullmatch(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}", pattern):
        raise ValueError(f"{pattern!r} is not the id of an organizational unit: ou-ab12-11111111")
    return pattern


def _role(arn: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", arn):
        raise ValueError(f"{arn!r} is not the ARN of a role: arn:aws:iam::111122223333:role/NAME")
    return arn


def _external_id(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", value.get_secret_value(), re.ASCII):
        raise ValueError("must be 2 to 1224 letters, digits and +=,.@:/_-")
    return value


Regions = Annotated[
    tuple[Annotated[str, AfterValidator(_region_or_all)], ...],
    BeforeValidator(lambda value: (value,) if value == ALL_REGIONS else value),
    AfterValidator(_all_alone),
]
ExternalId = Annotated[SecretStr, AfterValidator(_external_id)]


class Account(Section):
    """One account to read: through a role, or with the default credentials where none is named."""

    role_arn: Annotated[str, AfterValidator(_role)] | None = None
    external_id: ExternalId | None = None
    regions: Regions = ()
    """Left out: the region of the environment."""

    @property
    def account_id(self) -> str:
        """The id as the role tells it, empty where the default credentials are used."""
        return self.role_arn.split(":")[4] if self.role_arn else ""


class Patterns(Section):
    """Which of the containers that are discovered to read, by patterns such as `prod-*` on their names or ids."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def takes(self, *names: str) -> bool:
        """Whether a container of these names is to be read."""
        return _matches(self.include, names) and not _matches(self.exclude, names)


def _matches(patterns: Iterable[str], names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


AccountPattern = Annotated[str, AfterValidator(_unit_or_pattern)]


class Organization(Patterns):
    """Every account of an organisation, each through the role that has the same name in all of them.

    Patterns are on the accounts' names and ids; the id of an organizational unit stands for all accounts within it.
    """

    role_name: Annotated[str, AfterValidator(_role_name)]
    external_id: ExternalId | None = None
    regions: Regions = ()
    include: tuple[AccountPattern, ...] = ("*",)
    exclude: tuple[AccountPattern, ...] = ()

    @property
    def units(self) -> Sequence[str]:
        """The organizational units that are named."""
        return [pattern for pattern in (*self.include, *self.exclude) if pattern.startswith(UNIT)]

    def account(self, account_id: str, partition: str) -> Account:
        """Return an account of the organisation as it is to be read."""
        arn = f"arn:{partition}:iam::{account_id}:role/{self.role_name}"
        return Account(role_arn=arn, external_id=self.external_id, regions=self.regions)


class OrganizationAccounts(Section):
    """The accounts of an organisation, in place of a list of accounts."""

    organization: Organization
