"""The simulated AWS on a port of this machine."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from ssl import SSLContext
from types import MappingProxyType
from typing import Self

from aiohttp import web
from botocore.model import OperationModel

from exporter.simulator import resource_tags, sts
from exporter.simulator.aws_error import AwsError
from exporter.simulator.operations import Hook, Operation, RequestContext
from exporter.simulator.requests import Request
from exporter.simulator.responses import Response, json_error
from exporter.simulator.services import Services, SimulatedService
from exporter.simulator.world import World


class Simulator:
    """Serves a world over AWS's own protocols; an async context manager.

    `clock` returns the world's time in seconds; `page_size` makes pages smaller than AWS's, to force paging;
    `operations` has operations that the catalog does not name, by service; with `tls` it speaks HTTPS.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Callable[[], float] = time.time,
        port: int = 0,
        page_size: int | None = None,
        operations: Mapping[str, Mapping[str, Operation]] = MappingProxyType({}),
        tls: SSLContext | None = None,
    ) -> None:
        self.world = world
        self.requests: Counter[tuple[str, str]] = Counter()
        """How many requests each (service, operation) received."""
        self.hooks: list[Hook] = []
        """Each sees every request before it is answered; the first that returns a response decides."""
        given = {
            "sts": sts.operations(world),
            "resourcegroupstaggingapi": resource_tags.operations(world),
            **operations,
        }
        self._services = Services(world, given, page_size)
        self._paging = cache(world.models.paging)
        self._clock = clock
        self._port, self._tls = port, tls
        # A client that hangs up cancels its request: a hook may hold one forever.
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=_SHUTDOWN_TIMEOUT)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def endpoint_url(self) -> str:
        """What a client's `endpoint_url` has to be."""
        host, port, *_ = self._runner.addresses[0]
        return f"{'https' if self._tls else 'http'}://{host}:{port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.connections)

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        request_id = str(uuid.uuid4())
        signature = _SIGNATURE.search(received.headers.get("Authorization", ""))
        if signature is None:
            missing = AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
            return _sent(json_error(missing, 403, request_id))
        access_key, region, signing_name = signature.groups()
        path, _, query = received.raw_path.partition("?")
        request = Request(received.method, path, query, received.headers, await received.read())
        service, operation = None, None
        try:
            service, operation = self._services.find(signing_name, request)
            self.requests[service.name, operation.name] += 1
            context = RequestContext(
                service=service.name,
                operation=operation.name,
                account=self.world.account_of(access_key),
                region=region,
                access_key=access_key,
                arguments=service.reader.arguments(operation, request),
                now=self._clock(),
                paging=self._paging(service.name, operation.name),
                request=received,
                respond=partial(self._respond, service, operation, request_id),
            )
            for hook in self.hooks:
                if (response := await hook(context)) is not None:
                    return response
            return _sent(context.respond(context))
        except AwsError as error:
            failure = error
        except Exception:  # noqa: BLE001 - whatever fails, the client sees what AWS would say
            _LOG.exception("A request failed inside the simulator")
            failure = AwsError("InternalFailure", "The request processing has failed because of an internal error", 500)
        if service := service or next(self._services.signed(signing_name), None):
            return _sent(service.writer.error(operation, failure, request_id))
        # Nobody knows the protocol of an unknown service.
        return _sent(json_error(failure, failure.status_of(None), request_id))

    def _respond(
        self, service: SimulatedService, operation: OperationModel, request_id: str, context: RequestContext
    ) -> Response:
        self.world.advance(context.now)
        return service.writer.output(operation, service.operations[operation.name](context), request_id)


def _sent(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


_SIGNATURE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
"""The access key, the region and the service's signing name."""

_SHUTDOWN_TIMEOUT = 1.0
"""Seconds that requests under way may take when the simulator closes."""

_LOG = logging.getLogger(__name__)
