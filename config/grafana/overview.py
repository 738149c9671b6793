"""Jobs overview: all services at a glance, and what needs attention."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from config.grafana import recorded
from config.grafana.frame import FAILURES, Rows, filled, framed
from config.grafana.panels import (
    BAD,
    CALM,
    PLAIN,
    WARNING,
    About,
    Column,
    areas,
    bars,
    colored_by_state,
    link,
    numbers,
    ranking,
    rows,
)
from config.grafana.queries import ACROSS, SOURCE, down, earliest, latest, milliseconds, select
from config.grafana.variables import ENDED_IN_TIME, HEALTH, KIND, OVERVIEW, across, carried, exporter_url

EACH_KIND = ("aws_service", "kind")

ROW = "aws_service=${__data.fields.aws_service}&kind=${__data.fields.kind}"
SERIES = "aws_service=${__field.labels.aws_service}&kind=${__field.labels.kind}"

TO_KIND = link(
    "This kind",
    f"/d/{KIND}?{carried(OVERVIEW, KIND)}&${{__url_time_range}}"
    "&var-aws_service=${__data.fields.aws_service}&var-kind=${__data.fields.kind}",
)
TO_SOURCE = link(
    "These jobs, on the exporter's page",
    f"${{exporter_url}}/jobs?{ROW}&account_id=${{__data.fields.account_id}}&region=${{__data.fields.region}}"
    "&scope=${__data.fields.scope:percentencode}",
)
TO_JOBS = link("The jobs of this kind, on the exporter's page", f"${{exporter_url}}/jobs?{ROW}")
TO_STATE = link("The jobs in this state, on the exporter's page", "${exporter_url}/jobs?state=${__field.labels.state}")
TO_ENDED = link(
    "The jobs that ended in this state, on the exporter's page",
    f"${{exporter_url}}/jobs?state=${{__field.labels.state}}&{ENDED_IN_TIME}",
)
TO_REASON = link(
    "The jobs that failed for this reason, on the exporter's page",
    f"${{exporter_url}}/jobs?state=failed&reason=${{__field.labels.reason}}&{ENDED_IN_TIME}",
)
TO_HEALTH = link(
    "Exporter health",
    f"/d/{HEALTH}?{carried(OVERVIEW, HEALTH)}&${{__url_time_range}}",
)


def of_source(metric: str) -> str:
    """Return a selector of a metric of sources, exported or recorded, for all exporters, regions and scopes."""
    return select(metric, sources=ACROSS)


def since(metric: str) -> str:
    """Return for how long each source has had a job, given the recorded time of its oldest."""
    return f"time() - {earliest(of_source(metric), *SOURCE)}"


USUAL = f"clamp_min({latest(of_source('source:aws_job_duration_seconds:limit'), *SOURCE)}, 3600)"
"""How long a job may run: three times what nine out of ten take, or half as long again as the longest."""

LAST_FAILURE = milliseconds(
    latest(select("aws_job_last_finished_timestamp_seconds", 'state="failed"', sources=ACROSS), *SOURCE)
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "All services at a glance: what is running, what failed, what needs attention."
    variables = [*across(), exporter_url('job=~"$job"')]
    return filled(framed(OVERVIEW, what, "now-6h", variables).annotation(FAILURES), ROWS)


STATS = [
    numbers(
        About(
            "Failed",
            "Jobs that failed in the selected time, as recorded once a minute. The table below shows where.",
            4,
            4,
        ),
        recorded.finished(recorded.FAILED),
        steps={None: PLAIN, 0.5: BAD},
    ).data_links(
        [link("The failed jobs, on the exporter's page", f"${{exporter_url}}/jobs?state=failed&{ENDED_IN_TIME}")]
    ),
    numbers(
        About(
            "Failure ratio",
            "The share of failures among the jobs that ended in the selected time. Above 10%, look at the reasons "
            "below: a single reason suggests a single cause.",
            4,
            4,
        ),
        recorded.failure_ratio(),
        "percentunit",
        steps={None: PLAIN, 0.1: WARNING, 0.25: BAD},
        none="none ended",
    ),
    numbers(
        About(
            "Running",
            "Jobs that are running or being stopped now. If there should be some, check what starts them.",
            4,
            4,
        ),
        recorded.jobs("running|stopping"),
        steps={None: CALM},
    ),
    numbers(
        About(
            "Waiting",
            "Jobs that are waiting to start. If their number keeps growing, see the longest queues below, then the "
            "quotas of the service.",
            4,
            4,
        ),
        recorded.jobs("pending"),
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Oldest active job",
            "For how long the oldest job that has not ended has been running or waiting. Above a day, see the oldest "
            "active jobs below.",
            4,
            4,
        ),
        recorded.age("pending|running|stopping"),
        "s",
        steps={None: PLAIN, 86400: WARNING},
        none="none",
    ),
    numbers(
        About(
            "Sources down",
            "Sources that cannot be read: their jobs are missing from this page. Click to see why, in Exporter health.",
            4,
            4,
        ),
        f"count({down(sources=ACROSS)})",
        steps={None: PLAIN, 1: BAD},
    ).data_links([TO_HEALTH]),
]

ATTENTION = rows(
    About(
        "Needs attention",
        "Where a job failed in the selected time, has waited for more than an hour, or has been running for more than "
        "three times what nine out of ten take. Click a row for its kind or its jobs; the runbooks say what to do.",
        15,
        9,
    ),
    {"aws_service": "Service", "kind": "Kind", "account_id": "Account", "region": "Region", "scope": "Scope"},
    [
        Column(f"{LAST_FAILURE} > $__from", "Last failure", "dateTimeFromNow", {None: BAD}, 120),
        Column(
            f"{since('source:aws_job_oldest_pending_timestamp_seconds:min')} > 3600",
            "Waiting for",
            "s",
            {None: WARNING},
            95,
        ),
        Column(
            f"{since('source:aws_job_oldest_running_timestamp_seconds:min')} > {USUAL}",
            "Running for",
            "s",
            {None: WARNING},
            95,
        ),
    ],
    links=[TO_KIND, TO_SOURCE],
)

ALL_KINDS = rows(
    About(
        "All kinds",
        "Every kind of job: what is active now, what ended within the exporter's lookback (a week by "
        "default), and when a job last succeeded. Click a row for the kind or its jobs.",
        24,
        14,
    ),
    {"aws_service": "Service", "kind": "Kind"},
    [
        Column(recorded.jobs("failed", *EACH_KIND), "Failed", steps={None: PLAIN, 1: BAD}),
        Column(recorded.jobs("partial", *EACH_KIND), "Partial", steps={None: PLAIN, 1: WARNING}),
        Column(recorded.jobs("succeeded", *EACH_KIND), "Succeeded"),
        Column(recorded.jobs("running|stopping", *EACH_KIND), "Running"),
        Column(recorded.jobs("pending", *EACH_KIND), "Waiting"),
        Column(
            recorded.age("pending|running|stopping", *EACH_KIND), "Oldest active", "s", {None: PLAIN, 86400: WARNING}
        ),
        Column(recorded.when_finished("succeeded", *EACH_KIND), "Last success", "dateTimeFromNow"),
        Column(recorded.when_finished("failed", *EACH_KIND), "Last failure", "dateTimeFromNow"),
    ],
    links=[TO_KIND, TO_JOBS],
)

ROWS: Rows = {
    "": [
        *STATS,
        ATTENTION,
        colored_by_state(
            areas(
                About(
                    "Active jobs",
                    "Jobs that are waiting, running or being stopped. If more and more wait while the number of "
                    "running ones stays level, a quota is reached.",
                    9,
                    9,
                ),
                {"{{state}}": recorded.jobs("pending|running|stopping", "state")},
            )
        ).data_links([TO_STATE]),
    ],
    "What ended": [
        colored_by_state(
            bars(
                About(
                    "Jobs ended",
                    "How jobs ended in each interval. Where failures start to appear, compare with the reasons "
                    "next to this panel.",
                    12,
                ),
                {"{{state}}": recorded.finished(by=("state",), window="$__interval")},
            )
        ).data_links([TO_ENDED]),
        bars(
            About(
                "Failures by reason",
                "Why jobs failed. One reason across many kinds points to what they share: a role, a quota, a network.",
                12,
            ),
            {"{{reason}}": recorded.failures("reason", window="$__interval")},
            color=BAD,
        ).data_links([TO_REASON]),
    ],
    "What is active": [
        ranking(
            About(
                "Oldest active jobs",
                "The ten kinds whose jobs have been running or waiting for longest. Click one to see whether its job "
                "is making progress.",
                12,
            ),
            f"topk(10, {recorded.age('pending|running|stopping', *EACH_KIND)})",
            "{{aws_service}}/{{kind}}",
            "s",
            steps={None: CALM, 86400: WARNING},
        ).data_links([link("These jobs, on the exporter's page", f"${{exporter_url}}/jobs?{SERIES}")]),
        ranking(
            About(
                "Longest queues",
                "The ten kinds with the most waiting jobs. A long queue means that a quota is used up, or that "
                "capacity is lacking.",
                12,
            ),
            f"topk(10, {recorded.jobs('pending', *EACH_KIND)} > 0)",
            "{{aws_service}}/{{kind}}",
            steps={None: CALM},
        ).data_links([link("These jobs, on the exporter's page", f"${{exporter_url}}/jobs?{SERIES}&state=pending")]),
    ],
    "All kinds": [ALL_KINDS],
}
