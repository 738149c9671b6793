"""Exporter health: whether the numbers of the other dashboards are whole and fresh, and what they cost."""

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
    lines,
    link,
    numbers,
    painted,
    ranking,
    rows,
)
from config.grafana.queries import SERVICE, SOURCE, TARGET, down, exporters, latest, milliseconds, select, total
from config.grafana.variables import HEALTH, places, scopes, services, several

OWN = f'{TARGET}, aws_service=~"$aws_service"'
"""What selects the exporter's own series of the chosen services: they know no account."""

KINDS = f'{OWN}, kind=~"$kind"'

TO_SOURCE = link(
    "This source, on the exporter's page",
    "${exporter_url}/sources?account_id=${__data.fields.account_id}&region=${__data.fields.region}"
    "&aws_service=${__data.fields.aws_service}&kind=${__data.fields.kind}"
    "&scope=${__data.fields.scope:percentencode}",
)
TO_KIND = link(
    "These sources, on the exporter's page",
    "${exporter_url}/sources?aws_service=${__field.labels.aws_service}&kind=${__field.labels.kind}",
)

RESTARTS = Event(
    "Exporter started",
    milliseconds(latest(exporters(f"process_start_time_seconds{{{TARGET}}}"), "job", "instance")),
    "blue",
    "{{instance}}",
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "Whether the exporter sees everything, how it fares with AWS, and what it costs."
    empty = framed(HEALTH, what, "now-6h")
    up = "aws_job_exporter_source_up"
    kinds = several("kind", "Kind", f"label_values({select(up, sources=SERVICE)}, kind)")
    for variable in (*places(up), services(up), kinds, scopes()):
        empty.with_variable(variable)
    return filled(empty.annotation(RESTARTS), ROWS)


UP = latest(select("aws_job_exporter_source_up"), *SOURCE)
READ = latest(select("aws_job_exporter_source_last_success_timestamp_seconds"), *SOURCE)
REQUESTS = "aws_job_exporter_aws_requests_total"
LIMIT = select("aws_job_exporter_rate_limit", sources=OWN)


def rate(metric: str, *matchers: str, sources: str = OWN) -> str:
    """Return the rate of a counter, series by series."""
    return f"rate({select(metric, *matchers, sources=sources)}[$__rate_interval])"


def increase(metric: str, sources: str = KINDS) -> str:
    """Return what a counter counted in each piece of time, series by series."""
    return f"increase({select(metric, sources=sources)}[$__interval])"


def quantiles(metric: str, sources: str) -> dict[str, str]:
    """Return quantiles of a histogram by their names."""
    buckets = f"sum by (le) ({rate(f'{metric}_bucket', sources=sources)})"
    shares = {"median": 0.5, "90 %": 0.9, "99 %": 0.99}
    return {name: f"histogram_quantile({share}, {buckets})" for name, share in shares.items()}


WAITING = rate("aws_job_exporter_rate_limit_wait_seconds_total")

STATS = [
    numbers(
        About(
            "Sources down",
            "Lists that cannot be read now. The table below has the reasons; each is a thing to do.",
            4,
            4,
        ),
        f"count({down()})",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About(
            "Sources",
            "What is polled: accounts, discoveries of scopes, and lists of jobs. Fewer than you expect? See the "
            "configuration, then the accounts that are down.",
            4,
            4,
        ),
        f"count({UP})",
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Oldest numbers",
            "How long ago the source that was not read for longest was read. Far more than its interval: see the "
            "slowest sources and the limit of requests.",
            4,
            4,
        ),
        f"time() - min({READ})",
        "s",
        steps={None: PLAIN, 1800: WARNING},
        none="none",
    ),
    numbers(
        About(
            "Requests to AWS",
            "How many requests a second all exporters send together. Too many? Raise poll.interval, or name fewer "
            "services.",
            4,
            4,
        ),
        f"sum({rate(REQUESTS)})",
        "reqps",
        steps={None: PLAIN},
    ).decimals(2),
    numbers(
        About(
            "Lowest limit",
            "Requests a second that the most throttled service gets at most. Below aws.requests_per_second AWS "
            "throttles: see who else asks there.",
            4,
            4,
        ),
        f"min({LIMIT})",
        "reqps",
        steps={None: WARNING, 1: PLAIN},
        none="none",
    ).decimals(2),
    numbers(
        About(
            "Exporters up",
            "Exporters that Prometheus reaches. Fewer than you run: see the target's error on Prometheus's page of "
            "targets.",
            4,
            4,
        ),
        f"sum({exporters(f'up{{{TARGET}}}', lately=True)})",
        steps={None: BAD, 1: PLAIN},
    ),
]

