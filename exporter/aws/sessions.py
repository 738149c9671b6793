"""Sessions: whose credentials requests are signed with, found and renewed while the exporter runs."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import botocore.utils
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials, AioDeferredRefreshableCredentials
from aiobotocore.hooks import AioHierarchicalEmitter
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.loaders import Loader

from exporter import __version__
from exporter.aws.http_session import HttpSession
from exporter.aws.meter import Meter
from exporter.aws.poll import attach
from exporter.aws.poll_error import credentials_error, error_reason
from exporter.aws.strict_parsers import StrictParserFactory
from exporter.settings import Account, Settings
from exporter.telemetry import PollErrorReason, Telemetry

_KEEP_ALIVE = 180.0
"""Seconds for which an idle connection is kept. Longer than the usual interval, so that the next poll can reuse it, and
shorter than the time after which NAT gateways drop it without notice (350 s in AWS, 240 s in Azure)."""


class Credentials(NamedTuple):
    """Keys to use instead of botocore's default chain."""

    access_key: str
    secret_key: str


class Session(AioSession):  # type: ignore[misc] # aiobotocore has no types
    """Makes every client by the settings, including those that botocore itself uses to get credentials."""

    def __init__(self, settings: Settings, telemetry: Telemetry, loader: Loader, loading: asyncio.Lock) -> None:
        super().__init__(event_hooks=copy(_builtin_hooks()), include_builtin_handlers=False)
        self._loading = loading
        self._endpoint_url = settings.aws.endpoint_url
        self.set_default_client_config(_config(settings))
        # Shared by all sessions: each model is read and held once, no matter how many accounts there are.
        self.register_component("data_loader", loader)
        self.register_component("response_parser_factory", StrictParserFactory())
        self.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
        # botocore does not read AWS_REGION, and without a region would call the global STS in us-east-1.
        if region := os.environ.get("AWS_REGION"):
            self.set_config_variable("region", region)
        self.register("provide-client-params", attach)
        Meter(telemetry).watch(self)
        # Before signing, because the signature covers the host.
        self.register("before-sign", _readdress)
        self.register("response-received", self._reread)

    @asynccontextmanager
    async def create_client(self, service_name: str, **options: Any) -> AsyncIterator[Any]:
        """Yield a client."""
        # In a thread, because some models take 100 ms to read; one at a time, so that none is read twice.
        async with self._loading:
            await asyncio.to_thread(self.warm_up_loader_caches, service_name)
        async with super().create_client(service_name, **{"endpoint_url": self._endpoint_url, **options}) as client:
            yield client

    async def ready(self) -> None:
        """Return once there are valid credentials; raises PollError if there are none."""
        try:
            credentials = await self.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            await credentials.get_frozen_credentials()
        # botocore lets much of what happens in a provider through: a KeyError if a response has no keys, a ValueError
        # if their expiry is not a time, a RuntimeError if renewed keys have expired already.
        except (BotoCoreError, OSError, LookupError, RuntimeError, ValueError) as error:
            raise credentials_error(error) from error

    async def _reread(self, parsed_response: Any, **_: Any) -> None:
        """Read static keys again once AWS rejects them: botocore reads their file once, and it may have newer ones."""
        if not parsed_response or error_reason(parsed_response) is not PollErrorReason.EXPIRED_CREDENTIALS:
            return
        held = self._credentials
        # Not credentials that renew themselves, and not explicit keys, which are in no file.
        if type(held) is AioCredentials and held.method != "explicit":
            found = await self.get_component("credential_provider").load_credentials()
            if type(found) is AioCredentials:
                # In place, because every client of the session holds this object.
                held.access_key, held.secret_key, held.token = found.access_key, found.secret_key, found.token


class Sessions:
    """One session for the default credentials, and one for each role in each region."""

    def __init__(
        self, settings: Settings, telemetry: Telemetry, loader: Loader, credentials: Credentials | None
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._loader = loader
        self._loading = asyncio.Lock()
        self._base = self._session()
        if credentials:
            self._base.set_credentials(*credentials)
        self._roles: dict[tuple[Account, str], Session] = {}

    def of(self, account: Account, region: str) -> Session:
        """Return the session of an account.

        A role is assumed in the region that is read, so that an outage of STS in one region spares the others.
        """
        if account.role_arn is None:
            return self._base
        key = (account, region)
        if key not in self._roles:
            self._roles[key] = self._assuming(account, region)
        return self._roles[key]

    def _assuming(self, account: Account, region: str) -> Session:
        """Return a session with the credentials of a role, which renew themselves (STS AssumeRole)."""
        # CloudTrail shows the name of the session with each request.
        arguments = {"RoleArn": account.role_arn, "RoleSessionName": "aws-job-exporter"}
        if account.external_id:
            arguments["ExternalId"] = account.external_id.get_secret_value()

        async def assume() -> dict[str, str]:
            await self._base.ready()
            async with self._base.create_client("sts", region_name=region) as sts:
                credentials = (await sts.assume_role(**arguments))["Credentials"]
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }

        session = self._session()
        renewing = AioDeferredRefreshableCredentials(refresh_using=assume, method="assume-role")
        session._credentials = renewing  # noqa: SLF001 - there is no public way to set credentials that renew themselves
        return session

    def _session(self) -> Session:
        return Session(self._settings, self._telemetry, self._loader, self._loading)


def default_region() -> str:
    """Return the region of the environment; empty if there is none.

    botocore reads AWS_DEFAULT_REGION and the profile, AWS's other SDKs read AWS_REGION; all three count here. Raises
    ValueError if AWS's own configuration cannot be read or has no profile with the name in AWS_PROFILE.
    """
    try:
        # Even with AWS_REGION: a missing profile must be reported at the start, because it would not be found later.
        found = AioSession().get_config_variable("region")
    except BotoCoreError as error:
        raise ValueError(str(error)) from error
    return os.environ.get("AWS_REGION") or found or ""


@cache
def _builtin_hooks() -> AioHierarchicalEmitter:
    """Return hooks with botocore's own handlers: copying takes a tenth of the time of registering them."""
    hooks = AioHierarchicalEmitter()
    AioSession(event_hooks=hooks)
    return hooks


def _config(settings: Settings) -> AioConfig:
    return AioConfig(
        # Explicit, because the environment can change botocore's default; `legacy` misses several throttling errors.
        retries={"mode": "standard", "total_max_attempts": settings.aws.max_attempts},
        connect_timeout=settings.aws.connect_timeout,
        read_timeout=settings.aws.read_timeout,
        connector_args={"keepalive_timeout": _KEEP_ALIVE},
        http_session_cls=HttpSession,
        # A poll that has a slot never waits for a connection.
        max_pool_connections=settings.poll.concurrency,
        user_agent_extra=f"aws-job-exporter/{__version__}",
        # Some services prefix their host name; the user's own endpoint must stay as it is.
        inject_host_prefix=settings.aws.endpoint_url is None,
    )


def _readdress(request: Any, **_: Any) -> None:
    """Remove the account that S3 Control puts before the host of a request, even before an IP address."""
    request.url = _NUMBERED_HOST.sub(r"\1", request.url)


_NUMBERED_HOST = re.compile(r"^(https?://)\d{12}\.(?=[\d.]+[:/])")


def _timestamp(value: Any) -> datetime:
    """Return an aware datetime; botocore's own parser takes ten times as long as the rest of reading a job."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        # Not ISO 8601: an HTTP date, or seconds as text.
        parsed = botocore.utils.parse_timestamp(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
