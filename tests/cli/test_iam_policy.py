"""The policy of a configuration, as the command prints it."""

import json
import subprocess

import pytest

from exporter.cli import main
from tests.support.harness import CATALOG

ROLE = "arn:aws:iam::111122223333:role/aws-job-exporter"
ONE = json.dumps({"bedrock": {"kinds": ["model_invocation_job"]}})
ALL = json.dumps(dict.fromkeys(CATALOG.names))


@pytest.fixture
def policy(capsys):
    """Return a function that prints a policy and returns the exit code, the output and the notes."""

    def call(*arguments):
        code = main(["iam-policy", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err.splitlines()

    return call


def test_the_policy_is_one_json_document(policy):
    """It has what a policy needs, and nothing else."""
    code, out, notes = policy(f"--services={ONE}")
    assert (code, notes) == (0, [])
    assert json.loads(out) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Bedrock",
                "Effect": "Allow",
                "Action": ["bedrock:GetModelInvocationJob", "bedrock:ListModelInvocationJobs"],
                "Resource": "*",
            }
        ],
    }


def test_the_policy_is_the_same_each_time(policy):
    """The order is stable so that a change shows in a diff."""
    assert policy(f"--services={ALL}") == policy(f"--services={ALL}")


def test_a_note_names_the_other_policy(policy):
    """Notes go to stderr, so that stdout stays a document."""
    code, out, notes = policy(f"--services={ONE}", f"--accounts={json.dumps([{'role_arn': ROLE}])}")
    assert code == 0
    assert json.loads(out)["Statement"][0]["Sid"] == "Bedrock"
    (note,) = notes
    assert "--for base" in note


def test_the_policy_of_the_base(policy):
    """It may assume the roles, and no others."""
    code, out, notes = policy("--for", "base", f"--services={ONE}", f"--accounts={json.dumps([{'role_arn': ROLE}])}")
    assert (code, notes) == (0, [])
    assert json.loads(out)["Statement"] == [
        {"Sid": "StsAssumeRole", "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": [ROLE]}
    ]


QUEUE = {"sqs_queue_url": "https://sqs.us-east-1.amazonaws.com/111122223333/hints", "role_arn": ROLE}


def test_the_policy_of_what_reads_a_queue(policy):
    """A note to the other policy names it."""
    configured = f"--services={ONE}", f"--events={json.dumps(QUEUE)}"
    _, _, (note,) = policy(*configured)
    assert note.endswith(f"{ROLE} needs the policy that `--for queue` prints")
    code, out, notes = policy("--for", "queue", *configured)
    assert (code, notes) == (0, [])
    assert json.loads(out)["Statement"] == [
        {
            "Sid": "SqsDeleteMessage",
            "Effect": "Allow",
            "Action": ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
            "Resource": ["arn:*:sqs:us-east-1:111122223333:hints"],
        }
    ]


def test_without_a_queue_nothing_reads_one(policy):
    """A policy without a statement is none."""
    code, out, (line,) = policy("--for", "queue", f"--services={ONE}")
    assert (code, out) == (2, "")
    assert line.endswith("events: names no queue")


def test_the_policy_of_an_organization(policy):
    """The base lists the accounts and assumes the role in each; a note points to the role's own policy."""
    accounts = json.dumps({"organization": {"role_name": "jobs", "include": ["ou-ab12-11111111"]}})
    code, out, notes = policy("--for", "base", f"--services={ONE}", f"--accounts={accounts}")
    assert (code, notes) == (0, [])
    statements = {
        statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in json.loads(out)["Statement"]
    }
    assert statements == {
        "Bedrock": (["bedrock:GetModelInvocationJob", "bedrock:ListModelInvocationJobs"], "*"),
        "Organizations": (
            [
                "organizations:ListAccounts",
                "organizations:ListAccountsForParent",
                "organizations:ListOrganizationalUnitsForParent",
            ],
            "*",
        ),
        "StsAssumeRole": (["sts:AssumeRole", "sts:TagSession"], ["arn:*:iam::*:role/jobs"]),
    }
    (note,) = policy(f"--services={ONE}", f"--accounts={accounts}")[2]
    assert "each role jobs" in note


def test_a_policy_that_is_too_long_is_reported(policy):
    """The note gives the number of characters as AWS counts them."""
    code, out, notes = policy(f"--services={ALL}")
    size = len(json.dumps(json.loads(out), separators=(",", ":")))
    assert code == 0
    (note,) = notes
    assert f"{size:,} characters" in note
    assert "6,144" in note


def test_the_default_configuration_fits_into_a_managed_policy(policy):
    """The default configuration gets a policy that AWS accepts: its services share a statement."""
    _, out, notes = policy()
    assert notes == []
    (statement,) = json.loads(out)["Statement"]
    assert statement["Resource"] == "*"
    assert {"bedrock:ListModelInvocationJobs", "sagemaker:DescribeTrainingJob"} < set(statement["Action"])


def test_terraform(policy):
    """The output is a data source for other resources to refer to."""
    code, out, notes = policy("--output=terraform", f"--services={ONE}")
    assert (code, notes) == (0, [])
    assert (
        out
        == """\
data "aws_iam_policy_document" "aws_job_exporter" {
  statement {
    sid    = "Bedrock"
    effect = "Allow"
    actions = [
      "bedrock:GetModelInvocationJob",
      "bedrock:ListModelInvocationJobs",
    ]
    resources = [
      "*",
    ]
  }
}
"""
    )


def test_terraform_fmt_changes_nothing(policy, tool, tmp_path):
    """The output is valid HCL as well; nothing in it is taken for a template."""
    services = {**dict.fromkeys(CATALOG.names), "cleanrooms": {"memberships": ['${x}%{y}"\\é']}}
    (tmp_path / "policy.tf").write_text(policy("--output=terraform", f"--services={json.dumps(services)}")[1])
    assert r"membership/$${x}%%{y}\"\\é" in (tmp_path / "policy.tf").read_text()
    subprocess.run([tool("terraform"), "fmt", "-check", "-diff", str(tmp_path)], check=True)


@pytest.mark.parametrize(
    ("arguments", "wrong"), [(["--services={}", "--poll.interval=x"], "poll.interval"), (['--services={"x":{}}'], "x")]
)
def test_an_invalid_configuration_has_no_policy(policy, arguments, wrong):
    """One line says what is wrong."""
    code, out, (line,) = policy(*arguments)
    assert (code, out) == (2, "")
    assert wrong in line
