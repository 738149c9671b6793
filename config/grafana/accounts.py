"""Accounts: which can be read, where jobs fail, run or wait; the page to start from in an organization."""

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
from config.grafana.queries import SOURCE, last_read, latest, select, tried_every
from config.grafana.variables import (
    ACCOUNTS,
    ENDED_IN_TIME,
    HEALTH,
    OVERVIEW,
    across,
    carried,
    exporter_url,
)

ACCOUNT = "account_id"

SELECTED = 'job=~"$job", account_id=~"$account_id"'
"""The selected accounts, whatever services are: what stands for an account belongs to none of them."""

TO_OVERVIEW = link(
    "The jobs of this account",
    f"/d/{OVERVIEW}?{carried(ACCOUNTS, OVERVIEW, ACCOUNT)}&${{__url_time_range}}"
    "&var-account_id=${__data.fields.account_id}",
)
TO_HEALTH = link(
    "Its sources, in Exporter health",
    f"/d/{HEALTH}?{carried(ACCOUNTS, HEALTH, ACCOUNT)}&${{__url_time_range}}"
    "&var-account_id=${__data.fields.account_id}",
)
TO_JOBS = link("Its jobs, on the exporter's page", "${exporter_url}/jobs?account_id=${__data.fields.account_id}")
TO_SOURCES = link(
    "Its sources, on the exporter's page", "${exporter_url}/sources?account_id=${__data.fields.account_id}"
)
TO_JOBS_OF_SERIES = link(
    "The jobs of this account, on the exporter's page",
    "${exporter_url}/jobs?account_id=${__field.labels.account_id}",
)
TO_STATE = link("The jobs in this state, on the exporter's page", "${exporter_url}/jobs?state=${__field.labels.state}")
TO_REASON = link(
    "The jobs that failed for this reason, on the exporter's page",
    f"${{exporter_url}}/jobs?state=failed&reason=${{__field.labels.reason}}&{ENDED_IN_TIME}",
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "All accounts at a glance: which can be read, where jobs fail, and where they run or wait."
    variables = [*across(), exporter_url('job=~"$job"')]
    return filled(framed(ACCOUNTS, what, "now-6h", variables).annotation(FAILURES), ROWS)


UP = latest(select("aws_job_exporter_source_up", 'kind="account"', 'aws_service="sts"', sources=SELECTED), *SOURCE)
NAMED = latest(
    select("aws_job_scope_info", 'kind="account"', 'scope_kind="account"', sources=SELECTED), ACCOUNT, "scope_name"
)
DOWN = f"{recorded.sources(ACCOUNT)} - {recorded.sources_up(ACCOUNT)}"

STATS = [
    numbers(
        About(
            "Accounts",
            "Accounts that are read, each in one region or several. If there are fewer than you expect, see what the "
            "configuration includes and excludes.",
            4,
            4,
        ),
        f"count(count by (account_id) ({UP}))",
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Accounts down",
            "Accounts that cannot be reached in a region or in all: nothing is known of their jobs there. The reasons "
            "are at the bottom of this page.",
            4,
            4,
        ),
        f"count(min by (account_id) ({UP}) == 0)",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About(
            "Failing now",
            "Accounts in which a job failed within the last hour. To find them, sort the table below by the last "
            "failure.",
            4,
            4,
        ),
        f"count(time() - {recorded.last_finished('failed', ACCOUNT)} < 3600)",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About("Running", "Jobs that are running or being stopped now, in all of the selected accounts.", 4, 4),
        recorded.jobs("running|stopping"),
        steps={None: CALM},
    ),
    numbers(
        About(
            "Waiting",
            "Jobs that are waiting to start, in all of the selected accounts. If there are more and more, see the "
            "longest queues below.",
            4,
            4,
        ),
        recorded.jobs("pending"),
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Oldest waiting",
            "For how long the job that was created first has been waiting. Above six hours, its account has reached a "
            "quota, or AWS lacks capacity.",
            4,
            4,
        ),
        recorded.age("pending"),
        "s",
        steps={None: PLAIN, 21600: WARNING},
        none="none",
    ),
]

