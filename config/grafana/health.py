"""Exporter health: whether the numbers on the other dashboards are complete and fresh, and what they cost."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from config.grafana import recorded
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
from config.grafana.queries import (
    SERVICE,
    SOURCE,
    TARGET,
    down,
    last_read,
    latest,
    milliseconds,
    of_exporters,
    select,
    total,
    tried_every,
)
from config.grafana.variables import HEALTH, exporter_url, exporters, places, scopes, services, several

OWN = f'{TARGET}, aws_service=~"$aws_service"'
"""Selects the exporter's own series of the chosen services: they have no account label."""

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

TO_SERVICE = link(
    "These sources, on the exporter's page", "${exporter_url}/sources?aws_service=${__field.labels.aws_service}"
)

RESTARTS = Event(
    "Exporter started",
    milliseconds(latest(of_exporters(f"process_start_time_seconds{{{TARGET}}}"), "job", "instance")),
    "blue",
    "{{instance}}",
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    what = "Whether the exporter sees everything, how AWS responds to it, and what it costs."
    up = "aws_job_exporter_source_up"
    kinds = several("kind", "Kind", f"label_values({select(up, sources=SERVICE)}, kind)")
    variables = [*exporters(), *places(up), services(up), kinds, scopes(), exporter_url(TARGET)]
    return filled(framed(HEALTH, what, "now-6h", variables).annotation(RESTARTS), ROWS)


UP = latest(select("aws_job_exporter_source_up"), *SOURCE)
READ = latest(select("aws_job_exporter_source_last_success_timestamp_seconds"), *SOURCE)
REQUESTS = "aws_job_exporter_aws_requests_total"
INTERVAL = latest(select("aws_job_exporter_source_interval_seconds"), *SOURCE)
FULL_RATE = select("instance_service:aws_job_exporter_rate_limit:max", sources=OWN)
LIMIT = select("instance_service:aws_job_exporter_rate_limit:min", sources=OWN)


def rate(metric: str, *matchers: str, sources: str = OWN) -> str:
    """Return the rate of a counter, series by series."""
    return f"rate({select(metric, *matchers, sources=sources)}[$__rate_interval])"


def increase(metric: str, sources: str = KINDS) -> str:
    """Return what a counter counted in each interval, series by series."""
    return f"increase({select(metric, sources=sources)}[$__interval])"


def of_instance(what: str) -> str:
    """Return what each exporter has, as recorded."""
    return f"sum by (instance) (instance:{what}:sum{{{TARGET}}})"


def average(histogram: str) -> str:
    """Return how long something took on average, by service."""
    took, times = (f"sum by (aws_service) ({rate(f'{histogram}_{part}')})" for part in ("sum", "count"))
    return f"{took} / {times}"


def slow(histogram: str, bound: str) -> str:
    """Return the share of what took longer than a bound, by service."""
    fast = rate(f"{histogram}_bucket", f'le="{bound}"')
    return f"1 - sum by (aws_service) ({fast}) / sum by (aws_service) ({rate(f'{histogram}_count')})"


WAITING = rate("aws_job_exporter_rate_limit_wait_seconds_total")

STATS = [
    numbers(
        About(
            "Sources down",
            "Sources that cannot be read now. The table below has the reasons; each one needs a fix.",
            4,
            4,
        ),
        f"count({down()})",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About(
            "Sources",
            "What is polled: accounts, discoveries of scopes, and lists of jobs. If there are fewer than you expect, "
            "check the configuration, then the accounts that are down.",
            4,
            4,
        ),
        f"count({UP})",
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Oldest numbers",
            "The longest time since any source was last read. If it is far more than that source's interval, see the "
            "slowest sources and the rate limit below.",
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
            "How many requests per second all exporters send together. To reduce them, raise poll.interval or name "
            "fewer services.",
            4,
            4,
        ),
        f"sum({rate(REQUESTS)})",
        "reqps",
        steps={None: PLAIN},
    ).decimals(2),
    numbers(
        About(
            "Lowest rate",
            "What the most throttled service gets of its highest rate of the last day. Below 100%, AWS is throttling: "
            "find out who else sends requests there.",
            4,
            4,
        ),
        f"min({LIMIT} / max_over_time({FULL_RATE}[1d]))",
        "percentunit",
        steps={None: WARNING, 1: PLAIN},
        none="none",
    ),
    numbers(
        About(
            "Exporters up",
            "Exporters that Prometheus can scrape. If there are fewer than you run, see the errors on Prometheus's "
            "targets page.",
            4,
            4,
        ),
        f"sum({of_exporters(f'up{{{TARGET}}}', lately=True)})",
        steps={None: BAD, 1: PLAIN},
    ),
    numbers(
        About(
            "Not polled yet",
            "Sources that were not polled since they were found, as after a start. If it does not fall to 0, see what "
            "is overdue.",
            4,
            4,
        ),
        f"sum(aws_job_exporter_sources_unread{{{TARGET}}})",
        steps={None: PLAIN, 1: WARNING},
    ),
    numbers(
        About(
            "Overdue",
            "Sources whose next poll is late, because other polls or the rate limit hold it up. If there always are "
            "some, see Throttling and CPU below.",
            4,
            4,
        ),
        f"sum(aws_job_exporter_sources_overdue{{{TARGET}}})",
        steps={None: PLAIN, 1: WARNING},
    ),
    numbers(
        About(
            "Polls due",
            "How many polls per second the intervals of all sources add up to. Each takes one request or more: to "
            "reduce them, raise poll.interval or name fewer services.",
            4,
            4,
        ),
        f"sum(1 / {INTERVAL})",
        "reqps",
        steps={None: PLAIN},
    ).decimals(2),
    numbers(
        About(
            "Read less often",
            "Sources with a longer interval than others: accounts, discoveries, and lists in which nothing has "
            "happened for a while, up to poll.idle_interval.",
            4,
            4,
        ),
        f"count({INTERVAL} > on () group_left () min({INTERVAL}))",
        steps={None: PLAIN},
    ),
    numbers(
        About(
            "Storage failed",
            "Exporters that can no longer write to storage.path: a restart loses what they know. Their logs say what "
            "happened.",
            4,
            4,
        ),
        f"sum(aws_job_exporter_storage_failed{{{TARGET}}})",
        steps={None: PLAIN, 1: BAD},
    ),
    numbers(
        About(
            "Log lines lost",
            "Lines that are missing in the logs of the selected time, because whatever reads them is too slow or gone.",
            4,
            4,
        ),
        f"sum(increase(aws_job_exporter_log_lines_dropped_total{{{TARGET}}}[$__range]))",
        steps={None: PLAIN, 1: WARNING},
    ),
]

