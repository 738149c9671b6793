"""What can be set: one pydantic-settings model for the file, the environment and the flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, SecretStr, Tag
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.catalog import Catalog, Kind, Service
from exporter.catalog.kind import Word, plural
from exporter.catalog.models import regions
from exporter.catalog.own import extended
from exporter.catalog.spelling import did_you_mean
from exporter.durations import Duration
from exporter.failures import Rule

DEFAULT_PORT = 10058
"""No other exporter is known to use it; see the wiki page "Default port allocations" of Prometheus."""

_LAST_PORT = 65_535

ENVIRONMENT_PREFIX = "AWS_JOB_EXPORTER_"

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


def _address(address: str) -> str:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(\d{1,5})", address)
    if match is None or int(match[2]) > _LAST_PORT:
        raise ValueError(f"{address!r} is not an address to listen on: :10058, 127.0.0.1:10058, [::1]:10058")
    return address


def _path(path: str) -> str:
    if not re.fullmatch(r"/[^?#{}\s]*", path):
        raise ValueError(f"{path!r} is not a path: /metrics")
    if path.startswith("/-/"):
        raise ValueError(f"{path!r} is no path for metrics: health checks have their place below /-/")
    return path


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://\S+", url):
        raise ValueError(f"{url!r} is not an address: https://vpce-1a2b3c.bedrock.us-east-1.vpce.amazonaws.com")
    if "@" in urlsplit(url).netloc:
        raise ValueError("must be without user and password: AWS asks for neither")
    return url


def _external_id(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", value.get_secret_value(), re.ASCII):
        raise ValueError("must be 2 to 1224 letters, digits and +=,.@:/_-")
    return value


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


def _ascending(buckets: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(buckets)):
        raise ValueError("each bucket must be longer than the one before")
    return buckets


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Regions = Annotated[
    tuple[Annotated[str, AfterValidator(_region_or_all)], ...],
    BeforeValidator(lambda value: (value,) if value == ALL_REGIONS else value),
    AfterValidator(_all_alone),
]
ExternalId = Annotated[SecretStr, AfterValidator(_external_id)]
Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_as_tuple), AfterValidator(_not_empty)
]


class Section(BaseModel):
    """Base of every group of settings: a key that does not exist is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfigFile(Section):
    """Where the configuration stands."""

    file: Path | None = Field(default=None, description="Configuration file (YAML).")


class WebConfigFile(Section):
    """Where TLS, passwords and headers are configured."""

    file: Annotated[Path | None, BeforeValidator(lambda path: path or None)] = Field(
        default=None, description="Path to configuration file that can enable TLS or authentication."
    )


class Web(Section):
    """What is served, and where."""

    listen_address: Addresses = Field(
        default=(f":{DEFAULT_PORT}",),
        description="Addresses on which to expose metrics and web interface. Repeatable for multiple addresses. "
        "Examples: :10058, 127.0.0.1:10058, [::1]:10058.",
    )
    systemd_socket: bool = Field(
        default=False, description="Use systemd socket activation listeners instead of port listeners (Linux only)."
    )
    config: WebConfigFile = WebConfigFile()
    telemetry_path: Annotated[str, AfterValidator(_path)] = Field(
        default="/metrics", description="Path under which to expose metrics."
    )
    max_requests: int = Field(
        default=40, ge=0, description="Maximum number of parallel scrape requests. Use 0 to disable."
    )
    disable_exporter_metrics: bool = Field(
        default=False, description="Exclude metrics about the exporter's process (process_*, python_*)."
    )
    disable_pages: bool = Field(
        default=False, description="Serve nothing but metrics and health: no pages, no API, no names of jobs."
    )
    enable_lifecycle: bool = Field(default=False, description="Enable reload via HTTP request.")


class Log(Section):
    """What is written to stderr, and how."""

    level: Literal["debug", "info", "warn", "error"] = Field(
        default="info", description="Only log messages with the given severity or above."
    )
    format: Literal["logfmt", "json"] = Field(default="logfmt", description="Output format of log messages.")


