"""What is said to read each family: as the code, the rules and the dashboards have it."""

from exporter.settings import readership
from tools import exported
from tools.readership import written


def test_it_is_up_to_date():
    """`make docs` writes it."""
    assert readership.FILE.read_text() == written()


def test_every_family_has_its_name_there():
    """A choice among families refuses every other name."""
    assert set(readership.families()) == {family.name for family in exported.families()}


def test_readers_read_families():
    """Each sort of reader is there, and a reader without families would not be ours."""
    found = list(readership.readers())
    assert {sort for sort, _, _ in found} == {"alert", "recording rule", "dashboard"}
    assert all(set(read) <= set(readership.families()) for _, _, read in found)
    read = {name: read for _, name, read in found}
    # Through the recording rule of the usual time.
    assert set(read["AwsJobRunsTooLong"]) == {"aws_job_duration_seconds", "aws_job_oldest_active_timestamp_seconds"}