DOWN = rows(
    About(
        "Sources that are down",
        "What cannot be read, and why. access_denied: run doctor, which names the permission; expired_credentials: "
        "check the role; throttled: see the rate limit below. Click a row for AWS's messages.",
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
        Column(tried_every(), "Tried every", "s"),
        Column(last_read(), "Last read", "dateTimeFromNow"),
    ],
    links=[TO_SOURCE],
)

EXPORTERS = rows(
    About(
        "Exporters",
        "Which version runs where, since when, and whether its configuration is the one in the file. If the last "
        "reload failed, the log says what is wrong with the file.",
        12,
        6,
    ),
    {"instance": "Instance", "version": "Version", "pythonversion": "Python"},
    [
        Column(
            milliseconds(latest(of_exporters(f"process_start_time_seconds{{{TARGET}}}"), "instance"))
            + " * on (instance) group_left (version, pythonversion) "
            + latest(f"aws_job_exporter_build_info{{{TARGET}}}", "instance", "version", "pythonversion"),
            "Started",
            "dateTimeFromNow",
        ),
        Column(
            milliseconds(
                latest(f"aws_job_exporter_config_last_reload_success_timestamp_seconds{{{TARGET}}}", "instance")
            ),
            "Configuration loaded",
            "dateTimeFromNow",
        ),
        Column(
            latest(f"aws_job_exporter_config_last_reload_successful{{{TARGET}}}", "instance"),
            "Last reload OK",
            "bool_yes_no",
            {None: BAD, 1: PLAIN},
        ),
    ],
)

