"""A real client reads from the simulator exactly what the world holds, for every entry of the catalog."""

import math
from datetime import datetime
from itertools import product
from typing import Any

import pytest
from botocore.validate import ParamValidator

from exporter.catalog import Kind, Scope
from exporter.catalog.kind import BARE
from exporter.catalog.models import shape_at
from exporter.jobs import State
from exporter.simulator import SimulatedJob, SimulatedScope, Simulator, World
from exporter.simulator.shapes import at, put
from tests.support.harness import CATALOG
from tests.support.held import delete_job, identity_of, jobs_in, remove_scope, scopes_in

pytestmark = pytest.mark.slow

NOW = 1_800_000_000.0
KINDS = {str(kind): kind for kind in CATALOG.kinds()}
SCOPES = {f"{kind.service}/{name}": (kind, name) for kind in KINDS.values() for name, _ in kind.scopes}


def filled(listed: Kind | Scope, scope: Any) -> dict[str, Any]:
    """Return the arguments that list something in a scope."""
    ids = (scope or World(CATALOG).location()).ids
    return {name: ids[str(value)[1:]] if str(value)[0] == "$" else value for name, value in listed.arguments.items()}


def swept(kind: Kind, scope: Any) -> list[dict[str, Any]]:
    """Return the arguments of every request that listing a kind's jobs in a scope takes."""
    combinations = product(*kind.sweep.values())
    return [{**filled(kind, scope), **dict(zip(kind.sweep, values, strict=True))} for values in combinations]


def shared_paths(kind: Kind) -> list[tuple[str, str]]:
    """Return the paths to values that a job of the world holds under the same key, and no dimension has instead."""
    of_job = [(key, path) for key, path in kind.paths() if not key.startswith(("dimensions.", "refine.", "used."))]
    return [(key, path) for key, path in of_job if path not in kind.dimensions.values()]


def in_order(kind: Kind, found: list[Any]) -> list[Any]:
    """Return the jobs of one list in order; those of several lists have no order among each other."""
    return sorted(found, key=repr) if kind.sweep else found


def seconds(value: Any) -> float:
    """Return a time in seconds, whatever type a client returns: AWS writes some as milliseconds, some as text."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = value.timestamp()
    return round(value / 1000 if isinstance(value, int) else value, 3)


def comparable(found: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return a value with times in seconds, and with codes as text even where AWS uses numbers."""
    times = {path for key, path in kind.times.named() if key != "duration"}
    return {
        path: seconds(value) if path in times or isinstance(value, datetime) else value
        for path, value in found.items()
        if value not in (None, "") and (value or path != kind.times.duration)
    } | ({kind.code: str(found[kind.code])} if kind.code and found.get(kind.code) else {})


