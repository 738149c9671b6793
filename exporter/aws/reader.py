"""Reading AWS: whole lists of jobs and of the containers that they live in, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any, NamedTuple

from botocore import xform_name

from exporter.aws.clients import Clients
from exporter.aws.items import Item, at, containers, cut, job_reader, nested, resolve, text
from exporter.aws.poll import POLL, Poll
from exporter.aws.poll_error import BadResponseError
from exporter.catalog import Kind, Scope
from exporter.catalog.models import Models, shape_at
from exporter.jobs import ALL, Job, Query
from exporter.settings import Account, Limits

_USUAL_PAGE = 100


class Place(NamedTuple):
    """Where to ask: with whose credentials, and in which region."""

    account: Account
    region: str


class Scoped(NamedTuple):
    """A container of jobs: the ids of it and of those around it, by the scopes' names, and `account_id`."""

    ids: Mapping[str, str]
    name: str = ""


@dataclass(frozen=True)
class Reader:
    """Reads everything that a poll needs. Whatever goes wrong is raised; nothing is ever returned in part."""

    clients: Clients
    models: Models
    limits: Limits = field(default_factory=Limits)

    async def account_id(self, poll: Poll, place: Place) -> str:
        """Return the id of the account that the credentials belong to (STS GetCallerIdentity)."""
        answer = await self._call(poll, place, "sts", "GetCallerIdentity", {})
        if not (account_id := text(answer.get("Account"))):
            raise BadResponseError("GetCallerIdentity named no account")
        if place.account.role_arn is None:
            self.clients.limiters.note_own(account_id)
        return account_id

    async def scopes(
        self, poll: Poll, place: Place, service: str, name: str, scope: Scope, outer: Scoped
    ) -> list[Scoped]:
        """Return every container of one sort, within `outer`."""
        found: dict[str, Scoped] = {}
        arguments = resolve(scope.arguments, outer.ids)
        async for items in self.pages(poll, place, scope.service or service, scope.operation, arguments, scope.items):
            for item in items:
                for identifier, label in containers(scope, item):
                    found[identifier] = Scoped({**outer.ids, name: identifier}, label)
        return list(found.values())

    async def jobs(
        self,
        poll: Poll,
        place: Place,
        kind: Kind,
        scope: Scoped,
        query: Query = ALL,
        dimensions: Sequence[str] = (),
    ) -> list[Job]:
        """Return the jobs of a kind in one innermost container that a query asks for, each once.

        Of a job that two pages list, the later one counts.
        """
        read = job_reader(kind, dimensions, self.limits.message_length)
        arguments = {**resolve(kind.arguments, scope.ids), **self._filter(kind, query)}
        jobs: dict[str, Job] = {}
        for values in product(*kind.sweep.values()):
            swept = {**arguments, **dict(zip(kind.sweep, values, strict=True))}
            async for items in self.pages(poll, place, kind.service, kind.operation, swept, kind.items):
                for item in items:
                    job = read(item, scope.ids)
                    jobs[job.id] = job
        return list(jobs.values())

    def page_size(self, kind: Kind) -> int:
        """Return how many jobs one request lists at most."""
        return self.models.paging(kind.service, kind.operation).page_size or _USUAL_PAGE

    def _filter(self, kind: Kind, query: Query) -> dict[str, Any]:
        """Return the arguments by which the operation itself narrows its list."""
        if query.created_after is not None and kind.filters.created_after:
            return nested(kind.filters.created_after, datetime.fromtimestamp(query.created_after, UTC))
        if query.status is not None and kind.filters.status:
            shape = shape_at(self.models.operation(kind.service, kind.operation).input_shape, kind.filters.status)
            return nested(kind.filters.status, [query.status] if shape.type_name == "list" else query.status)
        return {}

    async def explained(self, poll: Poll, place: Place, kind: Kind, job: Job) -> Job:
        """Return a failed job with the message and the code that AWS gives when asked for them."""
        details = kind.details
        if details is None or job.details is None:
            return job
        answer = await self._call(poll, place, kind.service, details.operation, job.details)
        code = text(at(answer, details.code)) if details.code else ""
        message = cut(text(at(answer, details.reason)), self.limits.message_length)
        return job._replace(message=message, code=code, details=None)

    async def pages(
        self, poll: Poll, place: Place, service: str, operation: str, arguments: Mapping[str, Any], items: str
    ) -> AsyncIterator[Sequence[Item]]:
        """Yield what each page lists. Only a missing token ends it: AWS cuts short and empty pages at will."""
        paging = self.models.paging(service, operation)
        if paging.page_size:
            # The catalog may say less than the shape allows: some operations document a smaller page.
            arguments = {paging.limit: paging.page_size, **arguments}
        seen: set[str] = set()
        while len(seen) < self.limits.pages:
            page = await self._call(poll, place, service, operation, arguments)
            yield _listed(page, items, operation)
            token = page.get(paging.output_token) if paging.output_token else None
            if token in (None, ""):
                return
            if not isinstance(token, str):
                raise BadResponseError(f"{operation} gave a page token that is no text")
            if token in seen:
                raise BadResponseError(f"{operation} gave the same page token twice")
            seen.add(token)
            arguments = {**arguments, paging.input_token: token}
        raise BadResponseError(f"{operation} listed {self.limits.pages} pages and more; see limits.pages")

    async def _call(
        self, poll: Poll, place: Place, service: str, operation: str, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the response to one call of an operation."""
        client = await self.clients.client(place.account, place.region, service)
        response: dict[str, Any] = await getattr(client, xform_name(operation))(**{**arguments, POLL: poll})
        return response


def _listed(page: Item, items: str, operation: str) -> Sequence[Item]:
    """Return what a page lists; raises BadResponseError where that is no list."""
    listed = at(page, items)
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise BadResponseError(f"{operation} gave {items} that is no list")
    return listed
