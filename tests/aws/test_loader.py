"""Models cut to the catalog: clients read the same jobs with them as with botocore's own models."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.loaders import Loader

from exporter.aws import Clients, Credentials, Limiters, Place, PollRun, Reader, Scoped, catalog_loader
from exporter.catalog import Catalog, Kind
from exporter.catalog.kind import BARE
from exporter.catalog.models import Models
from exporter.catalog.own import extended
from exporter.clock import Clock
from exporter.jobs import Job
from exporter.settings import Account, Aws, Rates, Settings
from exporter.simulator import SimulatedScope, Simulator, World
from exporter.telemetry import Telemetry
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, LOOKOUT, NOW, REGION
from tests.support.patience import UNHURRIED

pytestmark = pytest.mark.slow

WHOLE, CUT = Loader(), catalog_loader(CATALOG)
PLACE = Place(Account(), REGION)

UNSIMULATED = {"batch/service_job", "quicksight/ingestion", "s3control/job"}
"""Kinds that the simulated AWS does not serve to a plain address."""

SIMULATED = [
    kind
    for kind in CATALOG.kinds()
    if str(kind) not in UNSIMULATED and not any(scope.id == BARE for _, scope in kind.scopes)
]

OWN: dict[str, dict[str, Any]] = {
    "own_fleet": {
        "service": "iot",
        "title": "Job on a fleet of things",
        "operation": "ListJobs",
        "items": "jobs",
        "id": "jobArn",
        "status": "status",
        "states": {
            "pending": ["SCHEDULED"],
            "running": ["IN_PROGRESS"],
            "succeeded": ["COMPLETED"],
            "stopped": ["CANCELED"],
            "deleting": ["DELETION_IN_PROGRESS"],
        },
        "times": {"created": "createdAt", "updated": "lastUpdatedAt", "ended": "completedAt"},
    },
    "own_copy": {
        "service": "bedrock",
        "title": "Copy of a model",
        "operation": "ListModelCopyJobs",
        "items": "modelCopyJobSummaries",
        "id": "jobArn",
        "status": "status",
        "states": {"running": ["InProgress"], "succeeded": ["Completed"], "failed": ["Failed"]},
        "times": {"created": "creationTime"},
        "dimensions": {"account": "sourceAccountId"},
    },
}
"""Kinds of a user: of a service that the catalog does not have, and of one that it has."""

EXTENDED = extended(CATALOG, OWN)


def limiters(settings):
    """Return limiters for clients with these settings."""
    return Limiters(Rates(Settings(aws=settings), CATALOG), Telemetry(), Clock())


@asynccontextmanager
async def reader(simulator: Simulator, loader: Loader):
    """Return a reader whose clients and paging use a loader's models."""
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
    aws = Aws(**UNHURRIED["aws"], endpoint_url=simulator.endpoint_url, requests_per_second=1e6, burst=1000)
    async with Clients(Settings(aws=aws), Telemetry(), limiters(aws), loader, credentials) as clients:
        yield Reader(clients, Models(loader))


async def read(reader: Reader, kind: Kind) -> list[Job]:
    """Return all jobs of a kind in all its scopes, with the reasons of those that failed."""
    level = [Scoped({"account_id": ACCOUNT})]
    for name, scope in kind.scopes:
        found = [await reader.scopes(PollRun(), PLACE, kind.service, name, scope, outer) for outer in level]
        level = [inner for inners in found for inner in inners]
    jobs = [
        job
        for scoped in level
        async for page in reader.jobs(PollRun(), PLACE, kind, scoped, dimensions=tuple(kind.dimensions))
        for job in page
    ]
    return [await reader.completed(PollRun(), PLACE, kind, job) for job in jobs]


def settled(catalog: Catalog, kind: Kind) -> World:
    """Return a world that has a job of a kind in each status, in two innermost scopes."""
    world = World(catalog, account=ACCOUNT, region=REGION)
    level: list[SimulatedScope | None] = [None]
    for name, _ in kind.scopes:
        level = [world.add_scope(kind.service, name, within=outer) for outer in level for _ in "ab"]
    for scope in level:
        for number, status in enumerate(kind.state_of):
            created = NOW - 3600 * number - 60.125
            path, records = [(0, status)], {"total": 9, "processed": 8, "succeeded": 7, "failed": 1}
            world.add_job(kind, scope=scope, created=created, path=path, records=records, message="late", code="17")
    return world