DOWN = rows(
    About(
        "Sources that are down",
        "What cannot be read, and why. access_denied: run doctor, it names the permission; expired_credentials: "
        "see the role; throttled: see the limits below. Click on a row for AWS's words.",
        16,
        9,
    ),
    {
        "aws_service": "Service",
        "kind": "Kind",
        "account_id": "Account",
        "region": "Region",
        "scope": "Scope",
        "reason": "Reason",
    },
    [
        Column(
            latest(select("aws_job_exporter_source_failure_info"), *SOURCE, "reason")
            + f" * on ({', '.join(SOURCE)}) group_left () "
            + latest(select("aws_job_exporter_source_consecutive_failures"), *SOURCE)
            + f" and on ({', '.join(SOURCE)}) ({down()})",
            "Failed polls",
        ),
        Column(f"{milliseconds(READ)} and on ({', '.join(SOURCE)}) ({down()})", "Last read", "dateTimeFromNow"),
    ],
    links=[TO_SOURCE],
)

EXPORTERS = rows(
    About(
        "Exporters",
        "Which version runs where, since when, and whether its configuration is the file's. Not read: the log says "
        "what is wrong with the file.",
        12,
        6,
    ),
    {"instance": "Instance", "version": "Version", "pythonversion": "Python"},
    [
        Column(
            f"{milliseconds(latest(exporters(f'process_start_time_seconds{{{TARGET}}}'), 'instance'))} * on (instance) "
            "group_left (version, pythonversion) "
            + latest(f"aws_job_exporter_build_info{{{TARGET}}}", "instance", "version", "pythonversion"),
            "Started",
            "dateTimeFromNow",
        ),
        Column(
            milliseconds(
                latest(f"aws_job_exporter_config_last_reload_success_timestamp_seconds{{{TARGET}}}", "instance")
            ),
            "Configuration read",
            "dateTimeFromNow",
        ),
        Column(
            latest(f"aws_job_exporter_config_last_reload_successful{{{TARGET}}}", "instance"),
            "Last read well",
            "bool_yes_no",
            {None: BAD, 1: PLAIN},
        ),
    ],
)

LEFT_OUT = rows(
    About(
        "Left out because of limits",
        "What the other dashboards lack because a source is over a limit. Raise the limit, or leave out a dimension or "
        "a scope: see the bounds in docs/metrics.md.",
        12,
        6,
    ),
    {"aws_service": "Service", "kind": "Kind", "account_id": "Account", "region": "Region", "scope": "Scope"},
    [
        Column(total(select(f"aws_job_exporter_{what}_dropped"), *SOURCE), what.capitalize(), steps={None: WARNING})
        for what in ("series", "jobs", "sources")
    ],
    links=[TO_SOURCE],
)

