"""What groups add up to, wherever their jobs are listed, and what happens to it when other groups take them."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.jobs import Job, State
from exporter.store import Grouping, Sums, group_sums, maintain
from exporter.store.quantiles import QUANTILES
from tests.support.ledgers import LedgerOfATest, in_memory, waited

LOOKBACK = 1_000.0
NOW = 1_790_000_000.0
GROUPS = ("a", "b", "")


def by_letter(name, _tags=None):
    """Return the group of a job: the first letter of its name, unless it is c."""
    return name[0].replace("c", ""), ""


def turned(name, _tags=None):
    """Return the other group."""
    return {"a": "b", "b": "", "c": "a"}[name[0]], ""


SPANS = "SELECT length, state, jobs FROM span JOIN word ON word.n = dims WHERE source = ? AND text = ? AND state > 3"

BY_LETTER = Grouping("by letter", by_letter)

jobs = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from([State.SUCCEEDED, State.FAILED, State.RUNNING, State.PENDING, State.UNKNOWN]),
        # Few lengths, so that many are equal.
        st.sampled_from([0.0, 0.001, 1.0, 60.0, 7200.0]),
        st.floats(0.0, 900.0).map(round),
        # What is only known once AWS was asked for it.
        st.sampled_from(["reason", "times", "nothing"]),
    ),
    max_size=12,
)
listings = st.lists(st.tuples(st.integers(0, 2), jobs, st.booleans()), min_size=1, max_size=8)
"""Listings of several sources; whether AWS is asked for details after each."""


def listed(run, now):
    """Return a job as it is listed; the group that takes it is the value of a dimension, too."""
    number, state, length, age, unknown = run
    end, letter = now - age, "abc"[number % 3]
    is_told = unknown != "times"
    details = {"number": number} if unknown != "nothing" and state.is_final else None
    return Job(
        str(number),
        str(state),
        state,
        name=f"{letter}{number}",
        created=end - length - 5,
        started=end - length if is_told else None,
        ended=end if state.is_final and is_told else None,
        updated=end if state.is_final else None,
        dimensions=(letter,),
        details=details,
    )


def explained(job):
    """Return a job as its details tell of it."""
    message = "quota" if job.state is State.FAILED else ""
    return job._replace(message=message, started=job.started or job.created, ended=job.ended or job.updated)


def ledgers(grouping=BY_LETTER, **options):
    """Return three sources of one database, which do not know what they will be told."""
    database = in_memory()
    return [
        LedgerOfATest(
            LOOKBACK, lambda job: job.message or "other", (60.0,), database=database, grouping=grouping, **options
        )
        for _ in range(3)
    ]


def take(sources, step, now, number):
    """Have one of the sources take in a listing, and ask for details."""
    place, runs, is_asked = step
    sources[place].take([listed(run, now) for run in {run[0]: run for run in runs}.values()], now)
    for job in sources[place].waiting() if is_asked else ():
        sources[place].complete(explained(job), now, is_refused=number % 3 == 0)


def of_group(sources, name):
    """Return what a group adds up to, as it is kept."""
    database = sources[0].database
    row = database.groups.get(name)
    return waited(group_sums(database, [row.n]))[row.n].sums if row else Sums()


def gauges(sums):
    """Return what is known of the jobs that are held."""
    statuses: Counter[tuple[State, str]] = Counter()
    for (_, state, reason), number in sums.statuses.items():
        statuses[state, reason] += number
    quantiles = {state: times.quantiles for state, times in sums.durations.items() if times.quantiles}
    oldest: dict[State, float] = {}
    for (_, state), time in sums.oldest_active.items():
        oldest[state] = min(time, oldest.get(state, math.inf))
    return +statuses, quantiles, oldest


def counters(sums):
    """Return what outlives the jobs."""
    durations = {state: (times.counts, round(times.sum, 3)) for state, times in sums.durations.items() if times.count}
    # A later failure with a reason takes the place of one that has none yet, which may be another source's.
    last = {key: end for key, end in sums.last.items() if key != (State.FAILED, "")}
    return +sums.finished_total, +sums.failed_total, durations, last, sums.last_created


def added_up(sources, letter):
    """Return the same, added up from what the sources know of the jobs that have a letter."""
    whole = Sums()
    lengths: dict[int, list[float]] = {}
    for source in sources:
        sums = source.sums.get((letter,), Sums())
        whole.statuses += sums.statuses
        whole.finished_total += sums.finished_total
        whole.failed_total += sums.failed_total
        for state, times in sums.durations.items():
            whole.durations[state].counts += times.counts
            whole.durations[state].sum += times.sum
        for key, end in sums.last.items():
            whole.last[key] = max(end, whole.last.get(key, end))
        for key, time in sums.oldest_active.items():
            whole.oldest_active[key] = min(time, whole.oldest_active.get(key, time))
        whole.last_created = max(filter(None, (whole.last_created, sums.last_created)), default=None)
        for length, state, number in source.database.connection.execute(SPANS, (source.number, f'["{letter}"]')):
            lengths.setdefault(state, []).extend([length / 1000] * number)
    for state, each in lengths.items():
        ranks = {quantile / 1000: math.ceil(quantile * len(each) / 1000) - 1 for quantile in QUANTILES}
        states = {4: State.SUCCEEDED, 6: State.FAILED}
        whole.durations[states[state]].quantiles = {name: sorted(each)[rank] for name, rank in ranks.items()}
    return whole


@settings(max_examples=50)
@given(listings)
def test_a_group_adds_up_to_its_jobs_whatever_comes_and_goes(steps):
    """Jobs of several sources are created, end, run again, are explained, leave the lookback, or are deleted."""
    sources = ledgers()
    for number, step in enumerate(steps):
        take(sources, step, NOW + 300 * number, number)
        for letter in "ab":
            found, expected = of_group(sources, letter), added_up(sources, letter)
            assert gauges(found) == gauges(expected)
            assert counters(found) == counters(expected)
        assert not sources[0].database.connection.execute("SELECT 1 FROM span_change").fetchall()


@settings(max_examples=25)
@given(listings, listings)
def test_jobs_move_to_other_groups_when_the_configuration_changes(before, after):
    """What is known of them moves at once; the counters of a group go on as they were."""
    sources = ledgers()
    for number, step in enumerate(before):
        take(sources, step, NOW + 300 * number, number)
    counted = {letter: of_group(sources, letter).finished_total for letter in "ab"}
    others = Grouping("turned", turned)
    sources = [
        LedgerOfATest(LOOKBACK, lambda job: job.message or "other", (60.0,), before=each, grouping=others)
        for each in sources
    ]
    for number, step in enumerate([(0, [], False), *after]):
        if number:
            take(sources, step, NOW + 300 * (len(before) + number), number)
        else:
            assert {letter: of_group(sources, letter).finished_total for letter in "ab"} == counted
        for group, letter in (("b", "a"), ("a", "c")):
            assert gauges(of_group(sources, group)) == gauges(added_up(sources, letter))


@settings(max_examples=15)
@given(listings)
def test_a_source_that_is_gone_takes_its_jobs_along(steps):
    """They are not read any more. What they counted stays, and what comes back is in its group again."""
    sources = ledgers()
    for number, step in enumerate(steps):
        take(sources, step, NOW + 300 * number, number)
    gone, *others = sources
    keys, database = [each.key for each in others], gone.database
    counted = of_group(sources, "a").finished_total
    waited(maintain(database, keys, NOW, LOOKBACK))
    assert gauges(of_group(sources, "a")) == gauges(added_up(sources, "a"))
    waited(maintain(database, keys, NOW + 60, LOOKBACK))
    assert gauges(of_group(sources, "a")) == gauges(added_up(others, "a"))
    assert of_group(sources, "a").finished_total == counted
    back = LedgerOfATest(LOOKBACK, gone.classify, (60.0,), before=gone, grouping=BY_LETTER)
    assert gauges(of_group(sources, "a")) == gauges(added_up([back, *others], "a"))
    waited(maintain(database, keys, NOW + 120, LOOKBACK))
    waited(maintain(database, keys, NOW + 3 * LOOKBACK, LOOKBACK))
    assert gauges(of_group(sources, "a")) == gauges(added_up(others, "a"))


def test_counters_of_a_group_are_born_at_zero():
    """Nobody could see their first step otherwise, of a group whose name came with a job."""
    source = LedgerOfATest(LOOKBACK, str, born_at_zero=True, grouping=BY_LETTER)
    source.take([], NOW)
    source.take([Job("1", "failed", State.FAILED, name="a1", created=NOW, ended=NOW + 10, message="x")], NOW + 20)
    number = source.database.groups["a"].n
    (found,) = waited(group_sums(source.database, [number])).values()
    assert found.sums.finished_total[State.FAILED] == 0
    assert {each.table for each in found.newborn} == {"finished_total", "failed_total", "duration_total"}


@pytest.mark.parametrize("names", [["a1", "b1"], ["", ""]])
def test_a_job_without_a_name_is_known_by_its_id(names):
    """The last part of it: nobody writes ARNs into a configuration."""
    source = LedgerOfATest(LOOKBACK, str, grouping=BY_LETTER)
    pairs = zip(names, ["arn:job/a1", "arn:job/b1"], strict=True)
    source.take([Job(identifier, "running", State.RUNNING, name=name) for name, identifier in pairs], NOW)
    assert [of_group([source], group).statuses.total() for group in "ab"] == [1, 1]
