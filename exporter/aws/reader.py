"""Reading AWS: whole lists of jobs, and of the scopes that they are in, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any, NamedTuple

from exporter.aws.clients import Clients, Place
from exporter.aws.described import Described
from exporter.aws.items import (
    Explain,
    JobReader,
    at,
    completed,
    cut,
    job_reader,
    put,
    resolve,
    scope_of,
    text,
    unexplained,
)
from exporter.aws.last_page import last_page
from exporter.aws.paths import Item
from exporter.aws.poll import PollRun
from exporter.aws.poll_error import BadResponseError, poll_error
from exporter.aws.usage import usage
from exporter.catalog import Kind, Scope
from exporter.catalog.models import Models, shape_at
from exporter.jobs import ALL, Job, Query
from exporter.settings import Limits
from exporter.telemetry import PollErrorReason

_USUAL_PAGE = 100
"""Jobs assumed per page if the model sets no maximum; the planner only compares the costs of listings by it."""

_TRANSIENT = {
    PollErrorReason.THROTTLED,
    PollErrorReason.SERVER_ERROR,
    PollErrorReason.TIMEOUT,
    PollErrorReason.NETWORK,
    PollErrorReason.BAD_RESPONSE,
}
"""Errors that the same request may not meet again."""

_SLICE = 250
"""Items that are read at once: about a millisecond of work."""


GET_RESOURCES = ("resourcegroupstaggingapi", "GetResources")
"""The operation that tells the tags of resources of nearly all services."""

MOST_ARNS = 100
"""Resources that one request may ask about."""


class Scoped(NamedTuple):
    """One scope: its id and those of the scopes around it, by their names, and `account_id`."""

    ids: Mapping[str, str]
    name: str = ""
    tags: Mapping[str, str] | None = None
    """Its tags by their labels; None where nobody asked for any, or AWS has not told them yet."""


@dataclass(frozen=True)
class Reader:
    """Reads everything that a poll needs.

    Every error is raised: half a list would look as if other jobs had vanished.
    """

    clients: Clients
    models: Models
    limits: Limits = field(default_factory=Limits)
    with_usage: bool = False
    """Whether the details of each finished job are requested where only they tell what it used."""

    async def scopes(
        self, poll: PollRun, place: Place, service: str, name: str, scope: Scope, outer: Scoped
    ) -> list[Scoped]:
        """Return every scope of one sort within `outer`."""
        # By id, because a list that changes while it is read may show a scope on two pages.
        found: dict[str, Scoped] = {}
        arguments = resolve(scope.arguments, outer.ids)
        async for items in self.pages(poll, place, scope.service or service, scope.operation, arguments, scope.items):
            for item in items:
                if identified := scope_of(scope, item):
                    identifier, label = identified
                    found[identifier] = Scoped({**outer.ids, name: identifier}, label)
        return list(found.values())

    async def jobs(  # noqa: PLR0913, PLR0917 - what a list is, and what is known of it
        self,
        poll: PollRun,
        place: Place,
        kind: Kind,
        scope: Scoped,
        query: Query = ALL,
        dimensions: Sequence[str] = (),
        described: Described | None = None,
        explain: Explain = unexplained,
    ) -> AsyncIterator[list[Job]]:
        """Yield the jobs of a kind in one innermost scope that a query selects, at most 250 of a page at once.

        A list that changes while it is read may have a job on two pages; the later one counts. Where the list has bare
        ids, those that `described` has are not asked about. What AWS writes of why a job waits, `explain` classifies.
        """
        read = job_reader(
            kind,
            dimensions,
            self.limits.message_length,
            with_usage=self.with_usage,
            explain=explain,
        )
        is_last = last_page(kind, query)
        known = Described() if described is None else described
        arguments = self._filtered(resolve(kind.arguments, scope.ids), kind, query)
        # Without a sweep, the product consists of one empty tuple: one list.
        for values in product(*kind.sweep.values()):
            swept = {**arguments, **dict(zip(kind.sweep, values, strict=True))}
            async with aclosing(self.pages(poll, place, kind.service, kind.operation, swept, kind.items)) as pages:
                async for items in pages:
                    if kind.describe:
                        # As many as AWS describes at once are few enough.
                        jobs = await self._described(poll, place, kind, scope, items, read, known)
                        yield jobs
                        if jobs and is_last(jobs):
                            break
                        continue
                    are_last = []
                    # In slices, so that whoever stages one lets others have a turn before the next.
                    for start in range(0, len(items), _SLICE):
                        jobs = read(items[start : start + _SLICE], scope.ids)
                        are_last.append(is_last(jobs))
                        yield jobs
                    if are_last and all(are_last):
                        break

    async def _described(  # noqa: PLR0913, PLR0917 - what reads a page
        self,
        poll: PollRun,
        place: Place,
        kind: Kind,
        scope: Scoped,
        ids: Sequence[Any],
        read: JobReader,
        known: Described,
    ) -> list[Job]:
        """Return the jobs with these ids; those that AWS lists and does not describe were deleted meanwhile."""
        describe = kind.describe
        if describe is None or not ids:
            return []
        if not all(isinstance(each, str) for each in ids):
            raise BadResponseError(f"{kind.operation} listed an id that is not a string")
        jobs = [job for each in ids if (job := known.get(each))]
        unknown = [each for each in ids if each not in known]
        for start in range(0, len(unknown), describe.at_once):
            arguments = {describe.ids: unknown[start : start + describe.at_once]}
            response = await self.clients.call(poll, place, kind.service, describe.operation, arguments)
            new = read(_listed(response, describe.items, describe.operation), scope.ids)
            poll.progressed(0)
            known.add(new)
            jobs += new
        return jobs

    def page_size(self, kind: Kind) -> int:
        """Return the largest number of jobs that one request lists."""
        return self.models.paging(kind.service, kind.operation).page_size or _USUAL_PAGE

    def _filtered(self, arguments: Mapping[str, Any], kind: Kind, query: Query) -> Mapping[str, Any]:
        """Return arguments with those by which the operation itself filters its list."""
        filters = kind.filters
        if query.created_after is not None and filters.named:
            argument, name = filters.named
            arguments = put(arguments, argument, [{"name": name, "values": [str(int(query.created_after * 1000))]}])
        elif query.created_after is not None and filters.created_after:
            arguments = put(arguments, filters.created_after, datetime.fromtimestamp(query.created_after, UTC))
        if query.status is not None and filters.status:
            shape = shape_at(self.models.operation(kind.service, kind.operation).input_shape, filters.status)
            arguments = put(arguments, filters.status, [query.status] if shape.type_name == "list" else query.status)
        return arguments

    async def completed(self, poll: PollRun, place: Place, kind: Kind, job: Job) -> Job:
        """Return a finished job with what its list leaves out, from the kind's details operation."""
        details = kind.details
        if details is None or job.details is None:
            return job
        response = await self.clients.call(poll, place, kind.service, details.operation, job.details)
        # Otherwise, only failures would be asked about, and what they used alone would be counted.
        used = usage(details.used, has_starts=kind.has_starts) if self.with_usage else None
        return completed(job, details, response, self.limits.message_length, used)

    async def tags(self, poll: PollRun, place: Place, arns: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of at most `MOST_ARNS` resources by their ARNs, without those that AWS knows no tags of."""
        asked, longest = {"ResourceARNList": list(arns)}, self.limits.message_length
        # A page token is not expected here, but one that is overlooked would make resources look as if without tags.
        return {
            text(at(resource, "ResourceARN")): {
                text(at(tag, "Key")): cut(text(at(tag, "Value")), longest)
                for tag in _listed(resource, "Tags", GET_RESOURCES[1])
            }
            async for resources in self.pages(poll, place, *GET_RESOURCES, asked, "ResourceTagMappingList")
            for resource in resources
        }

    async def pages(
        self, poll: PollRun, place: Place, service: str, operation: str, arguments: Mapping[str, Any], items: str
    ) -> AsyncGenerator[Sequence[Item], None]:
        """Yield the items of each page; raises BadResponseError for a list that does not end.

        Only a missing token ends a list: AWS returns short and empty pages at will.
        """
        paging = self.models.paging(service, operation)
        if paging.page_size:
            # The catalog's arguments win: the documentation of some operations allows less than their shape.
            arguments = {paging.limit: paging.page_size, **arguments}
        seen: set[str] = set()
        while len(seen) < self.limits.pages:
            page = await self._page(poll, place, service, operation, arguments, is_first=not seen)
            listed = _listed(page, items, operation)
            poll.progressed(len(listed))
            yield listed
            token = page.get(paging.output_token) if paging.output_token else None
            # botocore's own paginators take an empty token for the end, too.
            if token in (None, ""):
                return
            if not isinstance(token, str):
                raise BadResponseError(f"{operation} returned a page token that is not a string")
            # botocore compares only with the last token, but a cycle may be longer.
            if token in seen:
                raise BadResponseError(f"{operation} returned the same page token twice")
            seen.add(token)
            arguments = {**arguments, paging.input_token: token}
        raise BadResponseError(f"{operation} listed more than {self.limits.pages} pages; see limits.pages")

    async def _page(
        self, poll: PollRun, place: Place, service: str, operation: str, arguments: Mapping[str, Any], *, is_first: bool
    ) -> Item:
        """Return one page; a later one is requested once more before all pages up to it are given up."""
        try:
            return await self.clients.call(poll, place, service, operation, arguments)
        except Exception as error:
            if is_first or poll_error(error).reason not in _TRANSIENT:
                raise
        return await self.clients.call(poll, place, service, operation, arguments)


def _listed(page: Item, items: str, operation: str) -> Sequence[Item]:
    """Return the items of a page; raises BadResponseError if they are not a list."""
    listed = at(page, items)
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise BadResponseError(f"{operation} returned {items} that is not a list")
    return listed
