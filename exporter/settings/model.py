"""What can be set: one pydantic-settings model for the file, the environment and the flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.catalog import Catalog, Kind, Service
from exporter.catalog.kind import Word, plural
from exporter.catalog.own import extended
from exporter.reasons import Rule
from exporter.settings.accounts import ALL_REGIONS, Account, Organization, OrganizationAccounts, Patterns
from exporter.settings.sections import Aws, ConfigFile, Limits, Log, Metrics, Poll, Shard, Web, not_empty
from exporter.text.durations import Duration

ENVIRONMENT_PREFIX = "AWS_JOB_EXPORTER_"


class ServiceSettings(BaseModel):
    """What to read of one service; further keys name containers.

    `memberships: [a1b2...]` are the only ones to read, `memberships: {include: [prod-*]}` chooses among those found.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kinds: Annotated[tuple[str, ...], AfterValidator(not_empty)] | None = None
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
        Annotated[tuple[Account, ...], AfterValidator(not_empty), Tag("[list]")]
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
