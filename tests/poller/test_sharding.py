"""Which shard a source belongs to."""

from collections import Counter
from itertools import product

import pytest

from exporter.jobs import SourceKey
from exporter.poller.sharding import owns
from exporter.settings import Shard

pytestmark = pytest.mark.slow

KEYS = [
    SourceKey(f"{account:012}", region, "bedrock", kind, scope)
    for account, region, kind, scope in product(
        range(50), ("us-east-1", "eu-west-1"), ("model_invocation_job", "evaluation_job"), map(str, range(25))
    )
]
"""5,000 sources that differ little."""


def owner(key: SourceKey, count: int) -> int:
    """Return the only shard that owns a source."""
    (index,) = (index for index in range(count) if owns(Shard(count=count, index=index), key))
    return index


def test_one_exporter_owns_everything():
    """Its number makes no difference."""
    assert all(owns(Shard(), key) for key in KEYS[:10])


@pytest.mark.parametrize("count", [2, 3, 4, 10])
def test_shares_are_about_equal(count):
    """Each source has one owner, and each shard's share is within a tenth of the average, allowing for chance."""
    sizes = Counter(owner(key, count) for key in KEYS)
    mean = len(KEYS) / count
    assert sizes.keys() == set(range(count))
    assert all(abs(size - mean) < 5 * mean**0.5 for size in sizes.values())


@pytest.mark.parametrize("count", [1, 3, 9])
def test_an_added_shard_takes_its_share_from_all_others(count):
    """Sources move only to the new shard, and no more than its share; none move between the others."""
    moved = [key for key in KEYS if owner(key, count) != owner(key, count + 1)]
    assert {owner(key, count + 1) for key in moved} == {count}
    assert len(moved) / len(KEYS) == pytest.approx(1 / (count + 1), abs=0.03)


def test_owners_stay_from_release_to_release():
    """Shards of two versions run side by side while one replaces the other."""
    assert [owner(key, 4) for key in KEYS[:12]] == [1, 3, 2, 3, 0, 2, 1, 1, 1, 0, 2, 1]
