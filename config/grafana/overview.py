"""Jobs overview: all services at a glance, and what needs attention."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from config.grafana.frame import Rows, failures, filled, framed
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
from config.grafana.queries import (
    SERVICE,
    SOURCE,
    age,
    down,
    earliest,
    failure_ratio,
    finished,
    jobs,
    last_failed,
    last_finished,
    quantile,
    select,
    total,
)
from config.grafana.variables import CARRIED, ENDED_IN_TIME, HEALTH, KIND, OVERVIEW, places, scopes, services, several

EACH_KIND = ("aws_service", "kind")

ROW = "aws_service=${__data.fields.aws_service}&kind=${__data.fields.kind}"
SERIES = "aws_service=${__field.labels.aws_service}&kind=${__field.labels.kind}"

TO_KIND = link(
    "This kind",
    f"/d/{KIND}?{CARRIED}&${{__url_time_range}}"
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
    f"/d/{HEALTH}?{CARRIED}&${{__url_time_range}}",
)

USUAL = f"""clamp_min(3 * ({quantile(0.9, "aws_job_duration_seconds", 'state="succeeded"', by=SOURCE)}), 3600)"""
"""How long a job may run: three times what nine out of ten take, and at least an hour."""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "All services at a glance: what is running, what failed, what needs attention."
    empty = framed(OVERVIEW, what, "now-6h")
    held = "aws_job_exporter_jobs"
    kinds = several("kind", "Kind", f"label_values({select(held, sources=SERVICE)}, kind)")
    for variable in (*places(held), services(held), kinds, scopes()):
        empty.with_variable(variable)
    return filled(empty.annotation(failures(is_shown=False)), ROWS)


STATS = [
    numbers(
        About(
            "Failed",
            "Jobs that failed in the selected time while the exporter was running. The table below shows where.",
            4,
            4,
        ),
        total(finished('state="failed"')),
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
        failure_ratio(),
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
        jobs("running|stopping"),
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
        jobs("pending"),
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
        f"time() - {earliest(select('aws_job_oldest_active_timestamp_seconds'))}",
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
        f"count({down()})",
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
        Column(f"{last_failed(*SOURCE)} > $__from", "Last failure", "dateTimeFromNow", {None: BAD}, 120),
        Column(f"{age('pending', *SOURCE)} > 3600", "Waiting for", "s", {None: WARNING}, 95),
        Column(f"{age('running|stopping', *SOURCE)} > {USUAL}", "Running for", "s", {None: WARNING}, 95),
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
        Column(jobs("failed", *EACH_KIND), "Failed", steps={None: PLAIN, 1: BAD}),
        Column(jobs("partial", *EACH_KIND), "Partial", steps={None: PLAIN, 1: WARNING}),
        Column(jobs("succeeded", *EACH_KIND), "Succeeded"),
        Column(jobs("running|stopping", *EACH_KIND), "Running"),
        Column(jobs("pending", *EACH_KIND), "Waiting"),
        Column(age("pending|running|stopping", *EACH_KIND), "Oldest active", "s", {None: PLAIN, 86400: WARNING}),
        Column(last_finished(*EACH_KIND), "Last success", "dateTimeFromNow"),
        Column(last_failed(*EACH_KIND), "Last failure", "dateTimeFromNow"),
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
                {"{{state}}": jobs("pending|running|stopping", "state")},
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
                {"{{state}}": total(finished(window="$__interval"), "state") + " > 0"},
            )
        ).data_links([TO_ENDED]),
        bars(
            About(
                "Failures by reason",
                "Why jobs failed. One reason across many kinds points to what they share: a role, a quota, a network.",
                12,
            ),
            {"{{reason}}": total(f"increase({select('aws_jobs_failed_total')}[$__interval])", "reason") + " > 0"},
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
            f"topk(10, {age('pending|running|stopping', *EACH_KIND)})",
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
            f"topk(10, {jobs('pending', *EACH_KIND)} > 0)",
            "{{aws_service}}/{{kind}}",
            steps={None: CALM},
        ).data_links([link("These jobs, on the exporter's page", f"${{exporter_url}}/jobs?{SERIES}&state=pending")]),
    ],
    "All kinds": [ALL_KINDS],
}
