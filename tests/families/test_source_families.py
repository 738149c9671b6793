"""How reading a source goes, as metrics: up or down, why, and since when."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition import Exposition, Format
from exporter.families import metrics, source_families
from exporter.jobs import SourceKey
from exporter.settings import Metrics
from exporter.telemetry import SourceStatus

KEY = SourceKey("111122223333", "us-east-1", "cleanroomsml", "trained_model_version", "m-1")
P = "aws_job_exporter_"
USUAL, DETAILED = Metrics(), Metrics(exporter_details=True)


def exposed(settings=USUAL, **fields):
    """Return the samples of a source's status by name, and the labels that they carry."""
    status = SourceStatus(KEY, 60.0, **fields)
    exposition = Exposition(CollectorRegistry(), lambda: 0.0)
    exposition.publish("it", metrics(source_families(settings), SourceKey._fields, [(KEY, status)]))
    families = text_string_to_metric_families(exposition.render(Format.TEXT).decode())
    return {sample.name: (sample.value, sample.labels) for family in families for sample in family.samples}


def values(*settings, **fields):
    """Return the values of a source's status by the name without the prefix."""
    return {name.removeprefix(P): value for name, (value, _) in exposed(*settings, **fields).items()}


def test_a_source_that_was_never_polled_is_neither_up_nor_down():
    """After a restart its last numbers are shown at once, and only a poll can tell whether AWS still gives them."""
    assert values() == {"source_interval_seconds": 60}


def test_a_source_that_was_read_is_up():
    """Where nothing is the matter with it, it has three series."""
    quiet = {"attempts": 3, "last_success": 1234.5, "last_duration": 0.25, "jobs": 7, "series": 9}
    three = {"source_up": 1, "source_last_success_timestamp_seconds": 1234.5, "source_interval_seconds": 60}
    assert values(**quiet, details_pending=0) == three
    assert values(**quiet, details_pending=2) == {**three, "details_pending": 2}
    assert values(attempts=3, last_success=1234.5, children=4) == three


def test_in_detail_a_source_tells_more():
    """How its last poll went, and what it holds or found."""
    known = {"attempts": 3, "last_success": 1234.5, "last_duration": 0.25}
    more = values(DETAILED, **known, jobs=7, series=9).items() - values(**known, jobs=7, series=9).items()
    assert dict(more) == {
        "source_consecutive_failures": 0,
        "source_last_poll_duration_seconds": 0.25,
        "jobs": 7,
        "series": 9,
    }
    assert values(DETAILED, **known, children=4)["source_children"] == 4


def test_families_can_be_left_out():
    """By name or by pattern, also among those that are chosen."""
    chosen = Metrics(families={"include": [f"{P}source_*"], "exclude": [f"{P}source_up"]})
    assert values(chosen, attempts=1, last_success=1.0, jobs_dropped=3).keys() == {
        "source_last_success_timestamp_seconds",
        "source_interval_seconds",
    }


def test_a_source_that_failed_is_down_and_says_why():
    """Its last success stays, so that an alert can show how long ago it was."""
    down = {"attempts": 3, "consecutive_failures": 2, "last_success": 1000.0, "reason": "throttled"}
    found = exposed(**down, error="Rate exceeded")
    assert found[f"{P}source_up"][0] == 0
    assert values(DETAILED, **down)["source_consecutive_failures"] == 2
    assert found[f"{P}source_last_success_timestamp_seconds"][0] == 1000.0
    assert found[f"{P}source_failure_info"] == (1, {**KEY._asdict(), "reason": "throttled"})


def test_the_text_of_an_error_is_not_a_label():
    """Free text would turn every request id into a series."""
    found = exposed(attempts=1, consecutive_failures=1, reason="throttled", error="Rate exceeded, request made-up")
    assert "made-up" not in str(found)


def test_every_metric_carries_the_labels_of_the_source():
    """They let it join with the metrics of the jobs."""
    found = exposed(DETAILED, attempts=1, last_success=1.0, jobs=0, details_pending=1)
    assert all(labels == KEY._asdict() for _, labels in found.values())


def test_the_name_of_a_scope_has_its_own_metric():
    """Names change, and a join finds them."""
    found = exposed(attempts=1, scope_kind="membership", scope_name="with Example Corp")
    named = {**KEY._asdict(), "scope_kind": "membership", "scope_name": "with Example Corp"}
    assert found["aws_job_scope_info"] == (1, named)
    assert "aws_job_scope_info" not in exposed(attempts=1)


@pytest.mark.parametrize(
    ("attempts", "failures", "up"), [(0, 0, False), (1, 0, True), (1, 1, False), (9, 3, False), (9, 0, True)]
)
def test_up_follows_the_last_poll(attempts, failures, up):
    """The number of earlier failures makes no difference."""
    assert SourceStatus(KEY, 60.0, attempts=attempts, consecutive_failures=failures).is_up is up


def test_what_a_source_drops_is_reported_with_the_limit_responsible():
    """Nothing is reported while nothing is missing."""
    found = exposed(
        DETAILED, series=40, series_dropped={("aws_job_info", "series"): 9}, jobs_dropped=3, sources_dropped=2
    )
    assert found[f"{P}series"][0] == 40
    assert found[f"{P}series_dropped"] == (9, {**KEY._asdict(), "family": "aws_job_info", "bound": "series"})
    assert (found[f"{P}jobs_dropped"][0], found[f"{P}sources_dropped"][0]) == (3, 2)
    assert not {f"{P}series_dropped", f"{P}jobs_dropped", f"{P}sources_dropped"} & exposed(DETAILED, series=40).keys()