class Poll(Section):
    """When AWS is asked, and how long an answer counts."""

    interval: Duration = Field(default=60.0, description="How often a list of jobs is read.")
    discovery_interval: Duration = Field(
        default=600.0, description="How often memberships, schedulers and other containers of jobs are looked for."
    )
    resync: Duration = Field(
        default=3600.0, description="How often everything is listed again, which finds what was deleted."
    )
    lookback: Duration = Field(default=604_800.0, description="How long a job counts after it finished.")
    stale_after: Duration = Field(
        default=300.0,
        description="How long the numbers of a source stay after its last successful poll; at least three intervals.",
    )
    timeout: Duration = Field(default=55.0, description="How long one poll of a source may take.")
    concurrency: int = Field(default=32, ge=1, description="How many sources are polled at the same time.")
    details_budget: int = Field(
        default=20, ge=1, description="How many failed jobs of a source are asked for their reason in one poll."
    )


class Metrics(Section):
    """What is exported beyond the counts."""

    per_job: bool = Field(default=False, description="Export series for single jobs: aws_job_info and its times.")
    per_job_finished: int = Field(
        default=50, ge=0, description="How many finished jobs of a source get series of their own, newest first."
    )
    per_job_active: int = Field(
        default=500, ge=0, description="How many active jobs of a source get series of their own, oldest first."
    )
    duration_buckets: Annotated[tuple[Duration, ...], AfterValidator(_not_empty), AfterValidator(_ascending)] = Field(
        default=(60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 172_800.0),
        description="Upper bounds of the duration histograms.",
    )


class Limits(Section):
    """What keeps memory and the number of series in bounds, whatever AWS lists."""

    series: int = Field(
        default=1_000_000,
        ge=1,
        description="How many series about jobs there are in all; more drop families.",
    )
    series_per_source: int = Field(
        default=10_000, ge=1, description="How many series about jobs a source has; more drop families."
    )
    dimension_values: int = Field(
        default=50, ge=1, description="How many values of a dimension a source exports; more become `other`."
    )
    jobs_per_source: int = Field(
        default=500_000, ge=1, description="How many finished jobs of a source count; of more, the newest."
    )
    sources: int = Field(default=20_000, ge=1, description="How many sources are polled; more are not discovered.")
    pages: int = Field(
        default=5000, ge=1, description="How many pages a list of AWS may have; a longer one fails the poll."
    )
    message_length: int = Field(
        default=4000, ge=100, description="How many characters of a failure message or a name are held."
    )


class Aws(Section):
    """How AWS is reached."""

    endpoint_url: Annotated[str, AfterValidator(_url)] | None = Field(
        default=None, description="Address to use in place of every service's own."
    )
    connect_timeout: Duration = Field(default=3.0, description="How long a connection may take to open.")
    read_timeout: Duration = Field(default=20.0, description="How long AWS may take to answer one request.")
    max_attempts: int = Field(
        default=3, ge=1, le=10, description="How often one request is tried before the poll fails."
    )
    requests_per_second: float = Field(
        default=2.0,
        gt=0,
        allow_inf_nan=False,
        description="How many requests a service gets in a second, by account and region; fewer while AWS throttles.",
    )
    burst: int = Field(default=10, ge=1, description="How many requests a service may get at once after a pause.")


class Shard(Section):
    """Which part of the sources this exporter reads."""

    count: int = Field(default=1, ge=1, le=1000, description="How many exporters share the sources.")
    index: int | None = Field(
        default=None,
        ge=0,
        description="Which of them this one is, from 0. Left out: the number at the end of the host's name.",
    )


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


class ServiceSettings(BaseModel):
    """What to read of one service; further keys name containers.

    `memberships: [a1b2...]` are the only ones to read, `memberships: {include: [prod-*]}` chooses among those found.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kinds: Annotated[tuple[str, ...], AfterValidator(_not_empty)] | None = None
    interval: Duration | None = None
    dimensions: tuple[Word, ...] = ()
    """Labels of the user's choice, of those that the catalog offers."""

    def named(self, scope: str) -> Sequence[str] | None:
        """Return the ids of the containers of one sort that are named, None where they are to be discovered."""
        ids = self.extra.get(plural(scope))
        return ids if isinstance(ids, list) else None

    def patterns(self, scope: str) -> Patterns:
        """Return which containers of one sort to read of those that are discovered."""
        patterns = self.extra.get(plural(scope))
        return Patterns.model_validate(patterns) if isinstance(patterns, dict) else Patterns()

    @property
    def extra(self) -> Mapping[str, Any]:
        """The keys that name containers, as they stand in the configuration."""
        return self.model_extra or {}


