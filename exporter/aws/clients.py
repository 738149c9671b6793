"""Sessions and clients: made once for each account, region and service, and owned by one stack."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

import botocore.utils
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioAssumeRoleCredentialFetcher, AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader
from botocore.model import OperationModel

from exporter import __version__
from exporter.aws.answers import StrictParserFactory
from exporter.aws.rate import Limiters
from exporter.settings import Account, Aws
from exporter.telemetry import POLLED, Telemetry


class Credentials(NamedTuple):
    """Keys to use in place of the default chain."""

    access_key: str
    secret_key: str


class Clients:
    """An async context manager that closes every client it made. `loader` gives the models of their services."""

    def __init__(
        self,
        settings: Aws,
        telemetry: Telemetry,
        limiters: Limiters,
        loader: Loader,
        credentials: Credentials | None = None,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._limiters = limiters
        self._loader = loader
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._clients: dict[tuple[Account, str, str], Any] = {}
        self._sessions: dict[Account, AioSession] = {}
        self._base = _session(telemetry, loader)
        if credentials:
            self._base.set_credentials(*credentials)

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def client(self, account: Account, region: str, service: str) -> Any:
        """Return the client of a service in one account and region."""
        key = (account, region, service)
        if key not in self._clients:
            async with self._lock:
                if key not in self._clients:
                    self._clients[key] = await self._create(account, region, service)
        return self._clients[key]

    async def _create(self, account: Account, region: str, service: str) -> Any:
        session = await self._session_of(account, region)
        # A client made without credentials never gets any, and it would be kept for good.
        await _credentials(session)
        client = await self._stack.enter_async_context(
            session.create_client(
                service, region_name=region, endpoint_url=self._settings.endpoint_url, config=self._config()
            )
        )
        self._limiters.of(account, region, service).watch(client)
        return client

    def _config(self) -> AioConfig:
        return AioConfig(
            # Named, because the environment can change botocore's default; `legacy` misses several throttling errors.
            retries={"mode": "standard", "total_max_attempts": self._settings.max_attempts},
            connect_timeout=self._settings.connect_timeout,
            read_timeout=self._settings.read_timeout,
            user_agent_extra=f"aws-job-exporter/{__version__}",
            # Some services put a word before their host's name; an address of the user's own stays as it is.
            inject_host_prefix=self._settings.endpoint_url is None,
            # Loads the service models in a thread: some of them take 100 ms.
            warm_up_loader_caches=True,
        )

    async def _session_of(self, account: Account, region: str) -> AioSession:
        if account.role_arn is None:
            return self._base
        if account not in self._sessions:
            self._sessions[account] = await self._assume(account.role_arn, account.external_id, region)
        return self._sessions[account]

    async def _assume(self, role_arn: str, external_id: str | None, region: str) -> AioSession:
        """Return a session that works in a role, with credentials that renew themselves."""
        extra = {"RoleSessionName": "aws-job-exporter"}
        if external_id:
            extra["ExternalId"] = external_id
        create_sts = functools.partial(
            self._base.create_client,
            region_name=region,
            endpoint_url=self._settings.endpoint_url,
            config=self._config(),
        )
        fetcher = AioAssumeRoleCredentialFetcher(
            client_creator=create_sts,
            source_credentials=await _credentials(self._base),
            role_arn=role_arn,
            extra_args=extra,
        )
        session = _session(self._telemetry, self._loader)
        # botocore has no public way to give a session credentials that renew themselves.
        session._credentials = AioDeferredRefreshableCredentials(  # noqa: SLF001
            refresh_using=fetcher.fetch_credentials, method="assume-role"
        )
        return session


def default_region() -> str:
    """Return the region of the environment, empty where there is none.

    botocore reads AWS_DEFAULT_REGION and the profile, AWS's other SDKs AWS_REGION: all count here.
    """
    return os.environ.get("AWS_REGION") or AioSession().get_config_variable("region") or ""


async def _credentials(session: AioSession) -> Any:
    """Return a session's credentials; raises NoCredentialsError where there are none yet. The next call looks again."""
    credentials = await session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


def _session(telemetry: Telemetry, loader: Loader) -> AioSession:
    """Return a session with a fast reader of times and the service models of a loader."""
    session = AioSession()
    session.register_component("data_loader", loader)
    session.register_component("response_parser_factory", StrictParserFactory())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    _Meter(telemetry).watch(session)
    session.register("before-sign", _readdress)
    return session


def _readdress(request: Any, **_: Any) -> None:
    """Take back the account that S3 Control, whatever the configuration says, puts before a host that is a number."""
    request.url = _NUMBERED_HOST.sub(r"\1", request.url)


def _timestamp(value: Any) -> datetime:
    """Return an aware datetime; botocore's own parser costs ten times as much as the rest of reading a job."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        parsed = botocore.utils.parse_timestamp(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


_NUMBERED_HOST = re.compile(r"^(https?://)\d{12}\.(?=[\d.]+[:/])")


class _Meter:
    """Counts and times each request of a session's clients, retries included."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def watch(self, session: AioSession) -> None:
        """Have botocore tell of each call, each attempt and each answer."""
        session.register("before-call", self._called)
        session.register("request-created", self._began)
        session.register("response-received", self._ended)

    def _called(self, model: OperationModel, context: dict[str, Any], **_: Any) -> None:
        context[_SERVICE] = model.service_model.service_name

    def _began(self, request: Any, **_: Any) -> None:
        request.context[_BEGAN] = time.monotonic()

    def _ended(self, event_name: str, context: dict[str, Any], exception: Any, parsed_response: Any, **_: Any) -> None:
        service, operation = context[_SERVICE], event_name.rpartition(".")[2]
        took = time.monotonic() - context[_BEGAN]
        self._telemetry.request_duration.labels(service, operation).observe(took)
        self._telemetry.requests.labels(service, operation, _code(exception, parsed_response)).inc()
        if status := POLLED.get():
            status.calls += 1


_SERVICE, _BEGAN = "aws_job_exporter_service", "aws_job_exporter_began"
"""Where a request's context keeps what the answer is measured by."""


def _code(exception: Exception | None, answer: Any) -> str:
    """Return AWS's error code, else the HTTP status, else the name of what went wrong on the way."""
    if exception is not None or not answer:
        return type(exception).__name__
    code = str(answer.get("Error", {}).get("Code"))
    # A label of a metric: whoever answers in AWS's place may write anything there.
    return code if _CODE.fullmatch(code) else str(answer["ResponseMetadata"]["HTTPStatusCode"])


_CODE = re.compile(r"(?!None$)[A-Za-z0-9.:_-]{1,100}")
