"""One kind of job: what its jobs do, how long they take, why they fail."""

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
from config.grafana.variables import ENDED_IN_TIME, KIND, one, places, scopes

JOBS = "${exporter_url}/jobs?aws_service=${aws_service}&kind=${kind}"

TO_STATE = link("The jobs in this state, on the exporter's page", f"{JOBS}&state=${{__field.labels.state}}")
TO_STATE_OF_ROW = link("The jobs in this state, on the exporter's page", f"{JOBS}&state=${{__data.fields.state}}")
TO_ENDED = link(
    "The jobs that ended so, on the exporter's page", f"{JOBS}&state=${{__field.labels.state}}&{ENDED_IN_TIME}"
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
    what = "One kind of job: what its jobs do, how long they take, why they fail."
    empty = framed(KIND, what, "now-24h")
    held = "aws_job_exporter_jobs"
    chosen = [
        one("aws_service", "Service", f"label_values({select(held, sources=PLACE)}, aws_service)"),
        one("kind", "Kind", f"label_values({select(held, sources=SERVICE)}, kind)"),
    ]
    for variable in (*places(held), *chosen, scopes()):
        empty.with_variable(variable)
    return filled(empty.annotation(failures(is_shown=True)), ROWS)


STATS = [
    numbers(
        About(
            "Failed", "Jobs that failed in the chosen time while the exporter ran. Why: see the reasons below.", 4, 4
        ),
        total(finished('state="failed"')),
        steps={None: PLAIN, 0.5: BAD},
    ).data_links([link("The failed jobs, on the exporter's page", f"{JOBS}&state=failed&{ENDED_IN_TIME}")]),
    numbers(
        About(
            "Failure ratio",
            "The share of the jobs ended in the chosen time that failed. Above a quarter of one source an alert fires.",
            4,
            4,
        ),
        failure_ratio(),
        "percentunit",
        steps={None: PLAIN, 0.1: WARNING, 0.25: BAD},
        none="none ended",
    ),
    numbers(
        About("Running", "Jobs that run or are being stopped now. Click to see them.", 4, 4),
        jobs("running|stopping"),
        steps={None: CALM},
    ).data_links([link("The running jobs, on the exporter's page", f"{JOBS}&state=running&state=stopping")]),
    numbers(
        About(
            "Waiting", "Jobs that wait to begin. Click to see them; for how long they wait, see the states below.", 4, 4
        ),
        jobs("pending"),
        steps={None: PLAIN},
    ).data_links([link("The waiting jobs, on the exporter's page", f"{JOBS}&state=pending")]),
    numbers(
        About(
            "Last success",
            "When a job last succeeded, within the exporter's lookback. Longer ago than this kind's rhythm? See "
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
            "When AWS ends the first of the active jobs, finished or not. Within the hour: split the job, or start "
            "it anew with more time.",
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


def average(state: str) -> str:
    """Return the average run time of the jobs that ended in a state."""
    add_up, number = (
        total(select(f"aws_job_duration_seconds_{part}", f'state="{state}"')) for part in ("gsum", "gcount")
    )
    return f"{add_up} / ({number} > 0)"


NAMED = latest(select("aws_job_scope_info"), *HERE, "scope_name")

ROWS: Rows = {
    "": [
        *STATS,
        coloured_by_state(
            areas(
                About(
                    "Active jobs",
                    "Jobs that wait, run or are being stopped. Waiting ones that grow while running ones stay "
                    "level have met a quota.",
                    12,
                ),
                {"{{state}}": jobs("pending|running|stopping", "state")},
            )
        ).data_links([TO_STATE]),
        coloured_by_state(
            bars(
                About("Jobs ended", "How jobs ended. Where failed ones begin to show, see the reasons below.", 12),
                {"{{state}}": total(finished(window="$__interval"), "state") + " > 0"},
            )
        ).data_links([TO_ENDED]),
    ],
    "How long": [
        lines(
            About(
                "Run time",
                "Of the jobs within the lookback that succeeded: half of them, nine and 99 of a hundred were "
                "faster. A step upwards: has the input grown, or the capacity shrunk?",
                12,
            ),
            {"median": run_time(0.5), "90 %": run_time(0.9), "99 %": run_time(0.99), "average": average("succeeded")},
            "s",
        ).override_by_name("average", painted("#8e8e8e")),
        lines(
            About(
                "Queue time",
                "From creation to start, where AWS tells the start. If it rises, ask for a higher quota or start "
                "fewer jobs at a time.",
                12,
            ),
            {"median": queue_time(0.5), "90 %": queue_time(0.9), "99 %": queue_time(0.99)},
            "s",
        ),
    ],
    "Why": [
        bars(
            About(
                "Failures by reason",
                "Why jobs failed, over time. Click on a reason to see the jobs and AWS's words.",
                12,
            ),
            {"{{reason}}": total(f"increase({select('aws_jobs_failed_total')}[$__interval])", "reason") + " > 0"},
            colour=BAD,
        ).data_links([TO_REASON]),
        ranking(
            About(
                "Reasons within the lookback",
                "Why jobs failed within the exporter's lookback, also before it started. Work on the longest bar "
                "first.",
                6,
            ),
            f"sort_desc({total(select('aws_job_failures'), 'reason')} > 0)",
            "{{reason}}",
            steps={None: BAD},
        ).data_links([TO_REASON_OF_LOOKBACK]),
        rows(
            About(
                "Last failures",
                "When a job last failed for each reason. The runbook of AwsJobFailed tells what to do.",
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
                "Ends",
                "For each way to end: how many jobs did within the lookback, when the last one, and how long it "
                "took. One that took much longer than the median above is worth a look.",
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
                "AWS's own statuses that active jobs are in, and since when the oldest of them exists. One that is "
                "far older than the run time above is stuck.",
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
                "What the jobs within the lookback were given and what became of it, where AWS counts it. Failed "
                "records in jobs that succeeded are easily overlooked.",
                8,
            ),
            {"{{result}}": total(select("aws_job_records"), "result")},
            "short",
        )
        .override_by_name("failed", painted("red"))
        .override_by_name("succeeded", painted("green"))
        .override_by_name("processed", painted("blue"))
        .override_by_name("total", painted("#8e8e8e")),
    ],
    "Where": [
        rows(
            About(
                "Accounts, regions and scopes",
                "Where the jobs are. One place that fails while others do not: look at what differs there, the "
                "role first.",
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
