"""What to do about sources that cannot be read, the most useful first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.jobs import SourceKey
from exporter.telemetry import PollErrorReason


class Ailment(NamedTuple):
    """What is wrong with one source."""

    key: SourceKey
    reason: PollErrorReason | None
    """Why it is down; None if it is up and lacks a permission all the same."""
    missing: str
    """The action that is not allowed; empty if it is not known, or not the cause."""


_ADVICE = {
    PollErrorReason.THROTTLED: "Lower aws.requests_per_second or raise poll.interval: AWS throttles {service}",
    PollErrorReason.ACCESS_DENIED: "Compare with `aws-job-exporter iam-policy` what AWS says above of {service}",
    PollErrorReason.NOT_FOUND: "Correct the ids that the configuration names for {service}: they do not exist",
    PollErrorReason.EXPIRED_CREDENTIALS: "Provide valid credentials",
    PollErrorReason.INVALID_REQUEST: "Check what AWS says above of {service}: it does not accept the request",
    PollErrorReason.SERVER_ERROR: "Try again later: {service} has a fault",
    PollErrorReason.TIMEOUT: "Check the network to {service}, or raise aws.read_timeout: it does not answer in time",
    PollErrorReason.NETWORK: "Check names, routes, proxies and VPC endpoints: {service} cannot be reached",
    PollErrorReason.BAD_RESPONSE: "Check the proxy, if there is one: something else answers in place of {service}",
    PollErrorReason.INTERNAL: "Report a bug of the exporter, with what stands above of {service}",
}


def advice(ailments: Iterable[Ailment]) -> list[str]:
    """Return what to do, each with how many sources and accounts it is about."""
    about: defaultdict[str, list[SourceKey]] = defaultdict(list)
    for key, reason, missing in ailments:
        if missing:
            about[f"Allow {missing}"].append(key)
        elif reason:
            about[_ADVICE[reason].format(service=key.aws_service)].append(key)
    ordered = sorted(about.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"{what}. {_extent(keys)}" for what, keys in ordered]


def _extent(keys: Sequence[SourceKey]) -> str:
    """Return how many sources something is about, and in which accounts."""
    accounts = sorted({key.account_id or "the default credentials" for key in keys})
    where = accounts[0] if len(accounts) == 1 else f"{len(accounts)} accounts, such as {accounts[0]}"
    return f"{len(keys):,} {'source' if len(keys) == 1 else 'sources'} in {where}."
