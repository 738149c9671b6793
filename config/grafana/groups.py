"""Groups of jobs: which are late or fail, and whose they are; the page to start from for an owner."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from config.grafana.frame import Rows, filled, framed
from config.grafana.panels import (
    BAD,
    CALM,
    PLAIN,
    WARNING,
    About,
    Column,
    bars,
    lines,
    link,
    numbers,
    ranking,
    rows,
)
from config.grafana.queries import earliest, latest, milliseconds, select
from config.grafana.variables import GROUPS, exporter_url, several

JOB = 'job=~"$job"'
FAILED, NOT_READ = 'state="failed"', 'state="down"'
SELECTED = f'{JOB}, group=~"$group"'
"""The selected groups, whichever exporters read their jobs."""

TO_JOBS = link("Its jobs, on the exporter's page", "${exporter_url}/jobs?group=${__data.fields.group:percentencode}")
TO_FAILED = link(
    "Its failed jobs, on the exporter's page",
    "${exporter_url}/jobs?state=failed&group=${__data.fields.group:percentencode}",
)
TO_JOBS_OF_SERIES = link(
    "The jobs of this group, on the exporter's page",
    "${exporter_url}/jobs?group=${__field.labels.group:percentencode}",
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "All groups of jobs at a glance: which are late or fail, whose they are, and how long their jobs run."
    variables = [
        several("job", "Job", "label_values(aws_job_exporter_build_info, job)"),
        several("group", "Group", f"label_values(aws_job_group_info{{{JOB}}}, group)"),
        exporter_url(JOB),
    ]
    return filled(framed(GROUPS, what, "now-24h", variables), ROWS)


def _group(metric: str, *matchers: str) -> str:
    return select(metric, *matchers, sources=SELECTED)


def _failures(window: str, by: str = "group") -> str:
    """Return how many jobs failed in a window: of each group, or of each owner."""
    failed = f"sum_over_time({_group('group_state:aws_job_group_finished:increase1m', FAILED)}[{window}])"
    if by == "group":
        return f"sum by (group) ({failed})"
    return f"sum by ({by}) (sum by (job, group) ({failed}) * on (job, group) group_left ({by}) {OWNED})"


OWNED = _group("group:aws_job_group_info:owner")
DUE = latest(_group("aws_job_group_due_timestamp_seconds"), "group")
SUCCESS = latest(_group("group:aws_job_group_last_success_timestamp_seconds:max"), "group")
FAILURE = latest(_group("group:aws_job_group_last_failure_timestamp_seconds:max"), "group")
RUNNING = f"time() - {earliest(_group('group:aws_job_group_oldest_running_timestamp_seconds:min'), 'group')}"
WAITING = f"time() - {earliest(_group('group:aws_job_group_oldest_pending_timestamp_seconds:min'), 'group')}"
DOWN = f"max by (group) ({_group('aws_job_group_sources', NOT_READ)})"
MEDIAN = latest(_group("group:aws_job_group_duration_seconds:p50"), "group")

STATS = [
    numbers(
        About("Groups", "Groups that are declared, or found by the names of jobs. If there are fewer than you expect, "
              "see the configuration.", 6, 4),
        f"count(count by (group) ({_group('aws_job_group_info')}))",
        steps={None: PLAIN},
    ),
    numbers(
        About("Late", "Groups of which no success came by the moment at which one was due. Sort the table below by "
              "when it was.", 6, 4),
        f"count(time() - {DUE} > 0)",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About("Failed, and not repeated", "Groups whose last job failed after the last success: the next success takes "
              "a group out of this number.", 6, 4),
        f"count({FAILURE} > ({SUCCESS} or {FAILURE} * 0))",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About("Not read", "Groups that may have jobs in sources that cannot be read: what is shown of them is as of "
              "the last successful poll.", 6, 4),
        f"count({DOWN} > 0)",
        steps={None: PLAIN, 1: WARNING},
    ),
]  # fmt: skip

ROWS: Rows = {
    "": [
        *STATS,
        rows(
            About(
                "All groups",
                "Whose they are, when the next success is due, and what became of the last jobs. What is due in the "
                "past is late. Click a row for the jobs of the group.",
                24,
                12,
            ),
            {"group": "Group", "owner": "Owner"},
            [
                Column(_failures("$__range"), "Failed", steps={None: PLAIN, 1: BAD}),
                Column(milliseconds(DUE), "Next success due", "dateTimeFromNow"),
                Column(milliseconds(SUCCESS), "Last success", "dateTimeFromNow"),
                Column(milliseconds(FAILURE), "Last failure", "dateTimeFromNow"),
                Column(RUNNING, "Oldest running", "s"),
                Column(WAITING, "Oldest waiting", "s"),
                Column(DOWN, "Sources not read", steps={None: PLAIN, 1: WARNING}),
                Column(latest(OWNED, "group", "owner"), "Owned", is_hidden=True),
            ],
            links=[TO_JOBS, TO_FAILED],
        ),
    ],
    "Failures and run times": [
        bars(
            About(
                "Failures by group",
                "Jobs of each group that failed. A bar each day at the same time points to a schedule; bars of many "
                "groups at once, to what they share.",
                12,
            ),
            {"{{group}}": _failures("$__interval")},
            color=BAD,
        ).data_links([TO_JOBS_OF_SERIES]),
        lines(
            About(
                "Run times",
                "How long half of the successful jobs of each group took, within the lookback. A line that rises is "
                "the earliest sign of a job that will be late.",
                12,
            ),
            {"{{group}}": MEDIAN},
            "s",
        ).data_links([TO_JOBS_OF_SERIES]),
        ranking(
            About(
                "Most failures by owner",
                "The ten owners whose jobs failed most in the selected time, by the label `owner` of their groups.",
                12,
            ),
            f"topk(10, {_failures('$__range', 'owner')} > 0)",
            "{{owner}}",
            steps={None: BAD},
        ),
        ranking(
            About(
                "Oldest running jobs",
                "The ten groups whose jobs have been running for longest, from their start. Compare with the run times "
                "beside it.",
                12,
            ),
            f"topk(10, {RUNNING})",
            "{{group}}",
            "s",
            steps={None: CALM},
        ).data_links([TO_JOBS_OF_SERIES]),
    ],
}
