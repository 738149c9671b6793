"""The operations that explain why a job failed respond for each job that the world holds, and for no other."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from exporter.aws.items import seconds
from exporter.catalog import Kind
from exporter.simulator import SimulatedJob, Simulator, World
from exporter.simulator.shapes import at
from tests.support.harness import CATALOG
from tests.support.held import delete_job, jobs_in, remove_scope, state_of

pytestmark = pytest.mark.slow

NOW = 1_800_000_000.0
KINDS = [kind for kind in CATALOG.kinds() if kind.details]
CUSTOMIZATION = CATALOG["bedrock"].kinds["model_customization_job"]


def arguments_for(world: World, kind: Kind, job: SimulatedJob) -> dict[str, Any]:
    """Return the arguments that request one job's details."""
    known = {**world.job_items(kind).item(job, NOW), **job.scope.ids}
    return {name: known[str(value)[1:]] for name, value in kind.details.arguments.items()} if kind.details else {}


def made_up(value: Any) -> Any:
    """Return an id that no job has."""
    return value + 1 if isinstance(value, int) else f"{value[:-3]}fff"


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_details_tell_what_the_catalog_says(kind, settle, connect, call, clock) -> None:
    """A finished job has its reason, code and times there, an active one neither reason nor end; the response fits."""
    world = World(CATALOG)
    settle(world, kind)
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, kind.service)
        shape = client.meta.service_model.operation_model(kind.details.operation).output_shape
        for job in jobs_in(world, kind):
            response = await call(client, kind.details.operation, **arguments_for(world, kind, job))
            del response["ResponseMetadata"]
            over = state_of(world, job, job.phase_at(NOW)).is_final
            assert (at(response, kind.details.reason) == job.message) is over
            assert not kind.details.code or (at(response, kind.details.code) == job.code) is over
            outermost = response.get(kind.details.reason.partition(".")[0], {})
            facts = job.facts(job.phase_at(NOW))
            for key, path in kind.details.times.named():
                told, fact = at(response, path), facts.get(f"times.{key}")
                assert (told is None) == (fact is None)
                expected = fact and (fact * 1000 if path.endswith("Millis") else fact)
                assert told is None or (told if key == "duration" else seconds(told)) == pytest.approx(expected, abs=1)
            assert {at(response, kind.status), at(outermost, kind.status)} <= {job.status_at(NOW), None}
            assert not ParamValidator().validate(response, shape).has_errors()


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_unknown_jobs_have_no_details(kind, settle, connect, call, clock) -> None:
    """A job that never existed, was deleted, or was deleted with its scope is not found."""
    world = World(CATALOG)
    scope = settle(world, kind, jobs=2)[0]
    arguments = arguments_for(world, kind, jobs_in(world, kind, scope=scope)[0])
    delete_job(jobs_in(world, kind, scope=scope)[0])
    lost = arguments_for(world, kind, jobs_in(world, kind, scope=scope)[0])
    unknown = {name: value if name in kind.sweep else made_up(value) for name, value in lost.items()}
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, kind.service)
        if scope:
            remove_scope(scope)
        for wrong in [arguments, unknown, *([lost] if scope else [])]:
            with pytest.raises(ClientError) as error:
                await call(client, kind.details.operation, **wrong)
            assert "NotFound" in error.value.response["Error"]["Code"]


async def test_a_job_is_known_as_soon_as_it_is_listed(connect, call, clock) -> None:
    """Jobs that are created after the first request are found too, but not before they are created."""
    world, kind = World(CATALOG), CUSTOMIZATION
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, kind.service)
        for number in range(2):
            job = world.add_job(kind, created=NOW + number, path=[(0, "Failed")], message="no")
            clock.now = NOW + number
            response = await call(client, "GetModelCustomizationJob", **arguments_for(world, kind, job))
            assert response["failureMessage"] == "no"
        clock.now = NOW
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await call(client, "GetModelCustomizationJob", **arguments_for(world, kind, job))
