"""What we ship for Grafana: the files match the code, the rules of dashboard-linter hold, and links resolve.

The rules are those of grafana/dashboard-linter 0.2.0, each by its name.
"""

import re
from itertools import combinations
from urllib.parse import urlsplit

import promql_parser
import pytest
import yaml
from promql_parser import Call, MatchOp, MatrixSelector, VectorSelector

from config.grafana import files
from config.grafana.panels import STATE_COLORS
from exporter.families import JOB_FAMILIES, SOURCE_FAMILIES
from exporter.jobs import SourceKey, State
from exporter.web.views.parameters import JobParameters, PlaceParameters, SourceParameters
from tests.support import recorded
from tests.support.dashboards import DASHBOARDS, FOLDER, expanded, panels, targets, variables
from tools.exported import families, row, series

TARGETS = list(targets())
EXPORTED = families()
OF_SOURCES = {*map(row, JOB_FAMILIES), *map(row, SOURCE_FAMILIES)}
CHECKED = {"stat", "timeseries", "table", "gauge"}
"""The panel types that the linter checks and Grafana still has."""

ACROSS = {"accounts", "groups", "overview"}
"""The dashboards of what is recorded, where exporters are added up: the rules on instances do not concern them."""

each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
each_target = pytest.mark.parametrize("target", TARGETS, ids=str)


def nodes(query):
    """Return every node of a query."""
    found = []

    def visit(node):
        found.append(node)

    promql_parser.walk(promql_parser.parse(expanded(query)), visit, lambda _: None)
    return found


def selectors(query):
    """Return every selector of a query, including those of ranges."""
    return [node for node in nodes(query) if isinstance(node, VectorSelector)]


def matchers(selector):
    """Return what a selector requires of each label."""
    return {matcher.name: (matcher.op, matcher.value) for matcher in selector.matchers.matchers}


def test_the_files_match_the_code():
    """`make dashboards` was run after the last change, and no file is left over."""
    written = files()
    assert set(written) == set(FOLDER.glob("dashboards/*.json"))
    for file, text in written.items():
        assert file.read_text() == text, "run make dashboards"


# The rules of dashboard-linter.


