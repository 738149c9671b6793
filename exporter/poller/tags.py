"""The AWS tags of jobs and of the scopes that they are in: read once, and labels from then on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence

from exporter.aws import Place, PollRun, Scoped
from exporter.catalog import Kind, Scope
from exporter.catalog.models import partition
from exporter.jobs import Job, Tags
from exporter.poller.context import Context
from exporter.settings import tag_label
from exporter.store import Ledger

UNREAD = "unknown"
"""The value of a tag that AWS has not told yet; of one that the resource lacks, it is empty."""

_ARN = "arn:"


class JobTags:
    """The tags of the jobs of one source: their own, else those of their scope when they were first seen."""

    def __init__(self, context: Context, place: Place, kind: Kind, keys: Sequence[str]) -> None:
        self._context = context
        self._place = place
        self._arn = kind.arn
        self._keys = keys
        self._has_scope_tags = any(scope.arn for _, scope in kind.scopes[:1])
        self._new: dict[str, Tags] = {}
        """Those of jobs that were listed for the first time, until they are in the ledger."""

    def taken_in(self) -> None:
        """Note that the ledger has what was listed. What a list that breaks off again and again shows is kept here."""
        self._new.clear()

    async def put(self, poll: PollRun, ledger: Ledger, jobs: list[Job], around: Mapping[str, str] | None) -> list[Job]:
        """Return jobs with their tags, which are their last dimensions as well; asks AWS about new ones alone.

        `around` has the tags of their scope by their labels, None where they are not known.
        """
        if not self._keys:
            return jobs
        with poll.paused():
            known, unknown = await ledger.untagged(jobs, self._context.clock.time())
        if new := unknown - self._new.keys():
            self._new |= await self._read(poll, new, around if self._has_scope_tags else {})
        # Looking them up took a millisecond or two, and so will what follows.
        await asyncio.sleep(0)
        known = self._new | known
        unread = (UNREAD,) * len(self._keys)
        return [
            job._replace(tags=tags, dimensions=(*job.dimensions, *(unread if tags is None else tags)))
            for job in jobs
            for tags in (known.get(job.id),)
        ]

    async def _read(self, poll: PollRun, ids: Iterable[str], around: Mapping[str, str] | None) -> Mapping[str, Tags]:
        """Return the tags of jobs, without those of which AWS has not told all."""
        if around is None:
            return {}
        inherited = tuple(around.get(tag_label(key), "") for key in self._keys)
        if self._arn is None:
            return dict.fromkeys(ids, inherited)
        arns = {each: arn(self._arn, self._place, each) for each in ids}
        asked = [each for each in arns.values() if each.startswith(_ARN)]
        own = await self._context.tagging.read(poll, self._place, asked, self._keys)
        none = ("",) * len(self._keys)
        return {
            each: tuple(value or of_scope for value, of_scope in zip(tags, inherited, strict=True))
            for each, name in arns.items()
            # What is no ARN, AWS would refuse together with everything that is asked about in the same request.
            if (tags := own.get(name, None if name.startswith(_ARN) else none)) is not None
        }


class ScopeTags:
    """The tags of scopes of one sort: asked for when a scope is found, and of all again at each resync."""

    def __init__(self, context: Context, place: Place, keys: Sequence[str]) -> None:
        self._context = context
        self._place = place
        self._keys = keys
        self._due = -math.inf

    async def put(
        self, poll: PollRun, name: str, scope: Scope, found: Sequence[Scoped], before: Iterable[Scoped]
    ) -> list[Scoped]:
        """Return scopes with their tags, which are those from `before` where AWS does not tell them now."""
        if not self._keys or scope.arn is None:
            return list(found)
        now, known = self._context.clock.monotonic(), {scoped.ids[name]: scoped.tags for scoped in before}
        arns = {scoped.ids[name]: arn(scope.arn, self._place, scoped.ids[name]) for scoped in found}
        is_due = now >= self._due
        asked = [each for each in arns if (is_due or known.get(each) is None) and arns[each].startswith(_ARN)]
        told = await self._context.tagging.read(poll, self._place, [arns[each] for each in asked], self._keys)
        if is_due and len(told) == len(asked):
            self._due = now + self._context.settings.poll.resync
        labels = [tag_label(key) for key in self._keys]
        known |= {each: dict(zip(labels, told[arns[each]], strict=True)) for each in asked if arns[each] in told}
        known |= {each: dict.fromkeys(labels, "") for each in arns if not arns[each].startswith(_ARN)}
        return [scoped._replace(tags=known.get(scoped.ids[name])) for scoped in found]


def arn(template: str, place: Place, identifier: str) -> str:
    """Return the ARN that the catalog makes of an id."""
    region = place.region
    return template.format(partition=partition(region), region=region, account_id=place.account_id, id=identifier)
