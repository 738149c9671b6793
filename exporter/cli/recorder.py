"""The command that records the listing of one kind, anonymized, with what the exporter makes of it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from exporter import app, threads
from exporter.aws import Credentials, Taped
from exporter.catalog import Catalog, Kind
from exporter.catalog.models import Models, shape_at, wire_path
from exporter.cli.anonymizer import Anonymizer
from exporter.cli.environment import forget_aws, region
from exporter.cli.invocation import FailedError, Invocation
from exporter.cli.outcome import outcome
from exporter.cli.progress_line import progress_line
from exporter.clock import Clock
from exporter.poller import JobSource, Source
from exporter.settings import ConfigurationError, ServiceSettings, Settings, Shard, Storage
from exporter.simulator import Simulator, World
from exporter.simulator.recordings import Exchange, Recording, Replay
from exporter.simulator.shapes import at
from exporter.text.spelling import did_you_mean

_JSON = {"json", "rest-json"}
"""The protocols whose responses can be recorded."""

_EVERY_REASON = 1000
"""The default of `poll.details_budget` here: a recording has the reason of each failed job."""


async def record(invocation: Invocation) -> int:
    """Print the recording of one kind, or write it to a file."""
    options = invocation.options
    settings = invocation.settings(log={"level": "error"}, poll={"details_budget": _EVERY_REASON})
    catalog = settings.catalog(invocation.catalog)
    kind = _kind(catalog, options.kind)
    if options.file and options.file.exists() and not options.overwrite:
        raise ConfigurationError([f"--file: {options.file} exists; --overwrite replaces it"])
    app.calm_collector()
    threads.begin()
    now = float(int(Clock().time()))
    account_id, taped = await _listed(_narrowed(settings, kind), catalog, kind)
    exchanges = [*_anonymized(kind, account_id, taped, options.most)]
    recording = await _with_outcome(Recording(str(kind), now, exchanges, []), catalog, kind)
    _write(recording.text, options.file, overwrite=options.overwrite)
    return 0


def _kind(catalog: Catalog, name: str) -> Kind:
    """Return the kind of a name; raises ConfigurationError for one that cannot be recorded."""
    kinds = {str(kind): kind for kind in catalog.kinds()}
    if name not in kinds:
        raise ConfigurationError([f"record: the catalog has no kind {name!r}{did_you_mean(name, kinds)}"])
    kind = kinds[name]
    if Models().service(kind.service).resolved_protocol not in _JSON:
        raise ConfigurationError([f"record: {kind.service} responds in XML; only JSON can be recorded"])
    return kind


def _narrowed(settings: Settings, kind: Kind) -> Settings:
    """Return the settings for a single poll of one kind."""
    service = settings.services.get(kind.service) or ServiceSettings()
    services = {kind.service: service.model_copy(update={"kinds": (kind.key,)})}
    return settings.model_copy(
        update={"services": services, "kinds": {}, "shard": Shard(), "storage": Storage()},
    )


async def _listed(settings: Settings, catalog: Catalog, kind: Kind) -> tuple[str, list[Taped]]:
    """List the jobs of a kind and ask why they failed; raises FailedError if any of it fails.

    Returns the id of the account, and all requests.
    """
    # Without the filter by status, one listing has all: what a replay needs of others can be made from it.
    whole = kind.model_copy(update={"filters": kind.filters.model_copy(update={"status": None})})
    service = catalog[kind.service]
    service = service.model_copy(update={"kinds": {**service.kinds, kind.key: whole}})
    narrowed = catalog.with_services({kind.service: service})
    async with app.assembled(settings, narrowed, region(settings)) as parts:
        tape = parts.taped()
        async with progress_line(lambda: f"read {len(tape.taped):,} responses"):
            await parts.poller.once(parts.roots)
        account_id = _account(parts.poller.sources)
    return account_id, tape.taped


def _account(sources: Iterable[Source]) -> str:
    """Return the account that was read; raises FailedError unless it is one, in one region, and completely read."""
    places = set()
    for source in sources:
        status = source.status
        if not status.is_up:
            raise FailedError(f"record: {' '.join(filter(None, status.key))}: {status.error}")
        if isinstance(source, JobSource):
            places.add((status.key.account_id, status.key.region))
    if len(places) > 1:
        raise FailedError("record: the configuration reads several accounts or regions; a recording has one of each")
    if not places:
        raise FailedError("record: there is nothing to list; see `aws-job-exporter once --output table`")
    return places.pop()[0]


class _Read(NamedTuple):
    """An operation that the catalog calls for a kind."""

    service: str
    arguments: Mapping[str, Any]


def _operations(kind: Kind) -> Mapping[str, _Read]:
    """Return the operations by which a kind is read, each with the arguments that are the same in all requests."""
    found = {scope.operation: _Read(scope.service or kind.service, scope.arguments) for _, scope in kind.scopes}
    found[kind.operation] = _Read(kind.service, kind.arguments)
    if kind.describe:
        found[kind.describe.operation] = _Read(kind.service, {})
    if kind.details:
        found[kind.details.operation] = _Read(kind.service, kind.details.arguments)
    return found


def _anonymized(kind: Kind, account_id: str, taped: Iterable[Taped], most: int) -> Iterator[Exchange]:
    """Yield the exchanges of a kind without what tells whose they are, with at most so many jobs of each status."""
    models, anonymizer, read = Models(), Anonymizer(kind, account_id), _operations(kind)
    seen: Counter[str] = Counter()
    for service, name, arguments, body in taped:
        if name not in read or read[name].service != service:
            continue
        operation = models.operation(service, name)
        response = anonymizer.response(operation, json.loads(body))
        given = {key: value for key, value in arguments.items() if read[name].arguments.get(key) != value}
        told = anonymizer.arguments(operation, {key: value for key, value in given.items() if _is_text(value)})
        describing, path = kind.described
        if name == describing:
            items = at(response, wire_path(operation.output_shape, path)) or []
            status = wire_path(shape_at(operation.output_shape, f"{path}[0]"), kind.status)
            items[:] = [*_first(items, status, seen, most)]
        yield Exchange(name, response, told)


def _is_text(value: Any) -> bool:
    """Whether an argument tells a request from others: an id, a token, or a list of ids; no time, and no number."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _first(items: Iterable[Any], status: str, seen: Counter[str], most: int) -> Iterator[Any]:
    """Yield the first jobs of each status; `seen` counts them over all pages."""
    for item in items:
        word = str(at(item, status))
        seen[word] += 1
        if seen[word] <= most:
            yield item


