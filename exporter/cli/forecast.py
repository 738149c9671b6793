"""What a configuration leads to, as far as it can be told without asking AWS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exporter.catalog import Catalog, Kind
from exporter.cli.kinds import retention
from exporter.cli.readers import exceeded
from exporter.families import GroupView, group_families, job_families, job_views, metrics, source_families
from exporter.jobs import SourceKey
from exporter.settings import Account, Selection, Settings, readership, takes_region
from exporter.store import Sums
from exporter.telemetry import SourceStatus
from exporter.text.durations import format_duration

_HOUR = 3600.0
_KEY = SourceKey("", "", "", "", "")


class Forecast(NamedTuple):
    """What is polled, requested and exported at least: in scopes that are still to be found there is more."""

    sources: int = 0
    series: int = 0
    requests: float = 0.0
    """To AWS, in an hour."""

    def plus(self, other: Forecast) -> Forecast:
        """Return both together."""
        return Forecast(self.sources + other.sources, self.series + other.series, self.requests + other.requests)

    def __str__(self) -> str:
        return f"{self.sources:,} sources, {self.series:,} series and {self.requests:,.0f} requests to AWS per hour"


def forecast(settings: Settings, catalog: Catalog) -> str:
    """Return what a configuration leads to, in a sentence."""
    selections = settings.selections(catalog)
    kinds = sum(len(selection.kinds) for selection in selections)
    what = f"{kinds:,} {'kind' if kinds == 1 else 'kinds'}"
    if organization := settings.organization:
        each = _of_region(settings, selections, "")
        where = "each account of the organization, in each region" if organization.every_region else "each account"
        return f"{what}; at least {each}, for {where}"
    if settings.finds_regions:
        return f"{what}; at least {_of_region(settings, selections, '')}, for each account and region"
    total = Forecast(series=_of_groups(settings))
    for region in _regions(settings.named_accounts):
        total = total.plus(_of_region(settings, selections, region))
    places = sum(1 for _ in _regions(settings.named_accounts))
    return f"{what} in {places:,} {'region' if places == 1 else 'regions of accounts'}; at least {total}"


def forgetful(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each kind that AWS lists for a shorter time than the lookback."""
    lookback = settings.poll.lookback
    for kind in (kind for selection in settings.selections(catalog) for kind in selection.kinds):
        if kind.listed_for(lookback) < lookback:
            yield (
                f"{kind}: AWS lists a job for {retention(kind)}, which is shorter than poll.lookback "
                f"({format_duration(lookback)}): what the exporter was not there to see by then is not known"
            )


def untagged(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each service whose tags are to be read and cannot be of all of its kinds."""
    for service, kinds, own in settings.selections(catalog):
        without = [kind.key for kind in kinds if not kind.has_tags]
        if own.tags and without:
            yield (
                f"services.{service.service}.tags: not of {', '.join(without)}, whose tags cannot be read: "
                "they have no such labels, and are in no group that goes by tags"
            )


def stretched(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """Yield a sentence if the requests that can be foreseen are more than `aws.calls_per_hour`."""
    selections, most = settings.selections(catalog), settings.aws.calls_per_hour
    regions = list(_regions(settings.named_accounts)) or [""]
    foreseen = sum(_of_region(settings, selections, region).requests for region in regions)
    if most is not None and foreseen > most:
        yield (
            f"aws.calls_per_hour: {most:,} are less than the {foreseen:,.0f} requests of lists in which something "
            f"happens: as long as that is so, all intervals are at least {foreseen / most:.1f} times as long"
        )


def unfed(settings: Settings, _catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each alert, recording rule and dashboard of the project that reads what is left out."""
    takes = settings.metrics.families.takes
    for sort, name, read in readership.readers():
        if lacking := [family for family in read if not takes(family)]:
            yield f"{sort} {name}: reads {', '.join(lacking)}, which metrics.families leaves out"


def unread(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each reader that by default would not read whole what can be foreseen."""
    least = _series(settings, catalog)
    # Zeros for everything are about as many series as jobs bring along.
    busy = _series(
        settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"zero_fill": "all"})}), catalog
    )
    certain = set(exceeded(least))
    for reader in exceeded(max(least, busy)):
        yield f"{reader}: " + (
            f"there are at least {least:,} series"
            if reader in certain
            else f"with jobs in every list, there are about {busy:,} series"
        )


def _series(settings: Settings, catalog: Catalog) -> int:
    """Return how many series can be foreseen: in one account and region, where it is not known how many there are."""
    selections = settings.selections(catalog)
    regions = list(_regions(settings.named_accounts)) or [""]
    return _of_groups(settings) + sum(_of_region(settings, selections, region).series for region in regions)


def _of_groups(settings: Settings) -> int:
    """Return how many series the declared groups have before their first jobs."""
    labels = tuple(sorted({label for group in settings.groups for label in group.labels}))
    families = group_families(settings.metrics, labels)
    series = 0
    for group in settings.groups:
        if group.name is not None:
            due = 0.0 if group.expect or group.expect_every else None
            view = GroupView(group, Sums(), {"up": 0, "down": 0}, due, settings.metrics)
            series += sum(len(family.samples) for family in metrics(families, ("group",), [((group.name,), view)]))
    return series


def _regions(accounts: tuple[Account, ...]) -> Iterator[str]:
    """Yield the regions of all accounts; empty for the environment's."""
    for account in accounts:
        yield from dict.fromkeys(account.regions or ("",))


def _of_region(settings: Settings, selections: list[Selection], region: str) -> Forecast:
    """Return what one account leads to in one region; without a name, in one that has all services."""
    total = _parent(settings)
    for selection in selections:
        regions = selection.settings.regions
        if region and regions and not takes_region(regions, region):
            continue
        for scope in {kind.outer_scope for kind in selection.kinds}:
            kinds = [kind for kind in selection.kinds if kind.outer_scope == scope]
            named = selection.settings.named(scope) if scope else ("",)
            if named is None:
                total = total.plus(_parent(settings))
                continue
            for kind in kinds:
                each = _list(settings, kind, selection.settings.interval or settings.poll.interval)
                for _ in dict.fromkeys(named):
                    total = total.plus(each)
    return total


def _parent(settings: Settings) -> Forecast:
    """Return what an account or a discovery leads to."""
    return Forecast(
        1,
        _about(settings, SourceStatus(_KEY, 0, attempts=1, last_success=0, children=0)),
        _HOUR / settings.poll.discovery_interval,
    )


def _list(settings: Settings, kind: Kind, interval: float) -> Forecast:
    """Return what a list leads to in which there is no job."""
    views = [(_KEY, view) for view in job_views(kind, {}, (), settings.metrics)]
    series = sum(len(family.samples) for family in metrics(job_families(settings.metrics), SourceKey._fields, views))
    status = SourceStatus(_KEY, 0, attempts=1, last_success=0, jobs=0, series=0, details_pending=0)
    return Forecast(1, series + _about(settings, status), _HOUR / interval)


def _about(settings: Settings, status: SourceStatus) -> int:
    """Return how many series are about a source itself."""
    families = metrics(source_families(settings.metrics), SourceKey._fields, [(_KEY, status)])
    return sum(len(family.samples) for family in families)
