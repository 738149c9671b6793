"""One kind of job: what its jobs are doing, how long they take, why they fail."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from config.grafana.frame import Event, Rows, filled, framed
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
    lines,
    link,
    numbers,
    painted,
    ranking,
    rows,
)
from config.grafana.queries import (
    PLACE,
    SERVICE,
    SOURCE,
    TARGET,
    age,
    earliest,
    failure_ratio,
    finished,
    jobs,
    last_failed,
    last_finished,
    latest,
    quantile,
    select,
    total,
)
from config.grafana.variables import ENDED_IN_TIME, KIND, exporter_url, exporters, one, places, scopes

JOBS = "${exporter_url}/jobs?aws_service=${aws_service}&kind=${kind}"

TO_STATE = link("The jobs in this state, on the exporter's page", f"{JOBS}&state=${{__field.labels.state}}")
TO_STATE_OF_ROW = link("The jobs in this state, on the exporter's page", f"{JOBS}&state=${{__data.fields.state}}")
TO_ENDED = link(
    "The jobs that ended in this state, on the exporter's page",
    f"{JOBS}&state=${{__field.labels.state}}&{ENDED_IN_TIME}",
)
TO_REASON_OF_LOOKBACK = link(
    "The jobs that failed for this reason, on the exporter's page",
    f"{JOBS}&state=failed&reason=${{__field.labels.reason}}",
)
TO_REASON = link(
    "The jobs that failed for this reason, on the exporter's page",
    f"{JOBS}&state=failed&reason=${{__field.labels.reason}}&{ENDED_IN_TIME}",
)
TO_PLACE = link(
    "These jobs, on the exporter's page",
    f"{JOBS}&account_id=${{__data.fields.account_id}}&region=${{__data.fields.region}}"
    "&scope=${__data.fields.scope:percentencode}",
)

HERE = ("account_id", "region", "scope")


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "One kind of job: what its jobs are doing, how long they take, why they fail."
    held = "aws_jobs"
    chosen = [
        one("aws_service", "Service", f"label_values({select(held, sources=PLACE)}, aws_service)"),
        one("kind", "Kind", f"label_values({select(held, sources=SERVICE)}, kind)"),
    ]
    variables = [*exporters(), *places(held), *chosen, scopes(), exporter_url(TARGET)]
    return filled(framed(KIND, what, "now-24h", variables).annotation(FAILURES), ROWS)


FAILURES = Event(
    "Failed jobs",
    last_failed(*SOURCE, "reason"),
    "red",
    "{{aws_service}}/{{kind}} in {{account_id}} {{region}} {{scope}}: {{reason}}",
)


STATS = [
    numbers(
        About(
            "Failed",
            "Jobs that failed in the selected time while the exporter was running. The reasons are below.",
            4,
            4,
        ),
        total(finished('state="failed"')),
        steps={None: PLAIN, 0.5: BAD},
    ).data_links([link("The failed jobs, on the exporter's page", f"{JOBS}&state=failed&{ENDED_IN_TIME}")]),
    numbers(
        About(
            "Failure ratio",
            "The share of failures among the jobs that ended in the selected time. Above a quarter in one source, an "
            "alert fires.",
            4,
            4,
        ),
        failure_ratio(),
        "percentunit",
        steps={None: PLAIN, 0.1: WARNING, 0.25: BAD},
        none="none ended",
    ),
    numbers(
        About("Running", "Jobs that are running or being stopped now. Click to see them.", 4, 4),
        jobs("running|stopping"),
        steps={None: CALM},
    ).data_links([link("The running jobs, on the exporter's page", f"{JOBS}&state=running&state=stopping")]),
    numbers(
        About(
            "Waiting",
            "Jobs that are waiting to start. Click to see them; the table Active now below shows for how long.",
            4,
            4,
        ),
        jobs("pending"),
        steps={None: PLAIN},
    ).data_links([link("The waiting jobs, on the exporter's page", f"{JOBS}&state=pending")]),
    numbers(
        About(
            "Last success",
            "When a job last succeeded, however long ago. If that is longer ago than usual for this kind, check "
            "whether jobs still start.",
            4,
            4,
        ),
        last_finished(),
        "dateTimeFromNow",
        steps={None: PLAIN},
        none="none",
    ),
    numbers(
        About(
            "Next deadline",
            "How long until AWS ends the first of the active jobs, finished or not. Below an hour, split the job, or "
            "start it again with more time.",
            4,
            4,
        ),
        f"{earliest(select('aws_job_next_deadline_timestamp_seconds'))} - time()",
        "s",
        steps={None: BAD, 3600: PLAIN},
        none="none",
    ),
]


def run_time(share: float) -> str:
    """Return a quantile of the run times of jobs that succeeded."""
    return quantile(share, "aws_job_duration_seconds", 'state="succeeded"')


def queue_time(share: float) -> str:
    """Return a quantile of the times that jobs waited."""
    return quantile(share, "aws_job_queue_duration_seconds")


def used(name: str) -> str:
    """Return what was used in each interval, by a counter of the jobs that ended."""
    return f"increase({select(name)}[$__interval])"


EXPLAINED = select("aws_jobs", 'state="failed"', 'reason!=""')

NAMED = latest(select("aws_job_scope_info"), *HERE, "scope_name")

ROWS: Rows = {
    "": [
        *STATS,
        colored_by_state(
            areas(
                About(
                    "Active jobs",
                    "Jobs that are waiting, running or being stopped. If more and more wait while the number of "
                    "running ones stays level, a quota is reached.",
                    12,
                ),
                {"{{state}}": jobs("pending|running|stopping", "state")},
            )
        ).data_links([TO_STATE]),
        colored_by_state(
            bars(
                About("Jobs ended", "How jobs ended. Where failures start to appear, see the reasons below.", 12),
                {"{{state}}": total(finished(window="$__interval"), "state") + " > 0"},
            )
        ).data_links([TO_ENDED]),
    ],
    "Durations": [
        lines(
            About(
                "Run time",
                "Run times of the jobs that succeeded within the lookback: 50, 90 and 99% of them took less, in the "
                "place where they take longest. After a step up, check whether the input has grown or the capacity has "
                "shrunk.",
                12,
            ),
            {"median": run_time(0.5), "90%": run_time(0.9), "99%": run_time(0.99)},
            "s",
        ),
        lines(
            About(
                "Queue time",
                "From creation to start, for kinds whose list has the start, in the place where jobs wait longest. If "
                "it rises, ask for a higher quota or start fewer jobs at a time.",
                12,
            ),
            {"median": queue_time(0.5), "90%": queue_time(0.9), "99%": queue_time(0.99)},
            "s",
        ),
    ],
    "Failures": [
        bars(
            About(
                "Failures by reason",
                "Why jobs failed, over time. Click a reason to see the jobs and AWS's messages.",
                12,
            ),
            {"{{reason}}": total(f"increase({select('aws_jobs_failed_total')}[$__interval])", "reason") + " > 0"},
            color=BAD,
        ).data_links([TO_REASON]),
        ranking(
            About(
                "Reasons within the lookback",
                "Why jobs failed within the exporter's lookback, including before it started. Start with the longest "
                "bar.",
                6,
            ),
            f"sort_desc({total(EXPLAINED, 'reason')} > 0)",
            "{{reason}}",
            steps={None: BAD},
        ).data_links([TO_REASON_OF_LOOKBACK]),
        rows(
            About(
                "Last failures",
                "When a job last failed for each reason. The runbook of AwsJobFailed says what to do.",
                6,
            ),
            {"reason": "Reason"},
            [Column(last_failed("reason"), "When", "dateTimeFromNow", width=140)],
            links=[
                link(
                    "The jobs that failed for this reason, on the exporter's page",
                    f"{JOBS}&state=failed&reason=${{__data.fields.reason}}",
                )
            ],
        ),
    ],
    "Last runs": [
        rows(
            About(
                "Results",
                "For each final state: when a job last reached it, how many did within the lookback, and how long the "
                "last one took. One that took much longer than the median above is worth a look.",
                8,
            ),
            {"state": "State"},
            [
                Column(last_finished("state", state=".+"), "Last", "dateTimeFromNow"),
                Column(jobs("succeeded|partial|failed|stopped|expired|deleting", "state") + " > 0", "Jobs"),
                Column(latest(select("aws_job_last_duration_seconds"), "state"), "Took", "s"),
            ],
            links=[TO_STATE_OF_ROW],
        ),
        rows(
            About(
                "Active now",
                "The AWS statuses that active jobs are in, and for how long the oldest job in each has been running or "
                "waiting. Far longer than the run time above, it is probably stuck.",
                8,
            ),
            {"status": "Status", "state": "State"},
            [
                Column(age(".+", "status", "state"), "Oldest", "s", {None: PLAIN, 86400: WARNING}),
                Column(jobs("pending|running|stopping", "status", "state") + " > 0", "Jobs"),
            ],
            links=[TO_STATE_OF_ROW],
        ),
        lines(
            About(
                "Records",
                "The records of the jobs within the lookback and what became of them, if AWS counts them. Failed "
                "records in jobs that succeeded are easily overlooked.",
                8,
            ),
            {"{{result}}": total(select("aws_job_records"), "result")},
            "short",
        )
        .override_by_name("failed", painted("red"))
        .override_by_name("succeeded", painted("green"))
        .override_by_name("remaining", painted("#8e8e8e")),
    ],
    "Usage": [
        bars(
            About(
                "Resources used",
                "Seconds of DPUs, vCPUs, gigabytes and instances that the jobs used that ended, where AWS tells. If "
                "more is used while as many jobs end, look at the input, the code or the workers that somebody chose.",
                12,
            ),
            {"{{resource}} {{type}}": f"{total(used('aws_job_resource_seconds_total'), 'resource', 'type')} > 0"},
        ),
        bars(
            About(
                "Processed",
                "Records, bytes, characters or tokens that the jobs processed that ended, where AWS tells. If less is "
                "processed while as many jobs end, something is missing from their input.",
                12,
            ),
            {"{{unit}}": f"{total(used('aws_job_processed_total'), 'unit')} > 0"},
        ),
    ],
    "Places": [
        rows(
            About(
                "Accounts, regions and scopes",
                "Where the jobs are. If one place fails while others do not, look at what differs there, starting with "
                "the role.",
                24,
            ),
            {"scope_name": "Name", "account_id": "Account", "region": "Region", "scope": "Scope"},
            [
                Column(jobs("failed", *HERE), "Failed", steps={None: PLAIN, 1: BAD}),
                Column(jobs("partial", *HERE), "Partial", steps={None: PLAIN, 1: WARNING}),
                Column(jobs("succeeded", *HERE), "Succeeded"),
                Column(jobs("running|stopping", *HERE), "Running"),
                Column(jobs("pending", *HERE), "Waiting"),
                Column(last_finished(*HERE), "Last success", "dateTimeFromNow"),
                Column(NAMED, "Named", is_hidden=True),
            ],
            links=[TO_PLACE],
        ),
    ],
}
