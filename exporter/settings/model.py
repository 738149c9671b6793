"""What can be configured: one pydantic-settings model for file, environment and flags."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.catalog import Catalog, Kind, Service
from exporter.catalog.kind import Word, plural
from exporter.catalog.own import extended
from exporter.reasons import Rule
from exporter.settings.accounts import (
    Account,
    Organization,
    OrganizationAccounts,
    Regions,
    are_to_be_found,
)
from exporter.settings.groups import Group
from exporter.settings.queues import EventQueue, one_or_more
from exporter.settings.sections import (
    Aws,
    ConfigFile,
    Count,
    Limits,
    Log,
    Metrics,
    Patterns,
    PerSecond,
    Poll,
    Shard,
    Storage,
    Web,
    not_empty,
)
from exporter.text.durations import Duration
from exporter.text.problems import tag

ENVIRONMENT_PREFIX = "AWS_JOB_EXPORTER_"


def tag_label(key: str) -> str:
    """Return the label that has the values of an AWS tag: `tag_cost_center` of `cost-center`."""
    return "tag_" + re.sub(r"[^a-zA-Z0-9_]", "_", key)


def _tags(keys: tuple[str, ...]) -> tuple[str, ...]:
    labels = [tag_label(key) for key in keys]
    for number, label in enumerate(labels):
        if (first := labels.index(label)) != number:
            raise ValueError(f"{keys[first]!r} and {keys[number]!r} would be one label, {label}")
    return keys


class ServiceSettings(BaseModel):
    """What to read of one service. All other keys name scopes, by the plural of their name in the catalog.

    With `memberships: [a1b2...]` only these are read and none are discovered; `memberships: {include: [prod-*]}`
    selects among those that are discovered.
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    kinds: Annotated[tuple[str, ...], AfterValidator(not_empty)] | None = None
    """Kinds to read. If unset, all kinds of the service except those that the catalog reads only if they are named."""
    interval: Duration | None = None
    """How often to read the jobs of the service. If unset, `poll.interval`."""
    requests_per_second: PerSecond | None = None
    """Maximum rate of requests to the service, in place of `aws.requests_per_second` and of what AWS documents for its
    operations.
    """
    burst: Count | None = None
    """Maximum number of requests to the service in quick succession after a pause. If unset, `aws.burst`."""
    regions: Regions = ()
    """Regions to read the service in, among those of the account: names, or patterns such as `eu-*`. If unset, all."""
    dimensions: tuple[Word, ...] = ()
    """Additional labels of the job metrics, such as `model_id`: some of those that the catalog has for the kinds."""

    tags: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=128)], ...], AfterValidator(_tags)
    ] = ()
    """Keys of AWS tags to read of the jobs and of the scopes that they are in, such as `team`: further labels of the
    job metrics (`tag_team`), and what `groups[].match.tags` can match. They take the permission `tag:GetResources`.
    """

    def dimensions_of(self, kind: Kind) -> tuple[str, ...]:
        """Return the dimensions that a kind has among those that are configured."""
        return tuple(name for name in self.dimensions if name in kind.dimensions)

    def tags_of(self, kind: Kind) -> tuple[str, ...]:
        """Return the keys of the tags to read of a kind's jobs."""
        return self.tags if kind.has_tags else ()

    def labels_of(self, kind: Kind) -> tuple[str, ...]:
        """Return the further labels of a kind's jobs, in the order of their values."""
        return *self.dimensions_of(kind), *map(tag_label, self.tags_of(kind))

    def named(self, scope: str) -> Sequence[str] | None:
        """Return the ids that are configured for a scope, None if they are to be discovered."""
        ids = self.extra.get(plural(scope))
        return ids if isinstance(ids, list) else None

    def patterns(self, scope: str) -> Patterns:
        """Return which of the discovered ids of a scope to read."""
        patterns = self.extra.get(plural(scope))
        return Patterns.model_validate(patterns) if isinstance(patterns, dict) else Patterns()

    @property
    def extra(self) -> Mapping[str, Any]:
        """The keys that name scopes, with their values as configured."""
        return self.model_extra or {}


class Selection(NamedTuple):
    """The kinds of one service to read, and the settings of the service."""

    service: Service
    kinds: tuple[Kind, ...]
    settings: ServiceSettings


