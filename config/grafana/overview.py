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
    coloured_by_state,
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
    "The jobs that ended so, on the exporter's page",
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

USUAL = f"""clamp_min(3 * {quantile(0.9, "aws_job_duration_seconds", 'state="succeeded"', by=SOURCE)}, 3600)"""
"""How long a job may run: three times as long as nine of ten, and an hour."""


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "All services at a glance: what runs, what failed, what needs attention."
    empty = framed(OVERVIEW, what, "now-6h")
    held = "aws_job_exporter_jobs"
    kinds = several("kind", "Kind", f"label_values({select(held, sources=SERVICE)}, kind)")
    for variable in (*places(held), services(held), kinds, scopes()):
        empty.with_variable(variable)
    return filled(empty.annotation(failures(is_shown=False)), ROWS)


STATS = [
    numbers(
        About(
            "Failed", "Jobs that failed in the chosen time while the exporter ran. The table below names them.", 4, 4
        ),
        total(finished('state="failed"')),
        steps={None: PLAIN, 0.5: BAD},
    ).data_links(
        [link("The failed jobs, on the exporter's page", f"${{exporter_url}}/jobs?state=failed&{ENDED_IN_TIME}")]
    ),
    numbers(
        About(
            "Failure ratio",
            "The share of the jobs ended in the chosen time that failed. Above 10 %, look at the reasons below: "
            "one reason is one cause.",
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
            "Jobs that run or are being stopped now. None, where there should be some: who starts them?",
            4,
            4,
        ),
        jobs("running|stopping"),
        steps={None: CALM},
    ),
    numbers(
        About(
            "Waiting",
            "Jobs that wait to begin. If they become more and more, see the longest queues below, then the quotas "
            "of the service.",
            4,
            4,
        ),
        jobs("pending"),
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Oldest active job",
            "Since when the oldest job that has not ended exists. After a day, see the oldest active jobs below.",
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
            "Lists that cannot be read: their jobs are missing on this page. Click to see why, in Exporter health.",
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
        "Where a job failed in the chosen time, has waited for more than an hour, or runs three times as long as "
        "nine of ten do. Click on a row for its kind or its jobs; the runbooks tell what to do.",
        15,
        9,
    ),
    {"aws_service": "Service", "kind": "Kind", "account_id": "Account", "region": "Region", "scope": "Scope"},
    [
        Column(f"{last_failed(*SOURCE)} > $__from", "Last failure", "dateTimeFromNow", {None: BAD}, 120),
        Column(f"{age('pending', *SOURCE)} > 3600", "Waits for", "s", {None: WARNING}, 95),
        Column(f"{age('running|stopping', *SOURCE)} > {USUAL}", "Runs for", "s", {None: WARNING}, 95),
    ],
    links=[TO_KIND, TO_SOURCE],
)

ALL_KINDS = rows(
    About(
        "All kinds",
        "Every kind of job: what is active now, what was counted within the exporter's lookback (a week by "
        "default), and when it last went well. Click on a row for the kind or its jobs.",
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
        coloured_by_state(
            areas(
                About(
                    "Active jobs",
                    "Jobs that wait, run or are being stopped. Waiting ones that grow while running ones stay "
                    "level have met a quota.",
                    9,
                    9,
                ),
                {"{{state}}": jobs("pending|running|stopping", "state")},
            )
        ).data_links([TO_STATE]),
    ],
    "What ended": [
        coloured_by_state(
            bars(
                About(
                    "Jobs ended",
                    "How jobs ended, each bar on its own. Where failed ones begin to show, compare with the "
                    "reasons beside them.",
                    12,
                ),
                {"{{state}}": total(finished(window="$__interval"), "state") + " > 0"},
            )
        ).data_links([TO_ENDED]),
        bars(
            About(
                "Failures by reason",
                "Why jobs failed. One reason in many kinds points to what they share: a role, a quota, a network.",
                12,
            ),
            {"{{reason}}": total(f"increase({select('aws_jobs_failed_total')}[$__interval])", "reason") + " > 0"},
            colour=BAD,
        ).data_links([TO_REASON]),
    ],
    "What is active": [
        ranking(
            About(
                "Oldest active jobs",
                "The ten kinds with the oldest job that has not ended. Click on one, and see whether the job still "
                "moves.",
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
                "The ten kinds with the most waiting jobs. A long queue is a quota that is used up, or a lack of "
                "capacity.",
                12,
            ),
            f"topk(10, {jobs('pending', *EACH_KIND)} > 0)",
            "{{aws_service}}/{{kind}}",
            steps={None: CALM},
        ).data_links([link("These jobs, on the exporter's page", f"${{exporter_url}}/jobs?{SERIES}&state=pending")]),
    ],
    "All kinds": [ALL_KINDS],
}
