"""Which of the exporter's own metrics are exposed, and by which labels."""

from fnmatch import fnmatchcase

import pytest

from exporter.telemetry import Telemetry

DURATION, REQUESTS, SOURCES = (
    f"aws_job_exporter_{name}" for name in ("poll_duration_seconds", "aws_requests_total", "sources")
)


def every(_name):
    """Take every family."""
    return True


def working(telemetry):
    """Have an exporter poll once, with one request; return what it exposes by name, with all labels."""
    telemetry.polled("batch", "job", took=2.0)
    telemetry.requested("batch", "ListJobs", "200", took=0.2)
    return {sample.name: sample.labels for family in telemetry.registry.collect() for sample in family.samples}


def test_times_and_requests_are_told_by_service():
    """Few series, since every service has them."""
    told = working(Telemetry())
    assert told[f"{DURATION}_count"] == {"aws_service": "batch"}
    assert told[REQUESTS] == {"aws_service": "batch", "code": "200"}
    assert not any(name.startswith("python_gc") for name in told)


def test_in_detail_by_kind_and_operation():
    """With finer buckets, among them all of the coarse ones: who asks for those finds them in both."""

    def bounds(telemetry):
        working(telemetry)
        samples = [sample for family in telemetry.registry.collect() for sample in family.samples]
        return {(sample.name, sample.labels["le"]) for sample in samples if "le" in sample.labels}

    telemetry = Telemetry()
    coarse = bounds(telemetry)
    telemetry.configure(is_detailed=True, takes=every)
    told = working(telemetry)
    assert told[f"{DURATION}_count"] == {"aws_service": "batch", "kind": "job"}
    assert told[REQUESTS] == {"aws_service": "batch", "operation": "ListJobs", "code": "200"}
    assert any(name.startswith("python_gc") for name in told)
    assert coarse < bounds(telemetry)


def test_a_reload_without_details_ends_them():
    """What has no more labels in detail keeps what it counted."""
    telemetry = Telemetry()
    telemetry.poll_errors.inc("batch", "job", "throttled")
    telemetry.configure(is_detailed=True, takes=every)
    working(telemetry)
    telemetry.configure(is_detailed=False, takes=every)
    told = working(telemetry)
    assert told[REQUESTS] == {"aws_service": "batch", "code": "200"}
    assert not any(name.startswith("python_gc") for name in told)
    assert told["aws_job_exporter_poll_errors_total"]["reason"] == "throttled"


def test_only_what_is_taken_is_exposed():
    """Neither a gauge's function nor a counter is asked for what is left out; what is taken again goes on."""
    telemetry = Telemetry()
    asked = iter([7])
    telemetry.sources.set_function(lambda: next(asked))
    telemetry.configure(is_detailed=False, takes=lambda name: not fnmatchcase(name, f"{SOURCES}*"))
    assert not any(name.startswith(SOURCES) for name in working(telemetry))
    telemetry.configure(is_detailed=False, takes=every)
    assert telemetry.registry.get_sample_value(SOURCES) == 7


@pytest.mark.parametrize("details", [False, True])
def test_what_the_process_tells_can_be_left_out_as_a_whole(details):
    """It is no family of the exporter's."""
    telemetry = Telemetry(process=False)
    telemetry.configure(is_detailed=details, takes=every)
    assert all(name.startswith("aws_job_exporter_") for name in working(telemetry))