ROWS: Rows = {
    "": [
        *STATS,
        DOWN,
        areas(
            About(
                "Sources up and down",
                "When sources went down or came back. All at once: credentials or the network.",
                8,
                9,
            ),
            {"up": f"count({UP} == 1)", "down": f"count({down()})"},
        )
        .override_by_name("up", painted("green"))
        .override_by_name("down", painted("red")),
    ],
    "Requests to AWS": [
        areas(
            About(
                "Requests by answer",
                "What AWS answered. Codes other than 200 are AWS's names of errors: look them up in the service's "
                "API reference.",
                12,
            ),
            {"{{code}}": f"sum by (code) ({rate(REQUESTS)})"},
            "reqps",
            colour=BAD,
        ).override_by_name("200", painted("green")),
        rows(
            About(
                "Requests by operation",
                "What is asked and how AWS answered, in the chosen time. What costs most comes first; poll it more "
                "rarely (services.SERVICE.interval).",
                12,
            ),
            {"aws_service": "Service", "operation": "Operation", "code": "Code"},
            [
                Column(
                    f"sum by (aws_service, operation, code) (increase({select(REQUESTS, sources=OWN)}[$__range])) > 0",
                    "Requests",
                )
            ],
        ),
        lines(
            About(
                "Time until AWS answers",
                "Of each request, waiting for the limit apart. Slow answers of all services: look at the network "
                "first.",
                12,
            ),
            quantiles("aws_job_exporter_aws_request_duration_seconds", OWN),
            "s",
        ),
        bars(
            About(
                "Failed polls by reason",
                "Polls that failed. A few time-outs and server errors heal by themselves; a refusal stays until "
                "somebody acts.",
                12,
            ),
            {"{{reason}}": f"sum by (reason) ({increase('aws_job_exporter_poll_errors_total')}) > 0"},
            colour=BAD,
        ),
    ],
    "Throttling": [
        lines(
            About(
                "Limit of requests",
                "Requests a second that a service is asked at most: the full rate, and each service that gets less "
                "because AWS throttles it. Each refusal halves the rate, each success gives some of it back. See "
                "who else uses the quota.",
                12,
            ),
            {
                "full rate": f"max({LIMIT})",
                "{{aws_service}}": f"min by (aws_service) ({LIMIT}) < on () group_left () max({LIMIT})",
            },
            "reqps",
        ),
        lines(
            About(
                "Requests that wait for the limit",
                "How many wait at a time. Much more than 1 for long: raise poll.interval, or "
                "aws.requests_per_second if the quota allows.",
                12,
            ),
            {"all": f"sum({WAITING})", "{{aws_service}}": f"sum by (aws_service) ({WAITING}) > 0.1"},
            "short",
        ),
    ],
    "Polls": [
        lines(
            About(
                "Time of a poll",
                "From the first request of a list to its last. If it comes near poll.timeout, polls begin to fail.",
                12,
            ),
            quantiles("aws_job_exporter_poll_duration_seconds", KINDS),
            "s",
        ),
        ranking(
            About(
                "Slowest sources",
                "The ten whose last poll took longest. Near poll.timeout (55 s by default): give the service a "
                "longer interval or a higher rate.",
                12,
            ),
            "topk(10, "
            + latest(select("aws_job_exporter_source_last_poll_duration_seconds"), "aws_service", "kind", "region")
            + ")",
            "{{aws_service}}/{{kind}} {{region}}",
            "s",
            steps={None: CALM, 30: WARNING, 55: BAD},
        ).data_links([TO_KIND]),
        lines(
            About(
                "Reasons still to be asked for",
                "Failed jobs whose reason AWS was not asked for yet. If it stays above 0, raise poll.details_budget.",
                8,
            ),
            {"{{instance}}": f"sum by (instance) ({select('aws_job_exporter_details_pending')})"},
        ),
        bars(
            About(
                "Reasons that AWS did not tell",
                "Questions for a job's failure reason that failed. access_denied: the policy lacks the operation; "
                "iam-policy prints it.",
                8,
            ),
            {"{{reason}}": f"sum by (reason) ({increase('aws_job_exporter_detail_errors_total')}) > 0"},
            colour=BAD,
        ),
        bars(
            About(
                "Unknown statuses",
                "Jobs seen in a status that the catalog does not know, in every poll anew. Update the exporter, or "
                "define the kind yourself.",
                8,
            ),
            {
                "{{aws_service}}/{{kind}}": "sum by (aws_service, kind) "
                f"({increase('aws_job_exporter_unknown_statuses_total')}) > 0"
            },
            colour="purple",
        ),
    ],
    "Cost": [
        lines(
            About(
                "Memory",
                "Resident memory of each exporter. It grows with the jobs held; if only memory grows, report it.",
                6,
            ),
            {"{{instance}}": exporters(f"process_resident_memory_bytes{{{TARGET}}}")},
            "bytes",
        ),
        lines(
            About(
                "CPU", "Share of one core that each exporter uses. Near 1, polls and scrapes become late: split it.", 6
            ),
            {"{{instance}}": exporters(f"rate(process_cpu_seconds_total{{{TARGET}}}[$__rate_interval])")},
            "percentunit",
        ),
        lines(
            About(
                "Jobs held",
                "Jobs in the memory of each exporter: active ones, and those that ended within poll.lookback.",
                6,
            ),
            {"{{instance}}": f"sum by (instance) ({select('aws_job_exporter_jobs')})"},
            "short",
        ),
        lines(
            About(
                "Series",
                "Series about jobs that each exporter has, before its limits. Near limits.series: fewer dimensions, or "
                "no series of single jobs.",
                6,
            ),
            {"{{instance}}": f"sum by (instance) ({select('aws_job_exporter_series')})"},
            "short",
        ),
        EXPORTERS,
        LEFT_OUT,
    ],
}