def _form_of_accounts(value: object) -> str:
    """Return the tag of the form of `accounts`, so that an error is about the form that was used, not about both."""
    return tag(OrganizationAccounts if isinstance(value, Mapping | OrganizationAccounts) else Account)


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENVIRONMENT_PREFIX,
        # Two underscores, because keys have single ones themselves.
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
    )

    config: ConfigFile = ConfigFile()
    web: Web = Web()
    log: Log = Log()
    poll: Poll = Poll()
    metrics: Metrics = Metrics()
    limits: Limits = Limits()
    aws: Aws = Aws()
    storage: Storage = Storage()
    shard: Shard = Shard()
    accounts: Annotated[
        Annotated[tuple[Account, ...], AfterValidator(not_empty), Tag(tag(Account))]
        | Annotated[OrganizationAccounts, Tag(tag(OrganizationAccounts))],
        Discriminator(_form_of_accounts),
    ] = (Account(),)
    """Accounts and regions to read, or the organization whose accounts to read."""
    services: Mapping[str, ServiceSettings | None] = Field(default_factory=dict)
    """Services, kinds and scopes to read. If unset, every kind that needs no scope and is open to new customers."""
    events: Annotated[tuple[EventQueue, ...], BeforeValidator(one_or_more)] = ()
    """Queues of events that tell which list to poll at once, or one queue. If unset, lists are polled by time alone."""
    groups: tuple[Group, ...] = ()
    """Groups of jobs with metrics of their own. A job is in the first one that takes it, or in none."""
    kinds: Mapping[Word, Mapping[str, Any]] = Field(default_factory=dict)
    """Additional kinds of job, in the language of the catalog."""
    reasons: tuple[Rule, ...] = ()
    """Additional rules for failure reasons, tried before the built-in ones."""

    @property
    def organization(self) -> Organization | None:
        """The organization whose accounts are read, None if accounts are named."""
        return self.accounts.organization if isinstance(self.accounts, OrganizationAccounts) else None

    @property
    def named_accounts(self) -> tuple[Account, ...]:
        """The accounts that are named, empty if those of an organization are read."""
        return () if isinstance(self.accounts, OrganizationAccounts) else self.accounts

    @property
    def finds_regions(self) -> bool:
        """Whether regions are to be discovered."""
        if self.organization:
            return are_to_be_found(self.organization.every_region)
        return any(are_to_be_found(account.regions) for account in self.named_accounts)

    @property
    def fingerprint(self) -> str:
        """A word that differs where AWS is reached in another way, or something else is requested; secrets aside."""
        requested = self.model_dump_json(include={"aws", "accounts", "services", "kinds"})
        return blake2b(requested.encode(), digest_size=16).hexdigest()

    def catalog(self, built_in: Catalog) -> Catalog:
        """Return the catalog including the configured kinds, which were checked when the settings were loaded."""
        return extended(built_in, self.kinds)

    def selections(self, catalog: Catalog) -> list[Selection]:
        """Return what to read: what is configured, else every kind that needs no scope and that anyone may have.

        What the catalog marks as `opt_in` is read only if it is named. A kind from the configuration is read unless
        the configuration selects among the kinds of its service.
        """
        configured = [(catalog[name], settings or ServiceSettings()) for name, settings in self.services.items()]
        selections = [Selection(service, _chosen(service, settings), settings) for service, settings in configured]
        selections = selections or _without_scopes(catalog)
        own = {entry["service"] for entry in self.kinds.values()}
        for name in sorted(own - {selection.service.service for selection in selections}):
            service = catalog[name]
            kinds = tuple(service.kinds[key] for key, entry in self.kinds.items() if entry["service"] == name)
            selections.append(Selection(service, kinds, ServiceSettings()))
        return selections

    def requests_per_second(self, service: str) -> float:
        """Return how many requests per second a service gets at most, in each account and region."""
        own = self.services.get(service)
        return (own and own.requests_per_second) or self.aws.requests_per_second

    def stale_after(self, interval: float) -> float:
        """Return for how many seconds after its last success a source is exported: at least three of its intervals."""
        return max(self.poll.stale_after, 3 * interval)


def _without_scopes(catalog: Catalog) -> list[Selection]:
    """Return every kind that needs no scope, for a configuration that names no services."""
    selections = []
    for service in (catalog[name] for name in catalog.names):
        kinds = [kind for kind in service.kinds.values() if not kind.scopes and _is_usual(kind)]
        if kinds and not service.opt_in:
            selections.append(Selection(service, tuple(kinds), ServiceSettings()))
    return selections


def _is_usual(kind: Kind) -> bool:
    """Return whether anyone may have such jobs, at no particular cost."""
    return not (kind.opt_in or kind.end_of_life or kind.closed)


def _chosen(service: Service, settings: ServiceSettings) -> tuple[Kind, ...]:
    if settings.kinds is not None:
        return tuple(service.kinds[key] for key in settings.kinds)
    return tuple(kind for kind in service.kinds.values() if not kind.opt_in)