def as_read(item: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return the values at the catalog's paths in a listed item, with times in seconds."""
    found = {path: at(item, path) for _, path in shared_paths(kind)}
    if found[kind.status] in kind.state_of and kind.state_of[found[kind.status]].is_active:
        found.pop(kind.reason or "", None)
    return comparable(found, kind)


def as_held(world: World, job: SimulatedJob, now: float) -> dict[str, Any]:
    """Return the same for a job of the world; where several facts share a path, the first one wins."""
    paths = {path for _, path in shared_paths(job.kind)}
    held = {path: value for path, value in filled(job.kind, job.scope).items() if path in paths}
    held |= dict(zip(job.kind.id, identity_of(world, job), strict=True))
    facts = job.facts(job.phase_at(now))
    for key, path in shared_paths(job.kind):
        if facts.get(key) not in (None, ""):
            held.setdefault(path, facts[key])
    return comparable(held, job.kind)


async def told(read: Any, client: Any, kind: Kind, listed: list[Any]) -> list[Any]:
    """Return the items of a kind: those of its list, or what is told of the ids there."""
    if kind.describe is None or not listed:
        return listed
    return items(await read(client, kind.describe.operation, **{kind.describe.ids: listed}), kind.describe.items)


def items(pages: list[Any], path: str) -> list[Any]:
    """Return the items of all pages."""
    return [item for page in pages for item in at(page, path) or []]


def problems(client: Any, operation: str, pages: list[Any]) -> str:
    """Return where a page deviates from the operation's output shape."""
    shape = client.meta.service_model.operation_model(operation).output_shape
    bare = [{name: value for name, value in page.items() if name != "ResponseMetadata"} for page in pages]
    return "".join(ParamValidator().validate(page, shape).generate_report() for page in bare)


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
async def test_a_client_lists_what_the_world_holds(kind, settle, connect, read, clock) -> None:
    """Every job of every scope is listed once, newest first, with unique ids, status, times, reason and records."""
    world = World(CATALOG)
    scopes = settle(world, kind)
    async with Simulator(world, clock=clock, page_size=2) as simulator:
        client = connect(simulator, kind.service)
        for scope in scopes:
            pages = [page for request in swept(kind, scope) for page in await read(client, kind.operation, **request)]
            found = [as_read(item, kind) for item in await told(read, client, kind, items(pages, kind.items))]
            held = [as_held(world, job, NOW) for job in jobs_in(world, kind, scope=scope, until=clock.now)]
            assert in_order(kind, found) == in_order(kind, held)
            assert kind.sweep or len(pages) == 3
            assert not problems(client, kind.operation, pages)
    jobs = jobs_in(world, kind)
    assert len({identity_of(world, job) for job in jobs}) == len(jobs)
    arns = [part for job in jobs for part in identity_of(world, job) if str(part).startswith("arn:")]
    assert all(arn.split(":")[3:5] == ["us-east-1", "111122223333"] for arn in arns)


@pytest.mark.parametrize("place", SCOPES, ids=str)
async def test_a_client_discovers_every_scope(place, connect, read, clock) -> None:
    """Each scope operation lists the ids and names of the scopes, within the outer one where there is one."""
    kind, name = SCOPES[place]
    scope, outer = dict(kind.scopes)[name], None
    world = World(CATALOG)
    for around, _ in kind.scopes[: [key for key, _ in kind.scopes].index(name)]:
        outer = world.add_scope(kind.service, around, within=outer)
    made = [world.add_scope(kind.service, name, name=f"scope-{number}", within=outer) for number in range(5)]
    async with Simulator(world, clock=clock, page_size=2) as simulator:
        client = connect(simulator, scope.service or kind.service)
        pages = await read(client, scope.operation, **filled(scope, outer))
        listed = items(pages, scope.items)
        ids = listed if scope.id == BARE else [at(item, scope.id) for item in listed]
        assert ids == [one.id for one in reversed(made)]
        assert not scope.name or [at(item, scope.name) for item in listed] == [one.name for one in reversed(made)]
        assert len(pages) == 3
        assert not problems(client, scope.operation, pages)


FILTERED = [
    (kind, name) for kind in KINDS.values() for name in ("status", "created_after") if getattr(kind.filters, name)
]


@pytest.mark.parametrize(("kind", "name"), FILTERED, ids=str)
async def test_filters_narrow_the_list(kind, name, settle, connect, read, clock) -> None:
    """The parameters that the catalog calls filters exclude other statuses and jobs created earlier."""
    world = World(CATALOG)
    scope = settle(world, kind)[0]
    jobs = jobs_in(world, kind, scope=scope)
    status, after = jobs[2].status_at(NOW), jobs[2].created
    values: dict[str, Any] = {"status": status, "created_after": datetime.fromtimestamp(after).astimezone()}
    expected = {
        "status": [job for job in jobs if job.status_at(NOW) == status],
        "created_after": [job for job in jobs if job.created > after],
    }
    model, path = world.models.operation(kind.service, kind.operation), getattr(kind.filters, name)
    if name == "created_after" and kind.filters.named:
        path, word = kind.filters.named
        values[name] = [{"name": word, "values": [str(int(after * 1000))]}]
    elif shape_at(model.input_shape, path).type_name == "list":
        values[name] = [values[name]]
    async with Simulator(world, clock=clock, page_size=1) as simulator:
        client, found = connect(simulator, kind.service), []
        for request in swept(kind, scope):
            put(request, path, values[name])
            found += await told(read, client, kind, items(await read(client, kind.operation, **request), kind.items))
    held = [as_held(world, job, NOW) for job in expected[name]]
    assert in_order(kind, [as_read(item, kind) for item in found]) == in_order(kind, held)


async def test_the_request_determines_the_order(settle, connect, read, clock) -> None:
    """A request for the ascending order gets the oldest first, over all pages."""
    kind, world = KINDS["bedrock/model_invocation_job"], World(CATALOG)
    settle(world, kind)
    async with Simulator(world, clock=clock, page_size=2) as simulator:
        pages = await read(connect(simulator, "bedrock"), kind.operation, sortBy="CreationTime", sortOrder="Ascending")
    found = [item["jobArn"] for item in items(pages, kind.items)]
    assert found == [identity_of(world, job)[0] for job in reversed(jobs_in(world, kind))]


async def test_jobs_progress_with_the_clock(connect, read, clock) -> None:
    """A status changes when the clock passes its time, and a job does not exist before it is created."""
    kind, world = KINDS["bedrock/model_invocation_job"], World(CATALOG)
    world.add_job(kind, created=NOW + 10, path=[(0, "Submitted"), (60, "InProgress"), (600, "Completed")])
    seen = []
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, "bedrock")
        for clock.now in (NOW, NOW + 10, NOW + 69, NOW + 70, NOW + 609.999, NOW + 610):
            (page,) = await read(client, kind.operation)
            seen.append([(item["status"], "endTime" in item) for item in page[kind.items]])
    live = [[("Submitted", False)], [("Submitted", False)], [("InProgress", False)], [("InProgress", False)]]
    assert seen == [[], *live, [("Completed", True)]]