@each_dashboard
def test_template_datasource_rule(dashboard):
    """There is one variable for the data source."""
    (choice,) = (variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource")
    assert (choice["name"], choice["label"], choice["query"]) == ("datasource", "Data source", "prometheus")


@each_dashboard
@pytest.mark.parametrize("name", ["job", "instance"], ids=["template-job-rule", "template-instance-rule"])
def test_template_job_and_instance_rules(dashboard, name):
    """Jobs and instances can be selected, any number of them."""
    if name == "instance" and dashboard in [DASHBOARDS[across] for across in ACROSS]:
        assert name not in variables(dashboard)
        return
    variable = variables(dashboard)[name]
    assert variable["datasource"]["uid"] == "${datasource}"
    assert variable["type"] == "query"
    assert variable["multi"] is True
    assert variable["allValue"] == ".+"
    assert variable["label"] == name.capitalize()


@each_dashboard
def test_template_label_promql_rule(dashboard):
    """The values of a variable come from one of Grafana's query functions."""
    for variable in variables(dashboard).values():
        if variable["type"] == "query":
            found = re.fullmatch(r"([a-z_]+)\((.+)\)", variable["query"])
            assert found
            function, inside = found.groups()
            assert function in {"label_names", "label_values", "metrics", "query_result"}
            query = re.sub(r", \w+$", "", inside) if function == "label_values" else inside
            promql_parser.parse(expanded(query))


@each_dashboard
def test_template_on_time_change_reload_rule(dashboard):
    """Variables reload when the time range changes."""
    queried = [variable for variable in variables(dashboard).values() if variable["type"] == "query"]
    assert {variable["refresh"] for variable in queried} == {2}


@each_dashboard
def test_panel_datasource_rule(dashboard):
    """Each panel uses the selected data source, and so do its queries and the annotations."""
    found = [*panels(dashboard), *dashboard["annotations"].get("list", [])]
    found += [target for panel in panels(dashboard) for target in panel["targets"]]
    assert all(one["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for one in found)


@each_dashboard
def test_panel_title_description_rule(dashboard):
    """Each panel says what it shows and what to do with it."""
    for panel in panels(dashboard):
        assert panel["title"]
        assert re.fullmatch(r"[A-Z].{39,}[.?]", panel["description"])


UNITS = {"none", "short", "percentunit", "bytes", "s", "dateTimeFromNow", "reqps", "bool_yes_no"}
"""The units of the linter's list that are used here."""


@each_dashboard
def test_panel_units_rule(dashboard):
    """Every number has a unit, including those in the columns of a table."""
    for panel in panels(dashboard):
        overrides = [value for override in panel["fieldConfig"]["overrides"] for value in override["properties"]]
        units = [value["value"] for value in overrides if value["id"] == "unit"]
        assert {panel["fieldConfig"]["defaults"]["unit"], *units} <= UNITS
        assert panel["type"] != "table" or len(units) == len(panel["targets"])


@each_dashboard
def test_panel_no_targets_rule(dashboard):
    """Every panel has a query, and each query has its own letter."""
    for panel in panels(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)


@each_dashboard
def test_target_logql_rules(dashboard):
    """target-logql-rule and target-logql-auto-rule only concern Loki, and nothing queries Loki."""
    assert {target["datasource"]["type"] for panel in panels(dashboard) for target in panel["targets"]} == {
        "prometheus"
    }


@each_target
def test_target_promql_rule(target):
    """Every query is PromQL."""
    promql_parser.parse(expanded(target.query))


@each_target
def test_target_rate_interval_rule(target):
    """The range of a rate is the one that Grafana computes from the scrape interval."""
    ranges = re.findall(r"\birate?\(|\brate\(", target.query)
    assert len(re.findall(r"\brate\([^\[\]]*\[\$__rate_interval\]\)", target.query)) == len(ranges)


@each_target
@pytest.mark.parametrize("name", ["job", "instance"], ids=["target-job-rule", "target-instance-rule"])
def test_target_job_and_instance_rules(target, name):
    """Every selector filters by the selected jobs and instances, unless exporters are added up."""
    filters = re.findall(r"([\w:]+)\{([^{}]*)\}", target.query)
    assert len(filters) == len(selectors(target.query))
    for metric, selector in filters:
        is_left_out = name == "instance" and (target.dashboard in ACROSS or "instance" not in (labels(metric) or ()))
        assert (f'{name}=~"${name}"' in selector.split(", ")) != is_left_out, metric


@each_target
def test_target_counter_agg_rule(target):
    """No raw counter is shown; this is stricter than the linter, which only checks selectors without matchers."""
    counters = [selector.name for selector in selectors(target.query) if selector.name.endswith("_total")]
    calls = [node for node in nodes(target.query) if isinstance(node, Call)]
    counted = [
        argument.vector_selector.name
        for call in calls
        if call.func.name in {"rate", "irate", "increase"}
        for argument in call.args
        if isinstance(argument, MatrixSelector)
    ]
    assert set(counters) <= set(counted)


@each_dashboard
def test_uneditable_dashboard(dashboard):
    """Manual changes would be lost with the next release."""
    assert dashboard["editable"] is False


# What the linter does not check.


def labels(name):
    """Return the labels that a series has, exported or recorded, or None if it is not ours."""
    if name in recorded.RECORDED:
        return recorded.labels(name)
    plain = re.sub(r"_(bucket|count|sum)$", "", name)
    for known in EXPORTED:
        if known.name in {name, plain}:
            common = {*SourceKey._fields} if known in OF_SOURCES else set()
            common |= {"group"} if name.startswith("aws_job_group_") else set()
            parts = {"le"} if name.endswith("_bucket") else {"quantile"} if known.type == "summary" else set()
            return {"job", "instance", *known.labels, *common, *parts}
    return {"job", "instance"} if name in {"up", "scrape_samples_scraped", *series()} else None


@each_target
def test_queried_metrics_and_labels_exist(target):
    """Every metric is one of the exporter's, and every label in a selector is one that the metric has."""
    for selector in selectors(target.query):
        known = labels(selector.name)
        assert known is not None, selector.name
        assert matchers(selector).keys() <= known


@each_target
def test_queried_states_exist(target):
    """This includes the alternatives of a regular expression."""
    for selector in selectors(target.query):
        operation, value = matchers(selector).get("state", (MatchOp.Equal, "failed"))
        assert operation in (MatchOp.Equal, MatchOp.Re)
        known = {"up", "down"} if selector.name == "aws_job_group_sources" else {*State}
        assert value == ".+" or set(value.split("|")) <= known


def test_every_family_about_jobs_and_sources_is_shown():
    """Those of single jobs are excluded: they are off by default and belong to the exporter's pages."""
    queried = {selector.name for target in TARGETS for selector in selectors(target.query)}
    for name in queried & recorded.RECORDED.keys():
        queried |= {selector.name for selector in selectors(recorded.RECORDED[name]["expr"])}
    shown = {re.sub(r"_bucket$", "", name) for name in queried}
    single = {"aws_job_info", "aws_job_created_timestamp_seconds", "aws_job_finished_timestamp_seconds"}
    unneeded = {"aws_job_last_created_timestamp_seconds"}
    # For who wonders whether a long poll goes on, and for who looks into the exporter itself.
    unneeded |= {"aws_job_exporter_source_listed"} | {family.name for family in SOURCE_FAMILIES if family.is_detail}
    assert {family.name for family in OF_SOURCES} - shown == single | unneeded


@each_target
def test_jobs_that_two_exporters_count_are_counted_once(target):
    """Before a sum over sources, the maximum of each source is taken: check what surrounds every sum of jobs."""
    jobs = "|".join(family.name for family in JOB_FAMILIES if "timestamp" not in family.name)
    for found in re.finditer(rf"sum by \(([^()]*)\) \((?:increase\()?(?:{jobs})\w*\{{", target.query):
        assert {"job", "instance", *SourceKey._fields} <= set(found[1].split(", "))
        assert re.search(r"max by \([^()]*\) \($", target.query[: found.start()])
    bare = re.findall(rf"(?<!\w)(?:sum|count|avg) \(?(?:{jobs})\w*\{{", target.query)
    assert bare == []


@each_dashboard
def test_panels_fill_the_grid_without_overlap(dashboard):
    """No panels overlap, each row of the grid is full, and each panel has a unique id."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    for top in {place["y"] for place in places}:
        assert sum(place["w"] for place in places if place["y"] == top) == 24
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_a_state_has_one_color_everywhere():
    """Every state has a color, and a panel with a series for each state uses it."""
    assert set(STATE_COLORS) == {*State}
    by_state = [target for target in TARGETS if target.legend == "{{state}}"]
    assert by_state
    for target in by_state:
        overrides = target.panel["fieldConfig"]["overrides"]
        painted = {
            override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"] for override in overrides
        }
        assert painted == STATE_COLORS


PAGES: dict[str, type[PlaceParameters]] = {"/jobs": JobParameters, "/sources": SourceParameters}


def links(dashboard):
    """Return the URL of each link of a dashboard and of its panels."""
    inside = [link for panel in panels(dashboard) for link in panel["fieldConfig"]["defaults"].get("links", [])]
    return [link["url"] for link in (*dashboard["links"], *inside)]


@each_dashboard
def test_links_point_to_pages_with_known_filters(dashboard):
    """They point to the exporter's pages with filters that they know, or to a dashboard that exists."""
    uids = {other["uid"]: other for other in DASHBOARDS.values()}
    for url in links(dashboard):
        parts = urlsplit(url.replace("${exporter_url}", "http://exporter:10058"))
        parameters = [word for word in parts.query.split("&") if not word.startswith("${")]
        names = {word.partition("=")[0] for word in parameters}
        if parts.netloc:
            assert names <= PAGES[parts.path].model_fields.keys()
        else:
            other = variables(uids[parts.path.removeprefix("/d/")])
            carried = re.findall(r"\$\{(\w+):queryparam\}", parts.query)
            assert {*carried, *(name.removeprefix("var-") for name in names)} <= other.keys()
            assert all(other[name].get("multi") == variables(dashboard)[name].get("multi") for name in carried)


@each_dashboard
def test_the_labels_in_a_link_are_those_of_its_panel(dashboard):
    """Each label in a link is one that all queries of its panel return."""
    for panel in panels(dashboard):
        urls = " ".join(link["url"] for link in panel["fieldConfig"]["defaults"].get("links", []))
        used = set(re.findall(r"\$\{__(?:data\.fields|field\.labels)\.(\w+)", urls))
        given = [
            set(re.split(r", ", found[1]))
            for target in panel["targets"]
            if (found := re.search(r"(?:sum|max|min) by \(([^()]*)\)", target["expr"]))
        ]
        assert not used or given
        assert all(used <= names for names in given)


@each_dashboard
def test_used_variables_exist(dashboard):
    """In queries, variables and links alike; Grafana's built-in ones start with two underscores."""
    text = " ".join(
        [*links(dashboard), *(target["expr"] for panel in panels(dashboard) for target in panel["targets"])]
    )
    text += " ".join(str(variable.get("query", "")) for variable in variables(dashboard).values())
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used <= variables(dashboard).keys()


def test_the_data_source_and_the_files_are_provisioned():
    """Grafana finds a Prometheus and the folder with the dashboards."""
    (provider,) = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "aws-job-exporter.yml").read_text())[
        "providers"
    ]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    (source,) = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    (scrape,) = yaml.safe_load((FOLDER.parent / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"]


def test_every_dashboard_is_documented():
    """docs/dashboards.md lists each dashboard by its title and its file, and no others."""
    text = (FOLDER.parents[1] / "docs" / "dashboards.md").read_text()
    documented = set(re.findall(r"^\| (AWS jobs: [\w ]+) \| \[(\w+)\.json\]", text, re.MULTILINE))
    assert documented == {(dashboard["title"], name) for name, dashboard in DASHBOARDS.items()}
