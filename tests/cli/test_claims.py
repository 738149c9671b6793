"""Which groups claim the same jobs: the first has them, and who writes the configuration is told."""

import pytest
import yaml

from exporter.cli import main
from tests.support.harness import BEDROCK, CUSTOMIZATION


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Return a function that checks a configuration with groups, and returns what is said of these."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    file = tmp_path / "exporter.yml"

    def checked(*groups, flags=(), **sections):
        services = {"bedrock": {"tags": ["team", "env"]}, "glue": {}}
        file.write_text(yaml.safe_dump({"services": services, "groups": list(groups), **sections}))
        assert main(["check-config", str(file), *flags]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.partition(": ")[2] for line in lines if ": groups." in line]

    return checked


def group(name, **match):
    """Return a group."""
    return {"name": name, "match": match}


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        ({}, {}, True),
        ({"services": ["bedrock"]}, {"services": ["glue"]}, False),
        ({"kinds": [BEDROCK.key]}, {"services": ["bedrock"]}, True),
        ({"kinds": [BEDROCK.key]}, {"kinds": [CUSTOMIZATION.key]}, False),
        ({"names": ["payroll-*"]}, {"names": ["audit-*"]}, False),
        ({"tags": {"team": "payroll"}}, {"tags": {"team": "audit"}}, False),
        ({"tags": {"team": "payroll"}}, {"tags": {"team": ["audit", "pay*"]}}, True),
        ({"tags": {"team": "payroll"}}, {"tags": {"env": "prod"}}, True),
        ({"tags": {"team": "payroll"}}, {"names": ["audit-*"]}, True),
        ({"names": ["payroll-*"]}, {"names": ["payroll-audit-*"]}, True),
        ({"names": ["payroll-*"]}, {"names": ["pay"]}, False),
        ({"names": ["payroll-*"]}, {"names": ["payroll-2026"]}, True),
        ({"names": ["*-daily"]}, {"names": ["payroll-*"]}, True),
        ({"names": ["a"], "accounts": ["1*"]}, {"names": ["a"], "accounts": ["2*"]}, False),
        ({"names": ["a"]}, {"names": ["b"]}, False),
    ],
)
def test_groups_that_may_take_the_same_jobs_are_told_if_asked(check, first, second, is_told):
    """Both are fine, and the order decides."""
    groups = group("one", **first), group("two", **second)
    told = check(*groups, flags=["--verbose"])
    assert [line for line in told if "the first one that takes a job has it" in line] == (
        ["groups.1 (two) does not have jobs that groups.0 (one) takes, too: the first one that takes a job has it"]
        if is_told
        else []
    )


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        (group("one"), group("two", names=["a"]), True),
        (group("one", names=["a", "b"]), group("two", names=["b"]), True),
        (group("one", names=["b"]), group("two", names=["a", "b"]), False),
        (group("one", names=["b"]), group("two"), False),
        ({"name_from": "(?P<name>a)"}, group("two"), False),
        (group("one", tags={"team": ["a", "b"]}), group("two", tags={"team": "b", "env": "prod"}), True),
        (group("one", tags={"team": "b", "env": "prod"}), group("two", tags={"team": "b"}), False),
        (group("one", tags={"team": "b"}), group("two", names=["a"]), False),
    ],
)
def test_a_group_that_is_left_with_no_job_is_always_told(check, first, second, is_told):
    """It is a mistake."""
    expected = ["groups.1 (two) has no jobs: groups.0 (one) takes all of them"]
    assert check(first, second) == (expected if is_told else [])


def test_what_a_restart_would_forget_is_told(check):
    """A success from before the lookback, unless there is storage."""
    monthly = {"name": "monthly", "expect_every": "31d"}
    (told,) = check(monthly)
    assert told.startswith("groups.0 (monthly): expect_every is longer than poll.lookback (1w): without storage.path")
    assert check(monthly, storage={"path": "/var/lib/x"}) == []
    assert check({"name": "daily", "expect_every": "1d"}) == []