LEFT_OUT = rows(
    About(
        "Left out because of limits",
        "What the other dashboards lack because a source exceeds a limit. Raise the limit, or leave out a dimension or "
        "a scope: see Bounds in docs/metrics.md.",
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
                "When sources went down or came back, whatever the region and the scope. If all did at once, check "
                "credentials and the network.",
                8,
                9,
            ),
            {"up": recorded.sources_up(), "down": f"{recorded.sources()} - {recorded.sources_up()}"},
        )
        .override_by_name("up", painted("green"))
        .override_by_name("down", painted("red")),
    ],
    "Requests to AWS": [
        areas(
            About(
                "Requests by response code",
                "How AWS responded. Codes other than 200 are AWS's error codes: look them up in the service's "
                "API reference.",
                12,
            ),
            {"{{code}}": f"sum by (code) ({rate(REQUESTS)})"},
            "reqps",
            color=BAD,
        ).override_by_name("200", painted("green")),
        rows(
            About(
                "Requests by service",
                "Which services the exporter sent requests in the selected time, and how AWS responded, the most "
                "frequent first; to reduce them, poll the service less often (services.SERVICE.interval).",
                12,
            ),
            {"aws_service": "Service", "code": "Code"},
            [
                Column(
                    f"sum by (aws_service, code) (increase({select(REQUESTS, sources=OWN)}[$__range])) > 0",
                    "Requests",
                )
            ],
        ),
        lines(
            About(
                "Response time of AWS",
                "How long requests took on average, not counting the wait for the rate limit. If all services are "
                "slow, check the network first.",
                12,
            ),
            {"{{aws_service}}": average("aws_job_exporter_aws_request_duration_seconds")},
            "s",
        ),
        bars(
            About(
                "Failed polls by reason",
                "Polls that failed. A few timeouts and server errors go away on their own; a refusal stays until "
                "someone acts.",
                12,
            ),
            {"{{reason}}": f"sum by (reason) ({increase('aws_job_exporter_poll_errors_total')}) > 0"},
            color=BAD,
        ),
    ],
    "Throttling": [
        lines(
            About(
                "Rate limit",
                "The most requests per second that a service gets: the highest of all, and each service that has less "
                "than within the last day, because AWS throttles it. Each refusal halves the rate, each success "
                "restores some of it. Find out who else uses the quota.",
                12,
            ),
            {
                "highest": f"max({FULL_RATE})",
                "{{aws_service}}": f"min by (aws_service) ({LIMIT} < max_over_time({FULL_RATE}[1d]))",
            },
            "reqps",
        ),
        lines(
            About(
                "Requests waiting for the rate limit",
                "How many wait at the same time. If it stays well above 1, raise the service's interval, or its "
                "requests_per_second if the quota allows.",
                12,
            ),
            {"all": f"sum({WAITING})", "{{aws_service}}": f"sum by (aws_service) ({WAITING}) > 0.1"},
            "short",
        ),
        lines(
            About(
                "Requests in an hour",
                "What all exporters send, what they would send without aws.calls_per_hour, and that limit. If they "
                "would send more, every source is polled less often: raise the limit, or read less.",
                24,
            ),
            {
                "sent": f"sum(increase({select(REQUESTS, sources=TARGET)}[1h]))",
                "without the limit": f"sum({select('aws_job_exporter_calls_per_hour', sources=TARGET)})",
                "limit": f"sum({select('aws_job_exporter_calls_per_hour_limit', sources=TARGET)}) > 0",
            },
            "short",
        ),
    ],
    "Polls": [
        lines(
            About(
                "Poll duration",
                "From the first request of a list to its last, on average. If it approaches poll.timeout, polls start "
                "to fail.",
                8,
            ),
            {"{{aws_service}}": average("aws_job_exporter_poll_duration_seconds")},
            "s",
        ),
        ranking(
            About(
                "Slow polls",
                "The ten services with the largest share of polls that took longer than ten seconds. Give those a "
                "longer interval or a higher rate; the page of sources says which of their lists it is.",
                8,
            ),
            f"topk(10, {slow('aws_job_exporter_poll_duration_seconds', '10.0')})",
            "{{aws_service}}",
            "percentunit",
            steps={None: CALM, 0.1: WARNING},
        ).data_links([TO_SERVICE]),
        ranking(
            About(
                "Most polls",
                "The ten kinds that are due for the most polls per second, over all their sources. A longer interval "
                "of their service spares AWS and the exporter most.",
                8,
            ),
            f"topk(10, sum by (aws_service, kind) (1 / {INTERVAL}))",
            "{{aws_service}}/{{kind}}",
            "reqps",
            steps={None: CALM},
        ).data_links([TO_KIND]),
        lines(
            About(
                "Reasons still to be requested",
                "Failed jobs whose reason has not been requested yet. If it stays above 0, raise poll.details_budget.",
                8,
            ),
            {"{{instance}}": of_instance("aws_job_exporter_details_pending")},
        ),
        bars(
            About(
                "Failed requests for reasons",
                "Requests for a job's failure reason that failed. access_denied: the policy lacks the operation; "
                "iam-policy prints it.",
                8,
            ),
            {"{{reason}}": f"sum by (reason) ({increase('aws_job_exporter_detail_errors_total')}) > 0"},
            color=BAD,
        ),
        bars(
            About(
                "Unknown statuses",
                "Jobs with a status that the catalog does not know, counted again in every poll. Update the exporter, "
                "or define the kind yourself.",
                8,
            ),
            {
                "{{aws_service}}/{{kind}}": "sum by (aws_service, kind) "
                f"({increase('aws_job_exporter_unknown_statuses_total')}) > 0"
            },
            color="purple",
        ),
    ],
    "Cost": [
        lines(
            About(
                "Memory",
                "Resident memory of each exporter. It grows with the jobs held, unless storage.path keeps them in a "
                "file; if it grows without them, report it.",
                6,
            ),
            {"{{instance}}": of_exporters(f"process_resident_memory_bytes{{{TARGET}}}")},
            "bytes",
        ),
        lines(
            About(
                "CPU",
                "The share of one core that each exporter uses. Near 1, polls and scrapes are delayed: use shards.",
                6,
            ),
            {"{{instance}}": of_exporters(f"rate(process_cpu_seconds_total{{{TARGET}}}[$__rate_interval])")},
            "percentunit",
        ),
        lines(
            About(
                "Jobs held",
                "Jobs that each exporter holds: active ones, and those that ended within poll.lookback.",
                6,
            ),
            {"{{instance}}": of_instance("aws_jobs")},
            "short",
        ),
        lines(
            About(
                "Series",
                "Series that Prometheus reads from each exporter. If they are too many, use fewer dimensions, turn off "
                "series of single jobs, or leave families out (metrics.families).",
                6,
            ),
            {"{{instance}}": of_exporters(f"scrape_samples_scraped{{{TARGET}}}")},
            "short",
        ),
        EXPORTERS,
        LEFT_OUT,
    ],
    "What is served": [
        areas(
            About(
                "Responses by status",
                "Scrapes, health checks, pages. 503 means too many scrapes at once, 401 and 429 wrong passwords: see "
                "the web configuration file.",
                8,
            ),
            {"{{code}}": f"sum by (code) (rate(aws_job_exporter_http_responses_total{{{TARGET}}}[$__rate_interval]))"},
            "reqps",
            color=BAD,
        ).override_by_name("200", painted("green")),
        bars(
            About(
                "Connections closed early",
                "Clients that were too slow, or too many at once. If there always are some, find out who they are.",
                8,
            ),
            {
                "{{reason}}": "sum by (reason) "
                f"(increase(aws_job_exporter_http_connections_dropped_total{{{TARGET}}}[$__interval])) > 0"
            },
            color=BAD,
        ),
        lines(
            About(
                "Storage",
                "Size of the files in storage.path, 0 without it. It grows with the jobs of the lookback; if it grows "
                "without them, report it.",
                8,
            ),
            {"{{instance}}": f"max by (instance) (aws_job_exporter_storage_size_bytes{{{TARGET}}})"},
            "bytes",
        ),
    ],
}
