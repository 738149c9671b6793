"""How many examples are tried: the same few in every run or, with HYPOTHESIS_PROFILE=long, many new ones."""

import os

from hypothesis import HealthCheck, Phase, settings

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
TIMES = 20


def bounded(examples: int, *, shrink: bool = True) -> settings:
    """Return settings for the same examples in every run, or for twenty times as many new ones in the long profile.

    Examples that poll take too long to be made smaller.
    """
    return settings(
        max_examples=examples * TIMES if IS_LONG else examples,
        derandomize=not IS_LONG,
        database=None,
        deadline=None,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),  # they are about how fast examples are made
    )
