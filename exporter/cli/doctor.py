"""The command that tries every source and reports what works, what is missing and what it costs."""

from __future__ import annotations

import json

from exporter import app, threads
from exporter.cli import prices
from exporter.cli.bill import Bill
from exporter.cli.diagnosis import Report
from exporter.cli.environment import region
from exporter.cli.examination import Examination, in_turns
from exporter.cli.invocation import Invocation
from exporter.cli.progress_line import progress_line
from exporter.exposition import Format
from exporter.settings import Shard, Storage


async def doctor(invocation: Invocation) -> int:
    """Poll everything, print the state of what is not well, and return 1 if a source could not be read."""
    # The report has everything that the log would repeat.
    settings = invocation.settings(log={"level": "error"})
    # Examine all sources, not only those of one shard, and leave the storage of a running exporter alone.
    # Nor does the limit of an hour hold for what somebody waits for.
    aws = settings.aws.model_copy(update={"calls_per_hour": None})
    settings = settings.model_copy(update={"shard": Shard(), "storage": Storage(), "aws": aws})
    catalog = settings.catalog(invocation.catalog)
    app.calm_collector()
    threads.begin()
    async with app.assembled(settings, catalog, region(settings)) as parts:
        examination = Examination(settings, catalog, parts.poller)
        async with progress_line(examination.progress):
            await examination.examine([*parts.probes(), *parts.roots])
        await parts.group_report.publish()
        exposed = parts.exposition.render(Format.TEXT)
    series = sum(not line.startswith(b"#") for line in exposed.splitlines())
    findings = in_turns(examination.findings)
    _print(Report(findings, series, len(exposed)), invocation)
    return 0 if all(finding.status.is_up for finding in findings) else 1


def _print(report: Report, invocation: Invocation) -> None:
    options = invocation.options
    known = prices.given(options)
    bill = Bill(report.rate, known) if known else None
    if options.output == "json":
        print(json.dumps(report.plain() | ({"cost": bill.plain()} if bill else {}), indent=2))
        return
    print(report.text(every_row=options.all))
    if bill:
        print("", bill.text(), sep="\n")
