"""The session: what all clients have in common, whichever account calls them."""

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

import botocore
import botocore.utils
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentialResolver
from aiobotocore.hooks import AioHierarchicalEmitter
from aiobotocore.session import AioSession
from botocore.loaders import Loader

from exporter import __version__
from exporter.aws.items import MILLISECONDS
from exporter.aws.pools import LONGEST, Pools
from exporter.aws.providers import Unattended
from exporter.aws.strict_parsers import StrictParserFactory, restate
from exporter.settings import Settings
from exporter.threads import MODELS

_FILES = {"shared-credentials-file": "credentials_file", "config-file": "config_file"}
"""Methods of botocore that find credentials in a file, with botocore's name of its path."""

LONGEST_WAIT = 20
"""Seconds for which SQS keeps a request for messages open until there are some, at most."""

_MOST_WAITING = 1000
"""Requests for messages that may be open at once, in addition to those of polls."""

_PROGRAM_SECONDS = 30.0
"""How long a program that prints credentials may take."""


class Credentials(NamedTuple):
    """Keys to use instead of botocore's default chain."""

    access_key: str
    secret_key: str


class Session(AioSession):  # type: ignore[misc] # aiobotocore has no types
    """Makes every client by the settings, including those that botocore itself uses to get credentials."""

    def __init__(self, settings: Settings, loader: Loader, pools: Pools) -> None:
        super().__init__(event_hooks=copy(_builtin_hooks()), include_builtin_handlers=False)
        self._loading = asyncio.Lock()
        self._endpoint_url = settings.aws.endpoint_url
        # Its requests are answered when there is something to tell, and hold a connection until then.
        patient = AioConfig(read_timeout=settings.aws.read_timeout + LONGEST_WAIT, max_pool_connections=_MOST_WAITING)
        self._configs = {"sqs": patient}
        # Ended before the poll is, so that the error says which program took too long.
        self._program_seconds = min(_PROGRAM_SECONDS, 0.9 * settings.poll.timeout)
        self._unattended: Unattended | None = None
        self.set_default_client_config(_config(settings, pools))
        self.register_component("data_loader", loader)
        self.register_component("response_parser_factory", StrictParserFactory())
        self.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
        self.register("needs-retry", restate)
        # botocore does not read AWS_REGION, and without a region would call the global STS in us-east-1.
        if region := os.environ.get("AWS_REGION"):
            self.set_config_variable("region", region)
        # Before signing, because the signature covers the host.
        self.register("before-sign", _readdress)

    @property
    def hint(self) -> str:
        """Why no credentials were found, if that can be told; else empty."""
        return self._unattended.hint if self._unattended else ""

    def place(self, method: str) -> str:
        """Return where credentials were found by one of botocore's methods: the file, if it is one."""
        variable = _FILES.get(method)
        return str(self.get_config_variable(variable)) if variable else method

    def _create_credential_resolver(self) -> AioCredentialResolver:
        resolver = super()._create_credential_resolver()
        self._unattended = Unattended(resolver, lambda: self.full_config.get("profiles", {}), self._program_seconds)
        return resolver

    @asynccontextmanager
    async def create_client(self, service_name: str, credentials: Any = None, **options: Any) -> AsyncIterator[Any]:
        """Yield a client, whose own credentials may be others than the session's."""
        # In a thread, because some models take 100 ms to read; one at a time, so that none is read twice.
        async with self._loading:
            await MODELS.run(self.warm_up_loader_caches, service_name)
        session = self
        if credentials is not None:
            session = copy(self)
            session._credentials = credentials  # noqa: SLF001 - there is no public way to set those that renew themselves
        options = {"endpoint_url": self._endpoint_url, "config": self._configs.get(service_name), **options}
        async with AioSession.create_client(session, service_name, **options) as client:
            yield client


def default_region() -> str:
    """Return the region of the environment; empty if there is none.

    botocore reads AWS_DEFAULT_REGION and the profile, AWS's other SDKs read AWS_REGION; all three count here.
    """
    return (
        os.environ.get("AWS_REGION") or AioSession(include_builtin_handlers=False).get_config_variable("region") or ""
    )


@cache
def _builtin_hooks() -> AioHierarchicalEmitter:
    """Return hooks with botocore's own handlers: copying takes a tenth of the time of registering them."""
    hooks = AioHierarchicalEmitter()
    AioSession(event_hooks=hooks)
    return hooks


def _config(settings: Settings, pools: Pools) -> AioConfig:
    return AioConfig(
        # Explicit, because the environment can change botocore's default; `legacy` misses several throttling errors.
        retries={"mode": "standard", "total_max_attempts": settings.aws.max_attempts},
        connect_timeout=settings.aws.connect_timeout,
        read_timeout=settings.aws.read_timeout,
        connector_args={"keepalive_timeout": LONGEST},
        http_session_cls=pools.sender,
        # A poll that has a slot never waits for a connection.
        max_pool_connections=settings.poll.concurrency,
        # Whole, because botocore would put its own together from 25 parts for each request: a tenth of the CPU.
        user_agent=f"aws-job-exporter/{__version__} Botocore/{botocore.__version__}",
        # Some services prefix their host name; the user's own endpoint must stay as it is.
        inject_host_prefix=settings.aws.endpoint_url is None,
        # Explicit, or a token in the environment (AWS_BEARER_TOKEN_BEDROCK) would speak for every account.
        auth_scheme_preference="sigv4",
        # A client serves all accounts, so it must not have an address of one of them.
        account_id_endpoint_mode="disabled",
        endpoint_discovery_enabled="auto",
    )


def _readdress(request: Any, **_: Any) -> None:
    """Remove the account that S3 Control puts before the host of a request, even before an IP address."""
    request.url = _NUMBERED_HOST.sub(r"\1", request.url)


_NUMBERED_HOST = re.compile(r"^(https?://)\d{12}\.(?=[\d.]+[:/])")


def _timestamp(value: Any) -> Any:
    """Return an aware datetime, or the value itself where it is none: one odd time must not cost a whole page.

    botocore's own parser takes ten times as long as the rest of reading a job.
    """
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC) if 0 <= value < MILLISECONDS else value
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return _unusual(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _unusual(text: str) -> Any:
    """Return what a text that is not ISO 8601 means: seconds or milliseconds, an HTTP date, or nothing but itself."""
    try:
        return _timestamp(float(text))
    except ValueError:
        pass
    try:
        return botocore.utils.parse_timestamp(text)
    except (ValueError, OverflowError, RuntimeError):
        return text
