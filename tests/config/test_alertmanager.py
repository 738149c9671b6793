"""What we ship for Alertmanager: the configuration, its routes, its inhibitions and its template."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.config.test_rules import ALERTS

FOLDER = Path(__file__).parents[2] / "config" / "alertmanager"
CONFIGURATION = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())

RECEIVERS = {"critical": "pager", "warning": "chat", "info": "chat"}


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


def matches(matchers, labels):
    """Whether labels satisfy the matchers of a rule."""
    for matcher in matchers:
        ((name, operator, value),) = re.findall(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
        found = bool(re.fullmatch(value, labels.get(name, ""))) if "~" in operator else labels.get(name, "") == value
        if found is operator.startswith("!"):
            return False
    return True


def silenced(alert):
    """Return the alerts that one silences if all other labels agree."""
    rules = [rule for rule in CONFIGURATION["inhibit_rules"] if matches(rule["source_matchers"], {"alertname": alert})]
    return {other for rule in rules for other in ALERTS if matches(rule["target_matchers"], {"alertname": other})}


def test_consequences_of_a_cause_are_silenced():
    """The exporter's own state is never silenced by a source's, and nothing silences itself."""
    jobs = {alert for alert in ALERTS if not re.match("AwsJob(Source|Exporter|Shards)", alert)}
    assert silenced("AwsJobExporterDown") == ALERTS.keys() - {"AwsJobExporterDown"}
    assert silenced("AwsJobExporterBlind") == {"AwsJobSourceDown", "AwsJobSourceStale"}
    assert silenced("AwsJobSourceDown") == silenced("AwsJobSourceStale") == jobs
    assert silenced("AwsJobFailureRatioHigh") == {"AwsJobFailed"}
    others = ALERTS.keys() - {
        "AwsJobExporterDown",
        "AwsJobExporterBlind",
        "AwsJobSourceDown",
        "AwsJobSourceStale",
        "AwsJobFailureRatioHigh",
    }
    assert not any(silenced(alert) for alert in others)


def test_a_source_silences_only_its_own_jobs():
    """The labels that must agree are all those that identify a source."""
    for rule in CONFIGURATION["inhibit_rules"][2:]:
        assert {"account_id", "region", "aws_service", "kind", "scope"} <= set(rule["equal"])


def test_a_message_is_readable(amtool, tmp_path):
    """The title says what it is about; each alert follows with its links."""
    data = {
        "status": "firing",
        "groupLabels": {"alertname": "AwsJobFailed", "aws_service": "bedrock", "account_id": "111122223333"},
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
    assert rendered("aws_job.text").splitlines() == [
        "A job failed. Jobs: http://e/jobs Runbook: http://r",
        "Resolved: Another failed.",
    ]
