"""How often a service may be requested, and an operation of which AWS documents a quota."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exporter.catalog import Catalog, Quota
from exporter.settings.model import ServiceSettings, Settings


class Rate(NamedTuple):
    """What the exporter sends at most."""

    per_second: float
    burst: int
    """Requests in quick succession after a pause."""


class Rates:
    """The rates of one configuration, for each account and region."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog

    def of_service(self, service: str) -> Rate:
        """Return the rate of all requests to a service together."""
        settings = self._settings
        return self._shared(settings.requests_per_second(service), self._of(service).burst or settings.aws.burst)

    def of_operation(self, service: str, operation: str) -> Rate | None:
        """Return the rate of an operation: a part of the quota that AWS documents; None if the service's is lower.

        A rate of the service in the configuration takes its place, for an account whose quotas are others.
        """
        quota = self._quota(service, operation)
        if quota is None or self._of(service).requests_per_second:
            return None
        share, service_rate = self._settings.aws.quota_share, self.of_service(service)
        rate = self._shared(share * quota.per_second, share * (quota.burst or quota.per_second))
        is_lower = rate.per_second < service_rate.per_second or rate.burst < service_rate.burst
        return rate if is_lower else None

    def _of(self, service: str) -> ServiceSettings:
        return self._settings.services.get(service) or ServiceSettings()

    def _quota(self, service: str, operation: str) -> Quota | None:
        return self._catalog[service].quotas.get(operation) if service in self._catalog else None

    def _shared(self, per_second: float, burst: float) -> Rate:
        """Return one shard's part: the shards do not talk to each other, and AWS's quota is for all of them."""
        shards = self._settings.shard.count
        # At least one, because a bucket smaller than a token would never let a request through.
        return Rate(per_second / shards, max(1, int(burst / shards)))


def above_quotas(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each service whose configured rate alone would use up a quota that AWS documents."""
    for name, service in settings.services.items():
        rate = service.requests_per_second if service else None
        if rate is None:
            continue
        quotas = {operation: quota.per_second for operation, quota in catalog[name].quotas.items()}
        exceeded = [f"{operation} ({most:g})" for operation, most in quotas.items() if rate >= most]
        if exceeded:
            yield (
                f"services.{name}.requests_per_second: {rate:g} leaves nothing for others of what AWS documents: "
                f"{', '.join(exceeded)}"
            )
