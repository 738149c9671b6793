"""Which readers would not read everything by default: said before they are pointed at it."""

from pathlib import Path

import pytest

from exporter.cli import main
from exporter.cli.diagnosis import Report
from exporter.cli.forecast import unread
from exporter.cli.readers import LIMITS, exceeded
from exporter.settings import load
from tests.support.harness import BEDROCK, CATALOG

ROLES = [{"role_arn": f"arn:aws:iam::{number:012}:role/x", "regions": ["us-east-1"]} for number in range(1, 101)]


@pytest.mark.parametrize(
    ("series", "size", "names"),
    [
        (2_000, 10_000_000, []),
        (2_001, 10_000_000, ["Datadog's OpenMetrics check"]),
        (2_000, 10_000_001, ["Fluent Bit"]),
        (2_001, 16_777_217, ["Datadog's OpenMetrics check", "Fluent Bit", "vmagent"]),
        (40_000, None, ["Datadog's OpenMetrics check"]),
        (100_000, None, ["Datadog's OpenMetrics check", "Fluent Bit", "vmagent"]),
    ],
)
def test_a_reader_is_named_above_its_limit(series, size, names):
    """Of series or of bytes; without a size, there are as many bytes as such series usually have."""
    assert [reader.name for reader in exceeded(series, size)] == names


@pytest.mark.parametrize(
    ("accounts", "services", "said"),
    [
        ([{}], {"bedrock": {"kinds": [BEDROCK.key]}}, []),
        (ROLES, {"bedrock": {"kinds": [BEDROCK.key]}}, ["with jobs in every list, there are about"]),
        (ROLES, {"bedrock": {}, "glue": {}, "sagemaker": {}}, ["there are at least"]),
    ],
    ids=["few", "many once there are jobs", "many from the start"],
)
def test_a_configuration_tells_which_limit_it_will_meet(accounts, services, said):
    """From the start, or as soon as there are jobs."""
    settings = load(CATALOG, defaults={"accounts": accounts, "services": services})
    sentences = [each for each in unread(settings, CATALOG) if each.startswith("Datadog")]
    assert len(sentences) == len(said)
    assert all(part in sentence for part, sentence in zip(said, sentences, strict=True))


def test_check_config_says_it(tmp_path, capsys):
    """With the setting that lifts the limit."""
    file = tmp_path / "exporter.yml"
    regions = "us-east-1, us-west-2, eu-west-1, eu-central-1"
    file.write_text(f"accounts: [{{regions: [{regions}]}}]\nservices: {{bedrock: {{}}, glue: {{}}, sagemaker: {{}}}}\n")
    assert main(["check-config", str(file)]) == 0
    assert f"{file}: Datadog's OpenMetrics check reads at most 2,000 series unless max_returned_metrics" in (
        capsys.readouterr().out
    )


def test_the_doctor_says_it():
    """At the end of its report, and to programs by name."""
    assert "Datadog" not in Report([], 2_000, 400_000).text(every_row=False)
    report = Report([], 2_001, 400_000)
    assert report.text(every_row=False).endswith(
        "/metrics has 2,001 series. "
        "Datadog's OpenMetrics check reads at most 2,000 series unless max_returned_metrics is higher."
    )
    assert report.plain()["total"]["unread_by"] == ["Datadog's OpenMetrics check"]


def test_the_documents_have_each_limit():
    """With the setting that lifts it."""
    rows = (Path(__file__).parents[2] / "docs" / "readers.md").read_text().splitlines()
    for reader in LIMITS:
        assert any(f"`{reader.setting}`" in row and f"{reader.limit:,} {reader.unit}" in row for row in rows), reader