async def test_paging_is_stable_while_jobs_come_and_go(settle, connect, call, clock) -> None:
    """Jobs that are created or deleted between two pages neither duplicate nor hide others."""
    kind, world = KINDS["bedrock/model_invocation_job"], World(CATALOG)
    settle(world, kind, jobs=6)
    jobs = jobs_in(world, kind)
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, "bedrock")
        first = await call(client, kind.operation, maxResults=3)
        world.add_job(kind, created=NOW, path=[(0, "Submitted")])
        delete_job(jobs[1])
        second = await call(client, kind.operation, maxResults=100, nextToken=first["nextToken"])
    assert [item["jobArn"] for item in items([first, second], kind.items)] == [
        identity_of(world, job)[0] for job in jobs
    ]


async def test_accounts_and_regions_are_separate(connect, read, clock) -> None:
    """A list holds only the jobs of the caller's account and the request's region."""
    kind, world = KINDS["bedrock/model_invocation_job"], World(CATALOG)
    world.accounts["AKIAOTHER"] = "444455556666"
    places = {"AKIAMINE": "111122223333", "AKIAOTHER": "444455556666"}
    for account in places.values():
        for region in ("us-east-1", "eu-west-1"):
            world.add_job(kind, created=NOW, path=[(0, "Submitted")], account=account, region=region)
    async with Simulator(world, clock=clock) as simulator:
        for key, account in places.items():
            for region in ("us-east-1", "eu-west-1"):
                (page,) = await read(connect(simulator, "bedrock", key=key, region=region), kind.operation)
                (item,) = page[kind.items]
                assert item["jobArn"].split(":")[3:5] == [region, account]


@pytest.mark.parametrize("name", ["", " ", '"},{"', "<&>", "\u2603\U0001f600", "\x00\x1b[31m\n", "\ud800", "a" * 5000])
async def test_any_name_is_listed_unchanged(name, connect, read, clock) -> None:
    """A job may have any string as its name."""
    kind, world = KINDS["cleanroomsml/collaboration_trained_model_inference_job"], World(CATALOG)
    scope = world.add_scope(kind.service, "collaboration", name=name)
    world.add_job(kind, scope=scope, created=NOW, path=[(0, "ACTIVE")], name=name)
    async with Simulator(world, clock=clock) as simulator:
        (page,) = await read(connect(simulator, kind.service), kind.operation, **filled(kind, scope))
    assert page[kind.items][0]["name"] == name


