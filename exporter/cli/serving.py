"""The commands that poll AWS: serve and once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from exporter import __version__, app, threads
from exporter.aws import Credentials
from exporter.catalog import Catalog
from exporter.cli.environment import region, sharded
from exporter.cli.forecast import forgetful
from exporter.cli.invocation import FailedError, Invocation, table
from exporter.cli.progress_line import progress_line
from exporter.cli.signals import Signals
from exporter.exposition import Format
from exporter.settings import Settings, Storage, Web, format_duration
from exporter.telemetry import SourceStatus
from exporter.telemetry.crash import tell_of_crashes
from exporter.telemetry.log_thread import written_by_thread

log = structlog.get_logger("exporter")


async def serve(invocation: Invocation) -> int:
    """Poll and serve until SIGTERM or SIGINT; reload the configuration on SIGHUP."""
    configuration = _configuration(invocation.settings(), invocation.catalog)
    for sentence in forgetful(configuration.settings, configuration.catalog):
        log.info(sentence)
    await serve_until_stopped(
        configuration,
        lambda: _configuration(invocation.read(), invocation.catalog),
    )
    return 0


def _configuration(settings: Settings, built_in: Catalog) -> app.Configuration:
    return app.Configuration(sharded(settings), settings.catalog(built_in), region(settings))


async def serve_until_stopped(
    configuration: app.Configuration,
    read: app.Read,
    credentials: Credentials | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> None:
    """Poll and serve; `announce` gets the URL of the first address. Raises FailedError if none can be had."""
    # Before anything else, so that a signal during the start ends the process with code 0, too.
    signals = Signals.caught()
    tell_of_crashes()
    log.info("Starting aws-job-exporter", version=__version__)
    app.calm_collector()
    threads.begin()
    try:
        with written_by_thread():
            async with (
                app.running(*configuration, credentials=credentials, read=read) as exporter,
                app.background(signals.each_hangup(exporter.reload), app.skip_sources(exporter.poller)),
            ):
                _log_listening(exporter, configuration.settings.web)
                announce(_url(*exporter.addresses[0], has_tls=exporter.has_tls))
                await signals.stop.wait()
                log.info("Stopping")
    except OSError as error:
        raise FailedError(f"cannot listen: {error.strerror or error}") from None


def _log_listening(exporter: app.Exporter, web: Web) -> None:
    """Log where and how the server listens, in the words of exporter-toolkit, which people search for."""
    if web.systemd_socket:
        log.info("Listening on systemd activated listeners instead of port listeners.")
    tls = "TLS is enabled." if exporter.has_tls else "TLS is disabled."
    for host, port in exporter.addresses:
        log.info("Listening on", address=_address(host, port))
        log.info(tls, http2=False, address=_address(host, port))
    if exporter.guard and (limit := exporter.guard.rate_limit).interval:
        log.info("Rate Limiter is enabled.", burst=limit.burst, interval=format_duration(limit.interval))


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(host: str, port: int, *, has_tls: bool) -> str:
    """Return the URL of an address for a browser on this machine."""
    scheme = "https" if has_tls else "http"
    return f"{scheme}://{_address('localhost' if host in _EVERYWHERE else host, port)}"


_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognized, not bound


async def once(invocation: Invocation) -> int:
    """Poll everything once, print the result, and return 1 if a source could not be read."""
    # What a single poll sees ends with it: in storage, it would be counted, and never scraped.
    settings = sharded(invocation.settings()).model_copy(update={"storage": Storage()})
    app.calm_collector()
    threads.begin()
    async with app.assembled(settings, settings.catalog(invocation.catalog), region(settings)) as parts:
        poller, progress = parts.poller, parts.poller.progress
        async with progress_line(lambda: f"read {poller.known - progress.unread:,} of {poller.known:,} sources"):
            await poller.once(parts.roots)
        await parts.group_report.publish()
        statuses = [source.status for source in parts.poller.sources]
        if invocation.options.output == "table":
            print(table(_SOURCE_COLUMNS, map(_source_row, sorted(statuses, key=lambda status: status.key))))
        else:
            print(parts.exposition.render(Format.TEXT).decode(), end="")
    return 0 if all(status.is_up for status in statuses) else 1


_SOURCE_COLUMNS = ("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE", "STATE", "JOBS", "REASON")


def _source_row(status: SourceStatus) -> Sequence[str]:
    state = "up" if status.is_up else f"down ({status.reason})"
    return (*status.key, state, "" if status.jobs is None else str(status.jobs), status.error)
