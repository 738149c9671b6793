"""What is said to read each family: as the code, the rules and the dashboards have it."""

from exporter.families import SOURCE_FAMILIES
from exporter.settings import readership
from tools import exported
from tools.readership import written

DETAILS = {family.name for family in SOURCE_FAMILIES if family.is_detail}
"""The families that only `metrics.exporter_details` brings."""


def test_it_is_up_to_date():
    """`make docs` writes it."""
    assert readership.FILE.read_text() == written()


def test_every_family_has_its_name_there():
    """A choice among families refuses every other name."""
    assert set(readership.families()) == {family.name for family in exported.families()}


def test_readers_read_families():
    """They read none that only details bring: what they read is there in any configuration that does not exclude it."""
    found = list(readership.readers())
    assert {sort for sort, _, _ in found} == {"alert", "recording rule", "dashboard"}
    assert all(set(read) <= set(readership.families()) for _, _, read in found)
    assert not any(set(read) & DETAILS for _, _, read in found)
    read = {name: read for _, name, read in found}
    # Through the recording rule of the usual time.
    assert set(read["AwsJobRunsTooLong"]) == {"aws_job_duration_seconds", "aws_job_oldest_active_timestamp_seconds"}
