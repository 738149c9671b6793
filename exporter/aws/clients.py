"""Clients: one for each account, region and service, all closed together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any, Self

from botocore.loaders import Loader

from exporter.aws.rate import Limiters
from exporter.aws.sessions import Credentials, Session, Sessions
from exporter.settings import Account, Settings
from exporter.telemetry import Telemetry

_Key = tuple[Account, str, str]
"""Account, region and service."""


class Clients:
    """Makes clients, and closes them as an async context manager. `loader` provides the models of their services."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        limiters: Limiters,
        loader: Loader,
        credentials: Credentials | None = None,
    ) -> None:
        self.limiters = limiters
        self._sessions = Sessions(settings, telemetry, loader, credentials)
        self._stack = AsyncExitStack()
        self._clients: dict[_Key, Any] = {}
        # One for each client, so that waiting for the credentials of one account does not hold up the others.
        self._locks: defaultdict[_Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def client(self, account: Account, region: str, service: str) -> Any:
        """Return the client of a service, with valid credentials; raises PollError if there are none."""
        session = self._sessions.of(account, region)
        # Checked before the client is made, because one made without credentials would stay without them.
        await session.ready()
        key = (account, region, service)
        if key not in self._clients:
            async with self._locks[key]:
                if key not in self._clients:
                    self._clients[key] = await self._create(session, key)
        return self._clients[key]

    async def _create(self, session: Session, key: _Key) -> Any:
        _, region, service = key
        client = await self._stack.enter_async_context(session.create_client(service, region_name=region))
        self.limiters.of(*key).watch(client)
        return client
