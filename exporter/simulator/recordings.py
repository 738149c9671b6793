"""What AWS responded to the listing of one kind, kept as a file, and what the exporter has to make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from aiohttp import web

from exporter.catalog import Kind
from exporter.catalog.models import Models, shape_at, wire_path
from exporter.simulator.aws_error import AwsError
from exporter.simulator.operations import RequestContext
from exporter.simulator.shapes import at


class Exchange(NamedTuple):
    """A response of AWS, and the arguments of the request that tell it from others of the same operation."""

    operation: str
    response: Mapping[str, Any]
    """The members as JSON had them."""
    arguments: Mapping[str, Any] = {}

    @property
    def plain(self) -> Mapping[str, Any]:
        """The exchange as a file has it."""
        told = {"arguments": dict(self.arguments)} if self.arguments else {}
        return {"operation": self.operation, **told, "response": self.response}


class Recording(NamedTuple):
    """The responses to one listing of a kind."""

    kind: str
    """Service and kind, as in `bedrock/evaluation_job`."""
    recorded: float
    """When, in seconds since 1970-01-01 UTC."""
    exchanges: Sequence[Exchange]
    jobs: Sequence[Mapping[str, Any]]
    """What the exporter makes of it: a mapping for each job."""

    @property
    def text(self) -> str:
        """The recording as YAML."""
        exchanges = [exchange.plain for exchange in self.exchanges]
        recorded = datetime.fromtimestamp(self.recorded, UTC).isoformat().replace("+00:00", "Z")
        content = {"kind": self.kind, "recorded": recorded, "exchanges": exchanges, "jobs": [*map(dict, self.jobs)]}
        return yaml.dump(content, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def recordings(file: Path) -> Iterator[Recording]:
    """Yield the recordings of a file: a YAML document for each."""
    for content in yaml.load_all(file.read_text(), _Texts):
        exchanges = [Exchange(**exchange) for exchange in content["exchanges"]]
        recorded = datetime.fromisoformat(content["recorded"]).timestamp()
        yield Recording(content["kind"], recorded, exchanges, content["jobs"])


class Replay:
    """Has a simulator respond as AWS did (a hook).

    Other lists than the recorded one are made from it: where a request asks for one status, each page has the jobs in
    that status alone, so that pages may be short or empty, as those of SageMaker are.
    """

    def __init__(self, recording: Recording, kind: Kind) -> None:
        self.used: set[int] = set()
        """The places in the recording of the exchanges that were requested."""
        self.missing = 0
        """How many requests had no response in the recording."""
        self._exchanges = recording.exchanges
        self._kind = kind
        operation, items = kind.described
        model = Models().operation(kind.service, operation)
        self._items = wire_path(model.output_shape, items)
        self._status = wire_path(shape_at(model.output_shape, f"{items}[0]"), kind.status)

    async def __call__(self, context: RequestContext) -> web.StreamResponse | None:
        """Return the recorded response, nothing for STS; raises AwsError if there is none for the arguments."""
        if context.service == "sts":
            return None
        matching = [
            n
            for n, exchange in enumerate(self._exchanges)
            if exchange.operation == context.operation and exchange.arguments.items() <= context.arguments.items()
        ]
        if not matching:
            self.missing += 1
            raise AwsError("ResourceNotFoundException", "The recording has no response for these arguments.")
        # A page that follows another has the token as an argument, and the first page has none.
        found = max(matching, key=lambda n: len(self._exchanges[n].arguments))
        self.used.add(found)
        return web.json_response(self._filtered(context, self._exchanges[found].response))

    def _filtered(self, context: RequestContext, response: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a page with the jobs in the status that a request asks for."""
        # Bare ids tell no status.
        path = None if self._kind.describe else self._kind.filters.status
        wanted = at(context.arguments, path) if path and context.operation == self._kind.operation else None
        if not wanted:
            return response
        statuses = [wanted] if isinstance(wanted, str) else wanted
        copy: dict[str, Any] = json.loads(json.dumps(response))
        items = at(copy, self._items) or []
        items[:] = [item for item in items if (at(item, self._status) or self._kind.absent_status) in statuses]
        return copy


class _Texts(yaml.SafeLoader):
    """Leaves times as texts, as JSON has them."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Plain(yaml.SafeDumper):
    """Writes equal values again instead of references to the first."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as in the base class
        """Return that nothing is referred to."""
        return True
