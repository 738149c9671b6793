"""What we ship for Alertmanager: the configuration, its routes, its inhibitions and its template."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.config.test_rules import ALERTS, minutes
from tests.support.notifying import CONFIGURATION, audible, matches, notifications, routed

FOLDER = Path(__file__).parents[2] / "config" / "alertmanager"
OF_EXPORTERS = r"AwsJob(Account|Group|Organization|Source|Exporter|Shards)"
"""Alerts that are not about the jobs of one source."""

RECEIVERS = {"critical": "pager", "warning": "chat", "info": "chat", "none": "nobody"}


@pytest.fixture
def amtool(tool):
    """Run amtool in the folder of the configuration and return what it prints."""

    def run(*arguments):
        command = [tool("amtool"), *arguments]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_configuration_is_valid(amtool):
    """The file is valid with its template, which is found beside it."""
    assert "1 templates\n  SUCCESS" in amtool("check-config", "alertmanager.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_reaches_its_receiver(amtool, alert):
    """Critical alerts go to a pager, everything else to a chat."""
    severity = ALERTS[alert]["labels"]["severity"]
    labels = (f"alertname={alert}", f"severity={severity}", "aws_service=bedrock")
    route = ("config", "routes", "test", "--config.file=alertmanager.yml")
    amtool(*route, f"--verify.receivers={RECEIVERS[severity]}", *labels)


def test_an_owner_is_told_of_the_own_groups(amtool):
    """Each group is a message of its own; a success is told to nobody."""
    route = ("config", "routes", "test", "--config.file=alertmanager.yml")
    labels = ("alertname=AwsJobGroupLate", "severity=warning", "group=payroll")
    amtool(*route, "--verify.receivers=ml-core", *labels, "owner=ml-core")
    amtool(*route, "--verify.receivers=chat", *labels, "owner=others")
    amtool(*route, "--verify.receivers=nobody", "alertname=AwsJobGroupSucceeded", "severity=none", "owner=ml-core")
    assert routed({"owner": "ml-core", "severity": "warning"})["group_by"] == ["group"]


def silenced(alert):
    """Return the alerts that one silences if all other labels agree."""
    rules = [rule for rule in CONFIGURATION["inhibit_rules"] if matches(rule["source_matchers"], {"alertname": alert})]
    return {other for rule in rules for other in ALERTS if matches(rule["target_matchers"], {"alertname": other})}


def test_consequences_of_a_cause_are_silenced():
    """The exporter's own state is never silenced by a source's, and nothing silences itself."""
    of_sources = {"AwsJobSourceDown", "AwsJobSourceStale"}
    jobs = {alert for alert in ALERTS if not re.match(OF_EXPORTERS, alert)}
    expected = {
        "AwsJobExporterDown": {
            "AwsJobExporterBlind",
            "AwsJobExporterReloadFailed",
            "AwsJobExporterStorageFailed",
            "AwsJobShardsMissing",
        },
        "AwsJobExporterBlind": {*of_sources, "AwsJobAccountDown", "AwsJobOrganizationDown"},
        "AwsJobAccountDown": {*of_sources, "AwsJobOrganizationDown"},
        **dict.fromkeys(of_sources, jobs),
        "AwsJobFailureRatioHigh": {"AwsJobFailed"},
        "AwsJobGroupFailureRatioHigh": {"AwsJobGroupFailed"},
        "AwsJobGroupLate": {"AwsJobGroupNotSubmitted"},
    }
    assert {alert: silenced(alert) for alert in ALERTS if silenced(alert)} == expected


def test_one_denied_account_is_one_message():
    """None for each of its sources, whose alerts begin later; another account's are heard."""
    of_account = [("job", "aws-job-exporter"), ("account_id", "111122223333")]
    one = frozenset([("alertname", "AwsJobAccountDown"), *of_account])
    sources = {frozenset([("alertname", "AwsJobSourceDown"), *of_account, ("kind", f"k{n}")]) for n in range(98)}
    other = frozenset([("alertname", "AwsJobSourceDown"), ("job", "aws-job-exporter"), ("account_id", "444455556666")])
    assert audible({one, other, *sources}) == {one, other}
    waits = [
        minutes(ALERTS[alert]["for"]) for alert in ("AwsJobExporterBlind", "AwsJobAccountDown", "AwsJobSourceDown")
    ]
    assert waits == sorted(set(waits))


def test_a_source_silences_only_its_own_jobs():
    """The labels that must agree are all those that identify a source."""
    rules = [
        rule
        for rule in CONFIGURATION["inhibit_rules"]
        if matches(rule["target_matchers"], {"alertname": "AwsJobFailed"})
    ]
    assert len(rules) == 2
    assert all({"account_id", "region", "aws_service", "kind", "scope"} <= set(rule["equal"]) for rule in rules)


def test_an_account_that_changes_all_the_time_has_a_message_an_hour():
    """What begins is told at once; after that, what begins and what is over is told together, once within an hour."""
    alert = {"alertname": "AwsJobFailed", "severity": "warning", "account_id": "111122223333"}
    timeline = [[frozenset({**alert, "kind": f"k{step % 7}"}.items())] if step else [] for step in range(12 * 24)]
    times = [at for at, _ in notifications(timeline, step=300)]
    assert times[0] == 300
    assert len(times) == 24


def test_a_message_is_readable(amtool, tmp_path):
    """The title says what it is about; each alert follows with its links."""
    data = {
        "status": "firing",
        "groupLabels": {"account_id": "111122223333"},
        "commonLabels": {"alertname": "AwsJobFailed", "aws_service": "bedrock", "account_id": "111122223333"},
        "alerts": [
            {
                "status": "firing",
                "annotations": {"description": "A job failed.", "jobs_url": "http://e/jobs", "runbook_url": "http://r"},
            },
            {"status": "resolved", "annotations": {"description": "Another failed."}},
        ],
    }
    (tmp_path / "data.json").write_text(json.dumps(data))

    def rendered(name):
        text = f'{{{{ template "{name}" . }}}}'
        options = (f"--template.text={text}", f"--template.data={tmp_path / 'data.json'}")
        return amtool("template", "render", "--template.glob=templates/*.tmpl", *options).strip()

    assert rendered("aws_job.title") == "[FIRING:1] AwsJobFailed bedrock in 111122223333"
    (tmp_path / "data.json").write_text(json.dumps({**data, "commonLabels": {"account_id": "111122223333"}}))
    assert rendered("aws_job.title") == "[FIRING:1] AWS jobs in 111122223333"
    assert rendered("aws_job.text").splitlines() == [
        "A job failed. Jobs: http://e/jobs Runbook: http://r",
        "Resolved: Another failed.",
    ]