async def _with_outcome(recording: Recording, catalog: Catalog, kind: Kind) -> Recording:
    """Return a recording with what the exporter makes of it, and without the exchanges that it does not need."""
    forget_aws()
    replay = Replay(recording, kind)
    async with Simulator(World(catalog)) as aws:
        aws.hooks.append(replay)
        settings = Settings.model_validate(
            {
                "aws": {
                    "endpoint_url": aws.endpoint_url,
                    "max_attempts": 1,
                    "requests_per_second": 1e6,
                    "quota_share": 1e6,
                },
                "accounts": [{"regions": [aws.world.region]}],
                "services": {kind.service: {"kinds": [kind.key]}},
                "poll": {"details_budget": _EVERY_REASON},
            }
        )
        keys, clock = Credentials("AKIAREPLAY", "replay"), _Standing(recording.recorded)
        async with app.assembled(settings, catalog, aws.world.region, credentials=keys, clock=clock) as parts:
            await parts.poller.once(parts.roots)
            _account(parts.poller.sources)
            jobs = await outcome(parts.poller.sources)
    if replay.missing:
        raise FailedError(
            "record: AWS did not tell of each job what its list leaves out; `aws-job-exporter doctor` shows whether a "
            "permission is missing, and --poll.details-budget sets how many are asked about"
        )
    return recording._replace(exchanges=[recording.exchanges[n] for n in sorted(replay.used)], jobs=jobs)


class _Standing(Clock):
    """A clock that shows one time."""

    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        """Return that time."""
        return self._now


def _write(text: str, file: Path | None, *, overwrite: bool) -> None:
    """Print a recording, or write it to a file that may exist only if it is to be replaced."""
    if file is None:
        print(text, end="")
        return
    try:
        with file.open("w" if overwrite else "x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise FailedError(f"--file: {file}: {error.strerror}") from None
    print(f"{file}: check that nothing in it tells whose it is, and that `jobs` is right", file=sys.stderr)