async def check(catalog: Catalog, kind: Kind, loader: Loader) -> None:
    """Compare what is read with a loader to what is read with botocore's, page by page, reasons included."""
    simulator = Simulator(settled(catalog, kind), clock=lambda: NOW, page_size=3)
    async with simulator, reader(simulator, WHOLE) as plain, reader(simulator, loader) as cutting:
        jobs = await read(cutting, kind)
        assert jobs
        assert jobs == await read(plain, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIMULATED, ids=str)
async def test_the_same_jobs_are_read(kind):
    """Every job of every kind is the same."""
    await check(CATALOG, kind, CUT)


@pytest.mark.parametrize("key", OWN)
async def test_the_same_jobs_are_read_for_user_defined_kinds(key):
    """Kinds of the user's own are cut and read like those of the catalog."""
    await check(EXTENDED, EXTENDED[OWN[key]["service"]].kinds[key], catalog_loader(EXTENDED))


def listed(kind):
    """Return the shape that a kind's operation lists its items in, after the cut."""
    operation, items = kind.described
    shape = Models(CUT).operation(kind.service, operation).output_shape
    for step in items.split("."):
        shape = shape.members[step]
    return shape


def test_most_lists_stay_plain_json():
    """This way botocore spends no time on an item; the reader understands times in any form."""
    documents = [kind for kind in CATALOG.kinds() if getattr(listed(kind), "is_document_type", False)]
    assert BEDROCK in documents
    assert len(documents) > 150


@pytest.mark.parametrize("kind", [LOOKOUT, CATALOG["rds"].kinds["export_task"]], ids=str)
def test_other_items_have_the_members_that_are_read(kind):
    """A time needs one form as text, and XML does not define one."""
    assert set(listed(kind).member.members) == {path for _, path in kind.paths()}


def test_bare_ids_stay_plain_json():
    """There is nothing in them to cut."""
    assert Models(CUT).operation("glue", "ListJobs").output_shape.members["JobNames"].is_document_type


def test_inputs_errors_and_page_tokens_stay():
    """Every caller needs the same ones."""
    for models in (Models(WHOLE), Models(CUT)):
        operation = models.operation("bedrock", BEDROCK.operation)
        assert "submitTimeAfter" in operation.input_shape.members
        assert "nextToken" in operation.output_shape.members
        assert "ThrottlingException" in {shape.name for shape in operation.error_shapes}


@pytest.mark.parametrize("service", CATALOG.names)
def test_the_errors_of_a_service_are_known_by_their_codes(service):
    """The additions that botocore makes to a model do not make its shapes unreadable."""
    codes = [{shape.error_code for shape in Models(models).service(service).error_shapes} for models in (WHOLE, CUT)]
    assert codes[0] == codes[1]


def test_a_detail_response_has_only_the_reason():
    """Plain texts stay because page tokens are among them; structures and lists are removed."""
    members = Models(CUT).operation("bedrock", "GetModelCustomizationJob").output_shape.members
    assert "failureMessage" in members
    assert {shape.type_name for shape in members.values()} == {"string"}


def test_operations_that_the_catalog_does_not_use_are_unknown():
    """The error names them; without the cut the client would have them."""
    with pytest.raises(LookupError, match="bedrock has no operation 'GetFoundationModel'"):
        Models(CUT).operation("bedrock", "GetFoundationModel")
    assert Models(WHOLE).operation("bedrock", "GetFoundationModel")


def test_endpoints_can_be_discovered():
    """Some services report their endpoints through a dedicated operation."""
    assert Models(CUT).service("timestream-write").endpoint_discovery_operation.name == "DescribeEndpoints"


def test_services_missing_from_the_catalog_stay_whole():
    """Roles are assumed with STS."""
    assert CUT.load_service_model("sts", "service-2") == WHOLE.load_service_model("sts", "service-2")


@pytest.mark.parametrize("service", CATALOG.names)
async def test_clients_find_their_endpoints(service):
    """Each service's client is made as for AWS itself."""
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
    async with Clients(Settings(), Telemetry(), limiters(Aws()), CUT, credentials) as clients:
        client = await clients.client(REGION, service)
        assert client.meta.endpoint_url.startswith("https://")
