"""Bad requests get AWS's own errors, in the protocol of the request, and nobody sees a traceback."""

from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError

from exporter.simulator import AwsError, RequestContext, Simulator, World
from tests.support.harness import CATALOG

NOW = 1_800_000_000.0
ABSENT = "0" * 36

CASES: dict[str, tuple[str, str, dict[str, Any], str, int]] = {
    "page too large": ("bedrock", "ListModelInvocationJobs", {"maxResults": 1001}, "ValidationException", 400),
    "page too small": ("bedrock", "ListModelInvocationJobs", {"maxResults": 0}, "ValidationException", 400),
    "page of no number": ("bedrock", "ListModelInvocationJobs", {"maxResults": "all"}, "ValidationException", 400),
    "no such status": ("bedrock", "ListModelInvocationJobs", {"statusEquals": "Fine"}, "ValidationException", 400),
    "garbled token": ("bedrock", "ListModelInvocationJobs", {"nextToken": "!"}, "ValidationException", 400),
    "token of another make": ("bedrock", "ListModelInvocationJobs", {"nextToken": "MTIz"}, "ValidationException", 400),
    "no such argument value": ("bedrock", "ListModelInvocationJobs", {"sortOrder": "Up"}, "ValidationException", 400),
    "scope missing": ("lookoutequipment", "ListInferenceExecutions", {}, "ValidationException", 400),
    "scope of a wrong type": (
        "lookoutequipment",
        "ListInferenceExecutions",
        {"InferenceSchedulerName": 7},
        "ValidationException",
        400,
    ),
    "number of a wrong type": (
        "lookoutequipment",
        "ListInferenceSchedulers",
        {"MaxResults": "many"},
        "ValidationException",
        400,
    ),
    "time of a wrong type": (
        "lookoutequipment",
        "ListInferenceSchedulers",
        {"InferenceSchedulerNameBeginsWith": "x" * 201},
        "ValidationException",
        400,
    ),
    "unknown scheduler": (
        "lookoutequipment",
        "ListInferenceExecutions",
        {"InferenceSchedulerName": "x"},
        "ResourceNotFoundException",
        400,
    ),
    "another account": (
        "quicksight",
        "ListDataSets",
        {"AwsAccountId": "444455556666"},
        "AccessDeniedException",
        401,
    ),
    "unknown collaboration": (
        "cleanroomsml",
        "ListCollaborationTrainedModelInferenceJobs",
        {"collaborationIdentifier": ABSENT},
        "AccessDeniedException",
        403,
    ),
    "unknown membership": (
        "cleanroomsml",
        "ListTrainedModels",
        {"membershipIdentifier": ABSENT},
        "AccessDeniedException",
        403,
    ),
    "scope too short": (
        "cleanroomsml",
        "ListTrainedModels",
        {"membershipIdentifier": "short"},
        "ValidationException",
        400,
    ),
    "unknown model": (
        "cleanroomsml",
        "ListTrainedModelVersions",
        {"membershipIdentifier": ABSENT, "trainedModelArn": "arn:aws:cleanrooms-ml:us-east-1:1:x/y"},
        "ResourceNotFoundException",
        404,
    ),
    "operation that the catalog lacks": ("bedrock", "ListGuardrails", {}, "UnknownOperationException", 404),
    "target that the catalog lacks": ("lookoutequipment", "ListDatasets", {}, "UnknownOperationException", 404),
    "service that the catalog lacks": ("ecs", "ListClusters", {}, "UnknownOperationException", 404),
    "path of no service": ("appconfig", "ListApplications", {}, "UnknownOperationException", 404),
    "role of a wrong form": (
        "sts",
        "AssumeRole",
        {"RoleArn": "x" * 20, "RoleSessionName": "me"},
        "ValidationException",
        400,
    ),
    "role missing": ("sts", "AssumeRole", {"RoleSessionName": "me"}, "ValidationException", 400),
    "session too long": (
        "sts",
        "AssumeRole",
        {"RoleArn": "arn:aws:iam::444455556666:role/x", "RoleSessionName": "me", "DurationSeconds": 1},
        "ValidationException",
        400,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_bad_requests_get_errors(case, connect, call, clock) -> None:
    """The error has AWS's code, the modeled HTTP status, a message and a request id."""
    service, operation, arguments, code, status = case
    async with Simulator(World(CATALOG), clock=clock) as simulator:
        with pytest.raises(ClientError) as error:
            await call(connect(simulator, service), operation, **arguments)
    response = error.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["RequestId"]


async def test_a_token_is_good_for_its_own_list_only(settle, connect, call, clock) -> None:
    """A page token that comes with other arguments, from another scope or for another list is an error."""
    world = World(CATALOG)
    jobs, other = (CATALOG["bedrock"].kinds[key] for key in ("model_invocation_job", "model_customization_job"))
    settle(world, jobs)
    settle(world, other)
    async with Simulator(world, clock=clock) as simulator:
        client, abroad = connect(simulator, "bedrock"), connect(simulator, "bedrock", region="eu-west-1")
        token = (await call(client, jobs.operation, maxResults=1, sortOrder="Descending"))["nextToken"]
        good = await call(client, jobs.operation, nextToken=token, maxResults=9, sortOrder="Descending")
        assert len(good[jobs.items]) == 4
        wrong = [(client, jobs, "Ascending"), (client, other, "Descending"), (abroad, jobs, "Descending")]
        for at, kind, order in wrong:
            with pytest.raises(ClientError, match="ValidationException"):
                await call(at, kind.operation, nextToken=token, sortOrder=order)


async def test_a_hook_can_respond_first(connect, call, clock) -> None:
    """A hook sees who requests what with which arguments, and its error becomes the response."""
    seen: list[RequestContext] = []

    async def hook(call: RequestContext) -> None:
        seen.append(call)
        raise AwsError("ThrottlingException", "Rate exceeded")

    async with Simulator(World(CATALOG), clock=clock) as simulator:
        simulator.hooks.append(hook)
        with pytest.raises(ClientError) as error:
            await call(connect(simulator, "bedrock"), "ListModelInvocationJobs", maxResults=7)
        assert simulator.requests == {("bedrock", "ListModelInvocationJobs"): 1}
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert (seen[0].account, seen[0].region, seen[0].arguments) == ("111122223333", "us-east-1", {"maxResults": 7})


async def test_an_error_of_the_simulator_shows_no_traceback(connect, call, clock, caplog) -> None:
    """Internal errors are logged, and the client gets an internal failure without any details."""

    async def hook(_: RequestContext) -> None:
        raise RuntimeError("secret")

    async with Simulator(World(CATALOG), clock=clock) as simulator:
        simulator.hooks.append(hook)
        with pytest.raises(ClientError) as error:
            await call(connect(simulator, "bedrock"), "ListModelInvocationJobs")
    assert error.value.response["Error"]["Code"] == "InternalFailure"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "secret" not in str(error.value.response)
    assert "secret" in caplog.text


@pytest.mark.parametrize("authorization", ["", "Basic x", "AWS4-HMAC-SHA256 Credential=a/b/c"])
async def test_requests_are_signed(authorization, clock) -> None:
    """A request without a signature is refused."""
    async with Simulator(World(CATALOG), clock=clock) as simulator, aiohttp.ClientSession() as session:
        url = f"{simulator.endpoint_url}/model-invocation-jobs"
        async with session.get(url, headers={"Authorization": authorization}) as response:
            assert response.status == 403
            assert response.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"', b"null"])
async def test_broken_bodies_are_invalid(body, clock) -> None:
    """A body that is not a JSON object is the client's error."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20270115/us-east-1/lookoutequipment/aws4_request, ...",
        "X-Amz-Target": "AWSLookoutEquipmentFrontendService.ListInferenceExecutions",
    }
    async with (
        Simulator(World(CATALOG), clock=clock) as simulator,
        aiohttp.ClientSession() as session,
        session.post(simulator.endpoint_url, data=body, headers=headers) as response,
    ):
        assert response.status == 400
        assert (await response.json(content_type=None))["__type"] == "ValidationException"


async def test_roles_belong_to_their_own_accounts(connect, call, clock) -> None:
    """The keys of an assumed role belong to the role's account, and every other key to the world's own."""
    role = "arn:aws:iam::444455556666:role/reader"
    async with Simulator(World(CATALOG, account="777788889999"), clock=clock) as simulator:
        own = connect(simulator, "sts")
        assumed = await call(
            own, "AssumeRole", RoleArn=role, RoleSessionName="reader", Tags=[{"Key": "a", "Value": "b"}]
        )
        other = connect(simulator, "sts", key=assumed["Credentials"]["AccessKeyId"])
        accounts = [(await call(client, "GetCallerIdentity"))["Account"] for client in (own, other)]
    assert accounts == ["777788889999", "444455556666"]
