"""What commands learn from where they run: AWS's own configuration, their region and their shard."""

from __future__ import annotations

import os
import re
import socket

from exporter.aws import default_region, problems
from exporter.settings import ENVIRONMENT_PREFIX, ConfigurationError, Settings


def check_environment() -> None:
    """Raise ConfigurationError if AWS's own variables or profile have values that cannot work."""
    if found := problems():
        raise ConfigurationError(found)


def region(settings: Settings) -> str:
    """Return the region of the environment.

    Raises ConfigurationError if an account needs one and there is none, or if AWS's own configuration cannot work.
    """
    check_environment()
    found = default_region()
    # The regions of the accounts do not help if those, or the accounts, are still to be discovered.
    named = not settings.organization and not settings.finds_regions
    is_named = named and all(account.regions for account in settings.named_accounts)
    if not found and not (is_named and all(queue.region for queue in settings.events)):
        raise ConfigurationError(
            ["no region: set one in accounts[].regions, AWS_REGION, AWS_DEFAULT_REGION or the AWS profile"]
        )
    return found


def sharded(settings: Settings) -> Settings:
    """Return the settings with the index of this shard; raises ConfigurationError if it is unknown."""
    shard = settings.shard
    if shard.count == 1 or shard.index is not None:
        return settings
    # In a pod, both are the name of the pod, unless it uses the network of its node.
    host = os.environ.get("HOSTNAME") or socket.gethostname()
    ordinal = re.search(r"-(\d{1,4})$", host.partition(".")[0])
    if ordinal is None or int(ordinal[1]) >= shard.count:
        problem = (
            f"shard.index: not set, and the host name {host!r} does not end with the number of one of {shard.count} "
            f"shards (-0 to -{shard.count - 1})"
        )
        raise ConfigurationError([problem])
    return settings.model_copy(update={"shard": shard.model_copy(update={"index": int(ordinal[1])})})


def forget_aws() -> None:
    """Leave the user's profiles, proxies and bundles of certificates alone: none is meant for a simulated AWS."""
    for name in list(os.environ):
        is_aws = name.startswith("AWS_") and not name.startswith(ENVIRONMENT_PREFIX)
        if is_aws or name.upper() in _PROXIES:
            del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE")
