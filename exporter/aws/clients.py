"""Clients: one for each region and service, whichever account calls it, all closed together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack, nullcontext
from typing import Any, NamedTuple, Self

from aiobotocore.credentials import AioCredentials
from botocore import xform_name
from botocore.loaders import Loader

from exporter.aws import caller
from exporter.aws.caller import CALLER, Caller
from exporter.aws.identities import Identities, Identity, Keys
from exporter.aws.items import text
from exporter.aws.meter import Meter
from exporter.aws.poll import PollRun
from exporter.aws.poll_error import BadResponseError, PollError
from exporter.aws.pools import Pools
from exporter.aws.rate import Limiters
from exporter.aws.session import LONGEST_WAIT, Credentials, Session
from exporter.aws.tape import Tape
from exporter.settings import Account, Settings
from exporter.telemetry import PollErrorReason, Telemetry

__all__ = ["LONGEST_WAIT", "Clients", "Place"]

_WITHOUT_RATE = {"sqs"}
"""Services that no watched job shares a quota with. A queue is read as fast as it fills."""

_NOBODY = AioCredentials("nobody", "nobody")
"""What a client itself signs with. Each call brings credentials of its own, and one that does not must fail."""


class Place(NamedTuple):
    """Where to read: with whose credentials, and in which region."""

    account: Account
    region: str
    account_id: str = ""
    """The account that the credentials have to belong to; empty if that is what is to be found out."""


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
        self._pools = Pools(settings.poll.concurrency)
        self._session = Session(settings, loader, self._pools)
        if credentials:
            self._session.set_credentials(*credentials)
        self._session.register("provide-client-params", caller.attach)
        Meter(telemetry).watch(self._session)
        self._session.register("before-sign", self._sign)
        self._session.register("response-received", caller.learn)
        self._session.register("response-received", caller.reread)
        self._session.register("response-received", caller.locate)
        self._identities = Identities(self._session, self._assume)
        self._stack = AsyncExitStack()
        # Closed last, when no client uses them any more.
        self._stack.push_async_exit(self._pools)
        self._clients: dict[tuple[str, str, Identity | None], Any] = {}
        # One for each client, so that a model that is being read does not hold up other services.
        self._locks: defaultdict[tuple[str, str, Identity | None], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def taped(self) -> Tape:
        """Return a tape of all requests from now on; to be asked for before the first one."""
        tape = Tape()
        tape.watch(self._session)
        return tape

    async def call(
        self, poll: PollRun, place: Place, service: str, operation: str, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the response to one call of an operation, made with the credentials of a place.

        Raises PollError if there are none, or if they belong to another account than the place's.
        """
        return await self._call(await self._caller(poll, place, service, operation), service, operation, arguments)

    async def account_id(self, poll: PollRun, place: Place) -> str:
        """Return the id of the account that the credentials belong to (STS GetCallerIdentity)."""
        by = await self._caller(poll, place._replace(account_id=""), "sts", "GetCallerIdentity")
        account_id = await self._asked(by)
        if place.account.role_arn is None:
            self.limiters.note_own(account_id)
        return account_id

    def forget(self, place: Place) -> None:
        """Drop the credentials and the rates of an account in a region that is no longer read."""
        self._identities.drop(place.account, place.region)
        self.limiters.drop(place.account, place.region)

    async def client(self, region: str, service: str, identity: Identity | None = None) -> Any:
        """Return the client of a service, for everyone or for one identity."""
        key = (region, service, identity)
        if key not in self._clients:
            async with self._locks[key]:
                if key not in self._clients:
                    self._clients[key] = await self._create(*key)
        return self._clients[key]

    async def _assume(self, region: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the credentials of a role, assumed with the default ones."""
        default = self._identities.default
        await default.ready()
        response = await self._call(Caller(identity=default, region=region), "sts", "AssumeRole", arguments)
        credentials: Mapping[str, Any] = response["Credentials"]
        return credentials

    async def _caller(self, poll: PollRun, place: Place, service: str, operation: str) -> Caller:
        identity = self._identities.of(place.account, place.region)
        # The request that assumes a role may wait for the allowance, and that is not AWS's time.
        with poll.paused() if self.limiters.allowance.is_limited else nullcontext():
            await identity.ready()
        rated = service not in _WITHOUT_RATE
        limiters = self.limiters.of(place.account, place.region, service, operation) if rated else ()
        return Caller(poll, identity, limiters, place.region, place.account_id)

    async def _call(self, by: Caller, service: str, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        client = await self.client(by.region, service)
        # botocore asks such a service for the address that an account has to use, and remembers one for each client.
        if client.meta.service_model.endpoint_discovery_required:
            client = await self.client(by.region, service, by.identity)
        response: dict[str, Any] = await getattr(client, xform_name(operation))(**{**arguments, CALLER: by})
        return response

    async def _allow(self, request: Any, **_: Any) -> None:
        """Wait until the process may send another request to AWS, whoever it is for (botocore's `request-created`)."""
        await self.limiters.allowance.wait(caller.caller_of(request.context).poll)

    async def _sign(self, request: Any, **_: Any) -> None:
        """Have a request signed with its caller's credentials (botocore's `before-sign`).

        Raises PollError if they have become another account's.
        """
        by = caller.caller_of(request.context)
        if by.identity is None:
            return
        keys = await by.identity.frozen()
        by.access_key = keys.access_key
        if by.account_id:
            # Nothing counts before it is known whose they are: they may have been replaced since the account was found.
            account_id = by.identity.account_of(keys.access_key)
            if not account_id:
                account_id = await self._asked(Caller(by.poll, Keys(keys), region=by.region))
                by.identity.note_account(keys.access_key, account_id)
            if account_id != by.account_id:
                words = f"the credentials belong to account {account_id} now"
                raise PollError(PollErrorReason.EXPIRED_CREDENTIALS, words)
        request.context["signing"] = {**request.context.get("signing", {}), "request_credentials": Keys(keys)}

    async def _asked(self, by: Caller) -> str:
        """Ask STS for the account that a caller's credentials belong to, and note it."""
        # AWS allows this to every identity, even one that is denied everything else.
        response = await self._call(by, "sts", "GetCallerIdentity", {})
        account_id = text(response.get("Account"))
        if not account_id:
            raise BadResponseError("GetCallerIdentity returned no account")
        if by.identity:
            by.identity.note_account(by.access_key, account_id)
        return account_id

    async def _create(self, region: str, service: str, identity: Identity | None) -> Any:
        credentials = _NOBODY if identity is None else await identity.credentials()
        client = await self._stack.enter_async_context(
            self._session.create_client(service, credentials, region_name=region)
        )
        # First of all hooks: a request is signed and timed after it has waited, or its signature would age.
        name = client.meta.service_model.service_id.hyphenize()
        for wait in (self._allow, caller.hold):
            client.meta.events.register_first(f"request-created.{name}", wait)
        return client
