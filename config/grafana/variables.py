"""The variables of the dashboards, and the links that pass their values on."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import DashboardLink, DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from config.grafana.queries import PLACE, TARGET

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

TAG = "aws-job-exporter"

ENDED_IN_TIME = "finished_since=${__from:date:seconds}&finished_until=${__to:date:seconds}"
"""Makes the exporter's page of jobs show those that ended in the selected time."""

ACCOUNTS, OVERVIEW, KIND, HEALTH = "aws-job-accounts", "aws-job-overview", "aws-job-kind", "aws-job-exporter-health"
GROUPS = "aws-job-groups"
"""The dashboards' uids, which are part of their addresses."""

TITLES = {
    ACCOUNTS: "AWS jobs: accounts",
    GROUPS: "AWS jobs: groups",
    OVERVIEW: "AWS jobs: overview",
    KIND: "AWS jobs: one kind",
    HEALTH: "AWS jobs: exporter health",
}

_ACROSS = ("datasource", "job", "account_id", "aws_service", "kind")
_EACH = ("datasource", "job", "instance", "account_id", "region")
_CARRIED = {ACCOUNTS: _ACROSS, GROUPS: ("datasource", "job"), OVERVIEW: _ACROSS, KIND: _EACH, HEALTH: _EACH}
"""What each dashboard passes on and takes; not the kinds, where the other one takes a single one or has others."""


def carried(uid: str, other: str, *without: str) -> str:
    """Return what a link from one dashboard to another passes on."""
    names = [name for name in _CARRIED[uid] if name in _CARRIED[other] and name not in without]
    return "&".join(f"${{{name}:queryparam}}" for name in names)


def datasource() -> DatasourceVariable:
    """Return the variable for the Prometheus data source."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def several(name: str, label: str, query: str, *, every: str = ".+") -> QueryVariable:
    """Return a variable of any number of values, by default all; `every` has to match a label that may be empty."""
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return _queried(name, label, query).multi(True).include_all(True).all_value(every).current(everything)


def one(name: str, label: str, query: str) -> QueryVariable:
    """Return a variable of one value."""
    return _queried(name, label, query)


def _queried(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
    )


def exporters() -> list[QueryVariable]:
    """Return the variables for exporters."""
    return [
        several("job", "Job", "label_values(aws_job_exporter_build_info, job)"),
        several("instance", "Instance", 'label_values(aws_job_exporter_build_info{job=~"$job"}, instance)'),
    ]


def across() -> list[QueryVariable]:
    """Return the variables of what is recorded, where exporters, regions and scopes are added up."""
    selected: list[str] = []
    variables = []
    metrics = {
        "job": ("Job", "aws_job_exporter_build_info"),
        "account_id": ("Account", "account_kind:aws_job_exporter_source_up:count"),
        "aws_service": ("Service", "account_kind_state:aws_jobs:sum"),
        "kind": ("Kind", "account_kind_state:aws_jobs:sum"),
    }
    for name, (label, metric) in metrics.items():
        matchers = f"{{{', '.join(selected)}}}" if selected else ""
        every = ".*" if name == "account_id" else ".+"
        variables.append(several(name, label, f"label_values({metric}{matchers}, {name})", every=every))
        selected.append(f'{name}=~"${name}"')
    return variables


def places(metric: str) -> list[QueryVariable]:
    """Return the variables for the accounts and regions that a metric has."""
    accounts = f"label_values({metric}{{{TARGET}}}, account_id)"
    regions = f'label_values({metric}{{{TARGET}, account_id=~"$account_id"}}, region)'
    return [several("account_id", "Account", accounts, every=".*"), several("region", "Region", regions, every=".*")]


def services(metric: str) -> QueryVariable:
    """Return the variable for the services that a metric has."""
    return several("aws_service", "Service", f"label_values({metric}{{{PLACE}}}, aws_service)")


def scopes() -> QueryVariable:
    """Return the variable for scopes, by name; what has no scope is included while all are selected."""
    labels = f'{PLACE}, aws_service=~"$aws_service", kind=~"$kind"'
    query = f"query_result(max by (scope, scope_name) (aws_job_scope_info{{{labels}}}))"
    return several("scope", "Scope", query, every=".*").regex('/scope="(?<value>[^"]+)".*scope_name="(?<text>[^"]+)"/')


def exporter_url(exporter: str) -> QueryVariable:
    """Return the variable for the address of the exporter's pages: the instance, unless someone types another.

    `exporter` selects the exporters.
    """
    address = (
        f"label_replace(max by (instance) (aws_job_exporter_build_info{{{exporter}}}), "
        '"url", "http://$1", "instance", "(.+)")'
    )
    return (
        one("exporter_url", "Exporter's pages", f"query_result({address})")
        .regex('/url="([^"]+)"/')
        .allow_custom_value(True)
        .description("The address that links use. Type the one at which your browser reaches the exporter.")
    )


def siblings(uid: str) -> list[DashboardLink]:
    """Return the links of a dashboard to the others, which keep the time range and the shared variables."""
    return [
        DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .icon("dashboard")
        .url(f"/d/{other}?{carried(uid, other)}")
        .keep_time(True)
        for other, title in TITLES.items()
        if other != uid
    ]