class Selection(NamedTuple):
    """The kinds of one service that are to be read, and what the configuration says of the service."""

    service: Service
    kinds: tuple[Kind, ...]
    settings: ServiceSettings


def _form_of_accounts(value: object) -> str:
    """Return which of its two forms `accounts` has."""
    return "[organization]" if isinstance(value, Mapping | OrganizationAccounts) else "[list]"


class Settings(BaseSettings):
    """The whole configuration. Flags win over the environment, the environment over the file."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
    )

    config: ConfigFile = ConfigFile()
    web: Web = Web()
    log: Log = Log()
    poll: Poll = Poll()
    metrics: Metrics = Metrics()
    limits: Limits = Limits()
    aws: Aws = Aws()
    shard: Shard = Shard()
    accounts: Annotated[
        Annotated[tuple[Account, ...], AfterValidator(_not_empty), Tag("[list]")]
        | Annotated[OrganizationAccounts, Tag("[organization]")],
        Discriminator(_form_of_accounts),
    ] = Field(default=(Account(),), description="Accounts and regions to read, or the organization that has them.")
    services: Mapping[str, ServiceSettings | None] = Field(
        default_factory=dict, description="Services, kinds and scopes to read."
    )
    kinds: Mapping[Word, Mapping[str, Any]] = Field(
        default_factory=dict, description="Kinds of your own, in the catalog's language."
    )
    reasons: tuple[Rule, ...] = Field(
        default=(), description="Rules of your own for failure reasons; they are tried before the built-in ones."
    )

    @property
    def organization(self) -> Organization | None:
        """The organisation whose accounts are read, None where accounts are named."""
        return self.accounts.organization if isinstance(self.accounts, OrganizationAccounts) else None

    @property
    def named_accounts(self) -> tuple[Account, ...]:
        """The accounts that are named, none where those of an organisation are read."""
        return () if isinstance(self.accounts, OrganizationAccounts) else self.accounts

    @property
    def all_regions(self) -> bool:
        """Whether regions are to be found."""
        readers = (self.organization,) if self.organization else self.named_accounts
        return any(ALL_REGIONS in reader.regions for reader in readers)

    def catalog(self, built_in: Catalog) -> Catalog:
        """Return the catalog with the user's own kinds; they were checked when the settings were loaded."""
        return extended(built_in, self.kinds)

    def selections(self, catalog: Catalog) -> list[Selection]:
        """Return what to read: what is configured, else every kind that needs no container and that AWS still runs.

        What the catalog calls `opt_in` is read only where it is named. A kind of the user's own is read unless the
        configuration chooses among the kinds of its service.
        """
        selections = self._configured(catalog) if self.services else _needing_nothing(catalog)
        own = {entry["service"] for entry in self.kinds.values()}
        for name in sorted(own - {selection.service.service for selection in selections}):
            service = catalog[name]
            kinds = tuple(service.kinds[key] for key, entry in self.kinds.items() if entry["service"] == name)
            selections.append(Selection(service, kinds, ServiceSettings()))
        return selections

    def _configured(self, catalog: Catalog) -> list[Selection]:
        services = ((catalog[name], settings or ServiceSettings()) for name, settings in self.services.items())
        return [Selection(service, _chosen(service, settings), settings) for service, settings in services]

    def stale_after(self, interval: float) -> float:
        """Return the seconds for which a source's numbers outlive its last success: slow sources get three polls."""
        return max(self.poll.stale_after, 3 * interval)


def _needing_nothing(catalog: Catalog) -> list[Selection]:
    services = [service for service in map(catalog.__getitem__, catalog.names) if not service.opt_in]
    return [
        Selection(service, kinds, ServiceSettings())
        for service in services
        if (kinds := tuple(filter(_needs_nothing, service.kinds.values())))
    ]


def _needs_nothing(kind: Kind) -> bool:
    return not (kind.scopes or kind.opt_in or kind.end_of_life)


def _chosen(service: Service, settings: ServiceSettings) -> tuple[Kind, ...]:
    if settings.kinds is not None:
        return tuple(service.kinds[key] for key in settings.kinds)
    return tuple(kind for kind in service.kinds.values() if not kind.opt_in)
