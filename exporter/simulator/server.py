"""The made-up AWS on a port of this machine."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Self

from aiohttp import web
from botocore.model import OperationModel

from exporter.catalog import Catalog
from exporter.simulator.aws_error import AwsError
from exporter.simulator.calls import Call
from exporter.simulator.faults import Faults
from exporter.simulator.requests import Request
from exporter.simulator.responses import Response
from exporter.simulator.services import Services, SimulatedService
from exporter.simulator.world import World

Hook = Callable[[Call], Awaitable[web.StreamResponse | None]]
"""Looks at a call before it is answered: may wait, raise AwsError, or answer in its own way."""


class Simulator:
    """Serves a world over AWS's own protocols; an async context manager.

    `clock` gives the world's time in seconds; `page_size` keeps pages smaller than AWS would, to force paging.
    """

    def __init__(
        self,
        world: World,
        *,
        catalog: Catalog | None = None,
        clock: Callable[[], float] = time.time,
        host: str = "127.0.0.1",
        port: int = 0,
        page_size: int | None = None,
    ) -> None:
        self.world = world
        self.requests: Counter[tuple[str, str]] = Counter()
        """How often each (service, operation) was called."""
        self.faults = Faults()
        self.hooks: list[Hook] = [self.faults]
        self._services = Services(catalog or world.catalog, world, page_size)
        self._paging = cache(world.models.paging)
        self._clock = clock
        self._address = (host, port)
        # Who hangs up is answered no more: a fault may keep a call for ever.
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=_PATIENCE)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, *self._address).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def endpoint_url(self) -> str:
        """What a client's `endpoint_url` has to be."""
        host, port, *_ = self._runner.addresses[0]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.connections)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        read = Request(request.method, path, query, request.headers, await request.read())
        signature = _SIGNATURE.search(request.headers.get("Authorization", ""))
        if signature is None:
            missing = AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
            return _unaddressed(missing)
        key, region, signing_name = signature.groups()
        return await self._serve(request, read, key, region, signing_name)

    async def _serve(
        self, connected: web.BaseRequest, request: Request, key: str, region: str, signing_name: str
    ) -> web.StreamResponse:
        service, operation, request_id = None, None, str(uuid.uuid4())
        try:
            service, operation = self._services.find(signing_name, request)
            self.requests[service.name, operation.name] += 1
            call = Call(
                service=service.name,
                operation=operation.name,
                account=self.world.account_of(key),
                region=region,
                access_key=key,
                arguments=service.reader.arguments(operation, request),
                now=self._clock(),
                paging=self._paging(service.name, operation.name),
                request=connected,
                sound=partial(self._answer, service, operation, request_id),
            )
            return await self._hooked(call) or _sent(call.sound(call))
        except AwsError as error:
            failure = error
        except Exception:  # noqa: BLE001 - whatever goes wrong, a client sees what AWS would say
            _LOG.exception("a request could not be answered")
            failure = AwsError("InternalFailure", "The request processing has failed because of an internal error", 500)
        return self._failed(service or self._services.signed(signing_name), operation, failure, request_id)

    async def _hooked(self, call: Call) -> web.StreamResponse | None:
        for hook in self.hooks:
            if (response := await hook(call)) is not None:
                return response
        return None

    def _answer(self, service: SimulatedService, operation: OperationModel, request_id: str, call: Call) -> Response:
        self.world.advance(call.now)
        return service.writer.answer(operation, service.operations[operation.name](call), request_id)

    def _failed(
        self, service: SimulatedService | None, operation: OperationModel | None, error: AwsError, request_id: str
    ) -> web.StreamResponse:
        if service is None:
            return _unaddressed(error)
        return _sent(service.writer.error(operation, error, request_id))


def _sent(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


def _unaddressed(error: AwsError) -> web.Response:
    """Return an error to a request that is for no service that is known, so in no protocol that is known."""
    body = {"__type": error.code, "message": error.message}
    headers = {"x-amzn-errortype": error.code, "x-amzn-RequestId": str(uuid.uuid4())}
    return web.json_response(body, status=error.status or 400, headers=headers)


_SIGNATURE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
"""The access key, the region and the service's signing name."""

_PATIENCE = 1.0
"""Seconds that requests under way may take when the simulator closes."""

_LOG = logging.getLogger(__name__)
