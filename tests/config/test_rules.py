"""What we ship for Prometheus: scrape configuration, recording rules, alerts with their unit tests and runbooks."""

import copy
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from exporter.store import usual
from exporter.text.durations import parse_duration
from exporter.web.views.parameters import JobParameters, Parameters, SourceParameters
from tests.support.dashboards import targets
from tests.support.promtool import failures
from tests.support.recorded import FILE, GROUPS, RECORDED, labels
from tests.support.replaced_pod import with_another_pod
from tools.exported import series

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "config" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"

ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}

FILES = {file.stem: yaml.safe_load(file.read_text()) for file in PROMETHEUS.glob("tests/*.yml")}
UNIT_TESTS = [test for file in FILES.values() for test in file["tests"]]
TESTS = [test for test in UNIT_TESTS if "alert_rule_test" in test]
CASES = [case for test in TESTS for case in test["alert_rule_test"]]


def minutes(time):
    """Return the minutes of a duration such as `1h30m`."""
    return sum(int(number) * {"h": 60, "m": 1}[unit] for number, unit in re.findall(r"(\d+)([hm])", time))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "rules/aws-job-exporter.yml"),
        ("test", "rules", "tests/recorded.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_files(tool, arguments):
    """Prometheus's own tool reads them as they are."""
    done = subprocess.run([tool("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_unit_tests_of_the_alerts_hold(tool, tmp_path, name):
    """`make rules` runs the same, with all rules in each."""
    assert (PROMETHEUS / "tests" / FILES[name]["rule_files"][0]).samefile(FILE)
    assert failures(tool("promtool"), tmp_path, FILES[name], FILES[name]["tests"]) == ""


@pytest.mark.slow
def test_a_unit_test_that_does_not_hold_is_found(tool, tmp_path):
    """An alert that fires where nothing should."""
    (test,) = (test for test in FILES["alerts"]["tests"] if test["name"].startswith("AwsJobExpired"))
    silent = {**test, "alert_rule_test": [{**case, "exp_alerts": []} for case in test["alert_rule_test"]]}
    assert "AwsJobExpired" in failures(tool("promtool"), tmp_path, FILES["alerts"], [silent])


def length(test):
    """Return how many seconds a unit test of promtool covers."""
    return max(parse_duration(each["eval_time"]) for each in test["alert_rule_test"])


@pytest.mark.slow
def test_alerts_hold_when_what_they_read_was_recorded_an_evaluation_ago(tool, tmp_path):
    """Prometheus evaluates groups independently; the unit tests hold with the groups of alerts evaluated first, too."""
    first = [group["name"] for group in GROUPS if "alert" in group["rules"][0]]
    groups = [*first, *(group["name"] for group in GROUPS if group["name"] not in first)]
    # Not with the tests over days: to them, an evaluation is nothing.
    file = {**FILES["alerts"], "group_eval_order": groups}
    assert failures(tool("promtool"), tmp_path, file, file["tests"]) == ""


def of_one_exporter(tests):
    """Return the shortest test of each alert about one exporter's jobs, unless a test replaces the pod itself."""
    shortest = {}
    for test in sorted(tests, key=length, reverse=True):
        alert = test["name"].partition(":")[0]
        cases = [each for case in test["alert_rule_test"] for each in case.get("exp_alerts", ())]
        series = " ".join(each["series"] for each in test["input_series"])
        is_one = {*re.findall(r'instance="(.*?)"', series)} == {"exporter:10058"}
        if is_one and not any("instance" in case["exp_labels"] for case in cases):
            shortest[alert] = test
    own = {test["name"].partition(":")[0] for test in UNIT_TESTS if "pod" in test["name"]}
    return {alert: test for alert, test in shortest.items() if alert not in own}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alerts", "days", "weeks"])
def test_alerts_hold_when_the_pod_is_replaced(tool, tmp_path, name):
    """An alert about jobs goes on, ends and begins as if nothing had happened, however far back it looks."""
    tests = [with_another_pod(test) for test in of_one_exporter(FILES[name]["tests"]).values()]
    groups = copy.deepcopy(GROUPS)
    expected = [alert for test in tests for case in test["alert_rule_test"] for alert in case.get("exp_alerts", ())]
    changed = [alert["exp_annotations"] for alert in expected]
    changed += [rule["annotations"] for group in groups for rule in group["rules"] if "alert" in rule]
    for annotations in changed:
        for link in ("groups_url", "jobs_url", "sources_url"):  # they lead to the new instance
            annotations.pop(link, None)
    assert failures(tool("promtool"), tmp_path, FILES[name], tests, groups) == ""


def test_each_alert_that_compares_with_the_past_is_tested_with_another_pod():
    """None is left out by the choice of tests."""
    looking = {alert for alert, rule in ALERTS.items() if re.search(r"offset|\[\w+\]", rule["expr"])}
    own = {test["name"].partition(":")[0] for test in TESTS if re.search("pod|replaced|restart", test["name"])}
    assert looking - own - {"AwsJobExporterDown"} <= of_one_exporter(TESTS).keys()


def test_alerts_and_pages_mean_the_same_by_longer_than_usual():
    """Someone who follows an alert finds the job among those that the pages call so."""
    for alert, active, lengths, unknown in [
        ("AwsJobRunsTooLong", "running", "duration", usual.MOST_RUN),
        ("AwsJobWaitsTooLong", "pending", "queue_duration", usual.MOST_WAIT),
    ]:
        oldest, limit = (
            f"source:aws_job_oldest_{active}_timestamp_seconds:min",
            f"source:aws_job_{lengths}_seconds:limit",
        )
        assert " ".join(ALERTS[alert]["expr"].split()) == (
            f"time() - {oldest} > clamp_min({limit}, {usual.LEAST / 1000:.0f}) or "
            f"time() - ({oldest} unless {limit}) > {unknown / 1000:.0f}"
        )
        factors = re.findall(r"([0-9.]+) \* aws_job_\w+_seconds\{.*?quantile=\"([0-9.]+)\"\}", RECORDED[limit]["expr"])
        assert {float(quantile) * 1000: float(factor) for factor, quantile in factors} == usual.FACTORS


def test_prometheus_loads_every_file_of_rules():
    """No file in the folder goes unread."""
    (pattern,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["rule_files"]
    assert sorted(PROMETHEUS.glob(pattern)) == sorted(PROMETHEUS.glob("rules/*"))


def test_what_is_recorded_is_evaluated_after_what_it_uses():
    """Prometheus evaluates one group in order, but guarantees no order among groups. A rule may use its own series."""
    for group in GROUPS:
        known: set[str] = set()
        for rule in group["rules"]:
            if "record" in rule:
                known.add(rule["record"])
                assert {name for name in RECORDED if re.search(rf"{name}(?!:)", rule["expr"])} <= known


def test_a_group_records_or_alerts():
    """What is recorded is in groups of its own, so that slow rules delay no alert."""
    assert all(len({"alert" in rule for rule in group["rules"]}) == 1 for group in GROUPS)


def test_an_increase_is_recorded_once_in_the_time_that_it_covers():
    """Or the sum of what was recorded would count a job twice, or not at all."""
    steps = {
        (group["interval"], offset)
        for group in GROUPS
        for rule in group["rules"]
        for offset in re.findall(r"offset (\d+m)", rule["expr"])
        if "record" in rule
    }
    assert steps == {("1m", "1m"), ("5m", "5m")}
    increases = {name: found[1] for name in RECORDED if (found := re.search(r":increase(\d+m)$", name))}
    assert increases
    direct = {name for name, time in increases.items() if f"offset {time}" in RECORDED[name]["expr"]}
    assert all(any(used in RECORDED[name]["expr"] for used in direct) for name in increases.keys() - direct)


@pytest.mark.parametrize("name", RECORDED)
def test_the_name_of_a_recorded_series_tells_its_level(name):
    """Its labels are those of the level; at the levels of sources and instances, it keeps those of its target, too."""
    kept = re.match(r"\w+ by \(([^)]*)\)", RECORDED[name]["expr"])
    assert kept or name.startswith(("source", "instance"))
    assert not kept or set(kept[1].split(", ")) == labels(name)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tested(alert):
    """It fires, it does not fire before that, and it resolves before the test ends."""
    tests = [
        [(minutes(case["eval_time"]), bool(case["exp_alerts"])) for case in test["alert_rule_test"]]
        for test in TESTS
        if test["alert_rule_test"][0]["alertname"] == alert
    ]
    assert all(times == sorted(times) for times in tests)
    courses = ["".join("fires " if fires else "quiet " for _, fires in times) for times in tests]
    assert any(re.search("quiet (fires )+quiet", course) for course in courses), courses


def test_every_test_is_about_one_existing_alert():
    """Nor does one test mix several alerts."""
    assert {case["alertname"] for case in CASES} == ALERTS.keys()
    assert all(len({case["alertname"] for case in test["alert_rule_test"]}) == 1 for test in TESTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_a_person_needs(alert):
    """A fixed sentence, one with this case's labels, the severity, and where to go next."""
    rule = ALERTS[alert]
    assert re.fullmatch(r"([A-Z]+[a-z0-9]+)+", alert)
    assert alert.startswith("AwsJob")
    assert rule["labels"] in ({"severity": word} for word in ("critical", "warning", "info", "none"))
    annotations = rule["annotations"]
    assert re.fullmatch(r"[A-Z][^{}]+\.", annotations["summary"])
    assert "{{" in annotations["description"]
    assert annotations["description"].endswith(".")
    assert urlsplit(annotations["runbook_url"]).path.endswith(f"/docs/runbooks/{alert}.md")
    assert annotations.keys() <= {"summary", "description", "runbook_url", "jobs_url", "sources_url", "groups_url"}


@pytest.mark.parametrize("name", [*RECORDED, *ALERTS])
def test_a_rule_uses_existing_series(name):
    """Every series is exported or recorded; an alert compares but never ranks, because ranks move."""
    expression = {**RECORDED, **ALERTS}[name]["expr"]
    used = set(re.findall(r"(?:\b\w+:)?\baws_job\w+(?::\w+)*", expression))
    assert used <= series() | RECORDED.keys()
    if name in ALERTS:
        assert re.search(r"[<>]|==|absent\(", expression)
        assert not re.search(r"\b(topk|bottomk|limitk)\b", expression)


def test_annotations_name_only_existing_labels():
    """The tests of the alerts show it: a label that was aggregated away would leave a gap."""
    for case in CASES:
        for alert in case["exp_alerts"]:
            for text in alert["exp_annotations"].values():
                assert not re.search(r"no value|  | ,| \.|/ |\(\)", text), text


@pytest.mark.parametrize("alert", [name for name, rule in ALERTS.items() if "absent(" in rule["expr"]])
def test_an_alert_on_absence_waits_for_several_scrapes(alert):
    """A missed scrape does not count as an absence."""
    assert minutes(ALERTS[alert]["for"]) >= 5


def test_every_recorded_series_is_used():
    """It is used by an alert, by another rule, or by a dashboard."""
    expressions = [rule["expr"] for rule in (*ALERTS.values(), *RECORDED.values())]
    expressions += [target.query for target in targets()]
    assert [name for name in RECORDED if not any(name in expression for expression in expressions)] == []


def test_links_point_to_pages_with_known_filters():
    """The tests of the alerts show them as rendered, with the necessary escapes in a scope."""
    urls = {
        url
        for case in CASES
        for alert in case["exp_alerts"]
        for name, url in alert["exp_annotations"].items()
        if name in {"jobs_url", "sources_url", "groups_url"}
    }
    for url in urls:
        parts = urlsplit(url)
        assert parts.netloc == "exporter:10058"
        assert parts.path in PARAMETERS
        assert "{" not in url
        # As a page parses it: empty parameters filter nothing, and unknown ones are errors.
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(parts.query):
            query.setdefault(name, []).append(value)
        parameters = PARAMETERS[parts.path].of(query, now=0.0)
        assert parameters.model_fields_set == query.keys()
    assert any(dict(parse_qsl(urlsplit(url).query)).get("scope") == "a1b2/c3" for url in urls)


PARAMETERS: dict[str, type[Parameters]] = {
    "/jobs": JobParameters,
    "/sources": SourceParameters,
    "/config": Parameters,
    "/groups": Parameters,
}
"""The parameters of each page that an alert links to."""


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    """Each runbook is named after its alert."""
    assert {file.stem for file in RUNBOOKS.glob("*.md")} - {"README"} == ALERTS.keys()


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_to_do(alert):
    """A runbook covers meaning, impact, diagnosis with queries, and mitigation."""
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert "```promql\n" in text
    assert set(re.findall(r"\b\w+:aws_job\w+(?::\w+)*", text)) <= RECORDED.keys()