EACH_ACCOUNT = rows(
    About(
        "All accounts",
        "What each account's jobs are doing, and how many of its sources cannot be read. Names are those of an "
        "organization. Click a row for the account's jobs or sources.",
        24,
        14,
    ),
    {"scope_name": "Name", ACCOUNT: "Account"},
    [
        Column(recorded.finished(recorded.FAILED, by=(ACCOUNT,)), "Failed", steps={None: PLAIN, 1: BAD}),
        Column(recorded.jobs("failed", ACCOUNT), "Failed within the lookback"),
        Column(recorded.jobs("running|stopping", ACCOUNT), "Running"),
        Column(recorded.jobs("pending", ACCOUNT), "Waiting"),
        Column(recorded.age("pending", ACCOUNT), "Oldest waiting", "s", {None: PLAIN, 21600: WARNING}),
        Column(recorded.when_finished("failed", ACCOUNT), "Last failure", "dateTimeFromNow"),
        Column(recorded.when_finished("succeeded", ACCOUNT), "Last success", "dateTimeFromNow"),
        Column(recorded.sources(ACCOUNT), "Sources"),
        Column(DOWN, "Sources down", steps={None: PLAIN, 1: BAD}),
        Column(NAMED, "Named", is_hidden=True),
    ],
    links=[TO_OVERVIEW, TO_HEALTH, TO_JOBS, TO_SOURCES],
)

ROWS: Rows = {
    "": [
        *STATS,
        bars(
            About(
                "Failures by reason",
                "Why jobs failed. access_denied in one account points to its roles; the same reason in many accounts "
                "points to what they share.",
                12,
            ),
            {"{{reason}}": recorded.failures("reason", window="$__interval")},
            color=BAD,
        ).data_links([TO_REASON]),
        colored_by_state(
            areas(
                About(
                    "Active jobs",
                    "Jobs that are waiting, running or being stopped. If more and more wait while the number of "
                    "running ones stays level, quotas are reached.",
                    12,
                ),
                {"{{state}}": recorded.jobs("pending|running|stopping", "state")},
            )
        ).data_links([TO_STATE]),
        EACH_ACCOUNT,
    ],
    "Which accounts": [
        ranking(
            About(
                "Most failures",
                "The ten accounts with the most failed jobs in the selected time. Start with the longest bar.",
                8,
            ),
            f"topk(10, {recorded.failures(ACCOUNT)} > 0)",
            "{{account_id}}",
            steps={None: BAD},
        ).data_links([TO_JOBS_OF_SERIES]),
        ranking(
            About(
                "Longest queues",
                "The ten accounts with the most waiting jobs. Quotas belong to an account and a region: others are not "
                "affected.",
                8,
            ),
            f"topk(10, {recorded.jobs('pending', ACCOUNT)} > 0)",
            "{{account_id}}",
            steps={None: CALM},
        ).data_links([TO_JOBS_OF_SERIES]),
        ranking(
            About(
                "Oldest waiting jobs",
                "The ten accounts whose jobs have been waiting for longest. Ask for a higher quota, or stop what "
                "nobody needs.",
                8,
            ),
            f"topk(10, {recorded.age('pending', ACCOUNT)})",
            "{{account_id}}",
            "s",
            steps={None: CALM, 21600: WARNING},
        ).data_links([TO_JOBS_OF_SERIES]),
    ],
    "Accounts that are down": [
        rows(
            About(
                "What cannot be reached",
                "Accounts and organizations that cannot be read, and why. access_denied: the role, its trust policy or "
                "an SCP; expired_credentials: the exporter's own credentials. Click a row for AWS's messages.",
                24,
            ),
            {"aws_service": "Read from", ACCOUNT: "Account", "region": "Region", "reason": "Reason"},
            [
                Column(tried_every('kind="account"', sources=SELECTED), "Tried every", "s"),
                Column(last_read('kind="account"', sources=SELECTED), "Last read", "dateTimeFromNow"),
            ],
            links=[TO_SOURCES],
        ),
    ],
}
