"""Each quirk shows in what a real client reads."""

from contextlib import nullcontext, suppress
from typing import Any

import pytest

from exporter.simulator import Quirk, Simulator, World
from exporter.simulator.quirks import LATEST, RETAINED, is_missing, lag
from tests.support.harness import BEDROCK, CATALOG

NOW = 1_800_000_000.0
TRAINING = CATALOG["sagemaker"].kinds["training_job"]


@pytest.fixture
def world():
    """Return a world with five failed jobs of an hour ago."""
    world = World(CATALOG)
    for kind, statuses in ((BEDROCK, ("Submitted", "Failed")), (TRAINING, ("InProgress", "Failed"))):
        for number in range(5):
            path = [(0.0, statuses[0]), (60.0, statuses[1])]
            world.add_job(kind, created=NOW - 3600 - number, path=path, message="no")
    return world


@pytest.fixture
def listed(world, connect, call, clock):
    """Return a function that lists Bedrock's jobs at a time, with a quirk, and returns the pages."""

    async def listed(quirk, now=NOW, kind=BEDROCK, **arguments):
        world.quirks, clock.now = frozenset({quirk}), now
        pages: list[dict[str, Any]] = []
        async with Simulator(world, clock=clock, page_size=2) as simulator:
            client = connect(simulator, kind.service)
            token: dict[str, str] = {}
            paging = world.models.paging(kind.service, kind.operation)
            while len(pages) < 20:
                pages.append(await call(client, kind.operation, **kind.arguments, **arguments, **token))
                if not pages[-1].get(paging.output_token):
                    return pages
                token = {paging.input_token: pages[-1][paging.output_token]}
        return pages

    return listed


def items(pages, kind=BEDROCK):
    """Return the items of all pages."""
    return [item for page in pages for item in page[kind.items]]


def sizes(pages, kind=BEDROCK):
    """Return how many items each page has."""
    return [len(page[kind.items]) for page in pages]


async def test_pages_are_small_or_empty(listed):
    """Each job is on one of them."""
    for quirk in (Quirk.SMALL_PAGES, Quirk.EMPTY_PAGES):
        pages = await listed(quirk)
        assert len({item["jobArn"] for item in items(pages)}) == sum(sizes(pages)) == 5
        assert len(pages) > 3
    assert sizes(pages)[0] == 0


async def test_tokens_are_empty_or_repeat(listed):
    """An empty one ends the list, and one that repeats never does."""
    assert [bool(page["nextToken"]) for page in await listed(Quirk.EMPTY_TOKEN)] == [True, True, False]
    pages = await listed(Quirk.REPEATED_TOKEN)
    assert len(pages) == 20
    assert len({page["nextToken"] for page in pages}) == 1


async def test_a_filter_by_status_walks_the_history(listed):
    """Pages are cut before it applies."""
    assert sizes(await listed(Quirk.WALKS, statusEquals="InProgress")) == [0, 0, 0]
    assert sizes(await listed(Quirk.NO_ZONE, statusEquals="InProgress")) == [0]


async def test_jobs_are_listed_late_and_not_for_ever(listed, world):
    """Until `LATEST` after their creation, and for `RETAINED` after their end."""
    job = world.location().added[str(BEDROCK)][0]
    late = job.created + lag(job.token, Quirk.LISTED_LATE)
    assert job.created < late < job.created + LATEST
    assert (
        len(items(await listed(Quirk.LISTED_LATE, late))) == len(items(await listed(Quirk.LISTED_LATE, late - 1))) + 1
    )
    end = job.created + 60 + RETAINED
    assert len(items(await listed(Quirk.RETENTION, end - 4))) == 5
    assert len(items(await listed(Quirk.RETENTION, end + 1))) == 0


async def test_a_job_is_missing_and_comes_back(listed, world):
    """Nothing else is listed differently."""
    job = world.location().added[str(BEDROCK)][0]
    missing = next(now for n in range(20) if is_missing(job.token, now := NOW + 20.0 * n))
    assert len(items(await listed(Quirk.MISSING_ONCE, missing + 20))) > len(
        items(await listed(Quirk.MISSING_ONCE, missing))
    )


async def test_a_status_is_old(listed, world):
    """Both the item and the filter by status show it."""
    job = world.location().added[str(BEDROCK)][0]
    just_before = job.created + 59 + lag(job.token, Quirk.OLD_STATUS)
    for filtered in ({}, {"statusEquals": "Submitted"}):
        found = items(await listed(Quirk.OLD_STATUS, just_before, **filtered))
        assert any(item["status"] == "Submitted" and item["submitTime"].timestamp() == job.created for item in found)


async def test_a_job_runs_again(listed, world):
    """It has the same id, and the end of its last run."""
    world.quirks = frozenset({Quirk.RESTARTS})
    job = world.add_job(BEDROCK, created=NOW, path=[(0.0, "Submitted"), (60.0, "Failed")])
    seen = []
    for after in (70, 300, 800):
        (item,) = [
            item for item in items(await listed(Quirk.RESTARTS, NOW + after)) if item["submitTime"].timestamp() == NOW
        ]
        seen.append((item["jobArn"], item["status"], item["endTime"].timestamp() - NOW if "endTime" in item else None))
    assert [status for _, status, _ in seen] == ["Failed", "Submitted", "Failed"]
    assert [end for *_, end in seen] == [60, None, job.offsets[-1]]
    assert len({arn for arn, *_ in seen}) == 1


async def test_items_have_more_or_less_than_their_model(listed, world):
    """A client drops what it does not know, so the item itself shows that it is there."""
    assert not any("message" in item for item in items(await listed(Quirk.NO_MESSAGES)))
    full = items(await listed(Quirk.WALKS, kind=TRAINING), TRAINING)
    assert "CreationTime" in full[0]
    assert "CreationTime" not in items(await listed(Quirk.NO_REQUIRED, kind=TRAINING), TRAINING)[0]
    await listed(Quirk.UNKNOWN_MEMBERS)
    assert '"newMember"' in world.location().added[str(BEDROCK)][0].encoded[1]


@pytest.mark.parametrize(
    ("quirk", "written"), [(Quirk.NO_ZONE, '"2027-01-15T07:00:00.000"'), (Quirk.MILLISECONDS, "1799996400000")]
)
async def test_times_are_written_otherwise(listed, world, quirk, written):
    """As texts without a zone, or in milliseconds."""
    # botocore itself does not read times in milliseconds.
    with suppress(ValueError) if quirk is Quirk.MILLISECONDS else nullcontext():
        await listed(quirk, kind=TRAINING)
    job = world.location().added[str(TRAINING)][0]
    assert f'"CreationTime":{written}' in job.encoded[1]