async def test_given_fields_are_listed_unchanged(connect, read, clock) -> None:
    """A job can have members that the catalog does not mention, or lack those that it does."""
    kind, world = KINDS["bedrock/model_invocation_job"], World(CATALOG)
    fields = {"status": None, "timeoutDurationInHours": 48, "modelId": "mine"}
    world.add_job(kind, created=NOW, path=[(0, "Invented")], fields=fields)
    async with Simulator(world, clock=clock) as simulator:
        (page,) = await read(connect(simulator, "bedrock"), kind.operation)
    (item,) = page[kind.items]
    assert (item.get("status"), item["timeoutDurationInHours"], item["modelId"]) == (None, 48, "mine")


async def test_a_removed_scope_takes_its_jobs_along(settle, connect, read, clock) -> None:
    """A deleted scope takes its jobs along, and the scopes inside it too."""
    kind, world = KINDS["cleanroomsml/trained_model_version"], World(CATALOG)
    scopes = settle(world, kind)
    left: Any = scopes[-1]
    outer: Any = scopes[0]
    remove_scope(outer.parent)
    assert {job.scope.parent for job in jobs_in(world, kind) if isinstance(job.scope, SimulatedScope)} == {left.parent}
    async with Simulator(world, clock=clock) as simulator:
        (page,) = await read(connect(simulator, "cleanrooms"), "ListMemberships", status="ACTIVE")
    assert [item["id"] for item in page["membershipSummaries"]] == [left.parent.id]


async def test_a_scope_that_is_also_a_job_is_listed_once(connect, read, clock) -> None:
    """What one operation lists both as scopes and as jobs appears as both, is listed once, and is deleted as both."""
    kind, world = KINDS["lookoutequipment/model_training"], World(CATALOG)
    job = world.add_job(kind, created=NOW, path=[(0, "IN_PROGRESS")], name="young")
    world.add_scope("lookoutequipment", "model", id="old")
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, "lookoutequipment")
        for there in (["young", "old"], ["old"], []):
            (page,) = await read(client, kind.operation)
            assert [item["ModelName"] for item in page[kind.items]] == there
            assert {scope.id for scope in scopes_in(world, "lookoutequipment", "model")} == set(there)
            assert len(jobs_in(world, kind)) == len(there)
            if job.exists:
                delete_job(job)
            elif there:
                remove_scope(*scopes_in(world, "lookoutequipment", "model"))


async def test_a_world_refuses_impossible_scopes_and_jobs() -> None:
    """A scope or a job in the wrong place is an error, and so is an id that already exists."""
    world, kind = World(CATALOG), KINDS["cleanroomsml/trained_model_version"]
    membership = world.add_scope("cleanroomsml", "membership", id="m")
    with pytest.raises(ValueError, match="membership 'm' exists"):
        world.add_scope("cleanroomsml", "membership", id="m")
    with pytest.raises(ValueError, match="trained_model belongs in"):
        world.add_scope("cleanroomsml", "trained_model")
    with pytest.raises(ValueError, match="trained_model_version belongs in"):
        world.add_job(kind, scope=membership, created=NOW, path=[(0, "ACTIVE")])
    with pytest.raises(LookupError, match="no scope 'pond'"):
        world.add_scope("cleanroomsml", "pond")
    assert jobs_in(world, kind, until=math.inf) == []


@pytest.mark.parametrize(
    ("name", "final"), [("polly/speech_synthesis_task", "completed"), ("s3control/job", "Complete")]
)
async def test_a_list_forgets_what_ended_long_ago(name, final, clock, connect, read) -> None:
    """As AWS does after the kind's retention; what has not ended stays, however old it is."""
    kind, world, day = KINDS[name], World(CATALOG), 86_400.0
    kept, (running, *_) = kind.retention, kind.states[State.RUNNING]
    assert kept
    active, ended = (world.add_job(kind, created=NOW, path=[(0, running), (end, final)]) for end in (1e9, day))
    since = kept.period + {"created": 0.0, "ended": day}[kept.since]
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, kind.service)
        for age, jobs in [(0.0, [active, ended]), (since - 1, [active, ended]), (since, [active])]:
            clock.now = NOW + age
            listed = items(await read(client, kind.operation, **filled(kind, None)), kind.items)
            assert {at(item, kind.id[0]) for item in listed} == {identity_of(world, job)[0] for job in jobs}
