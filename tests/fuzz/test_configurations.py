"""Configurations with one thing wrong: one line that names the place, never a traceback."""

import contextlib
import copy
import io
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import main
from exporter.settings import ENVIRONMENT_PREFIX, ConfigurationError, Settings, load
from exporter.settings.flags import paths
from tests.support.effort import bounded
from tests.support.harness import CATALOG
from tests.support.wild import HOSTILE, texts

pytestmark = pytest.mark.slow

EVERYTHING = Path(__file__).parents[1] / "settings" / "everything.ok.yml"
FURTHER = """
kinds:
  import_job: {service: bedrock, title: Import, operation: ListModelImportJobs, items: modelImportJobSummaries,
    id: jobArn, status: status, states: {running: [InProgress], succeeded: [Completed], failed: [Failed]},
    times: {created: creationTime}, arguments: {sortBy: CreationTime}, dimensions: {model: importedModelName}}
reasons: [{name: disk, reason: resource_exhausted, text: no space left}]
"""
VALID = {**yaml.safe_load(EVERYTHING.read_text()), **yaml.safe_load(FURTHER)}

HOLE = "the-wrong-value"
WRONG = (
    *("null", "[]", "{}", "''", "true", "-1", "0", "1.5", "1e300", ".nan", "-.inf", "9" * 400),
    *("abc", "5x", "2026-01-01", "2026-13-45", "190:20:30", "!!binary aGk=", "!!binary x"),
    *("!!float abc", "!!str [a]", "!!set {a}", "!!omap [a: 1]", "!no%0Asuch x"),
    *("!!python/object:os.system {}", "{1: 2}", "{null: 1}", "{2026-01-01: x}", "{!!binary aGk=: 1}", "{? [a] : b}"),
    *("{a: 1, a: 2}", "{<<: 5}", "[null]", "[2026-01-01]", "[[a]]", "[{}]", "*nowhere"),
    *("&a x y: *a", "[", "}", '"', "'", "\t", "@", "a: b", "- a", "\x07", "\udcff", "'['", "'{'", "'$x'", "'../x'"),
    *("[" * 60 + "]" * 60, "'a{99999999999999}'"),
    *('"\\0"', '"\\uD800"', '"a\\nb"', '"\\u2028"', '"\\x1b[2J"'),
)
"""Replacements for a value, as YAML writes them; some of them are not valid YAML."""

values = st.sampled_from(WRONG) | texts.map(json.dumps)


def places(content, path=()):
    """Yield the path of every value."""
    yield path
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


PLACES = [path for path in places(VALID) if path]


def changed(path, change):
    """Return the valid configuration as YAML, with one part changed."""
    content = copy.deepcopy(VALID)
    part = content
    for step in path[:-1]:
        part = part[step]
    change(part, path[-1])
    return yaml.safe_dump(content, sort_keys=False)


def one_line_each(problems):
    """Assert that problems are single lines without terminal control sequences."""
    for problem in problems:
        assert problem
        assert len(problem.splitlines()) == 1
        assert not re.search("[\x00-\x1f\x7f-\x9f]", problem)
        problem.encode()


def refused(file):
    """Return the problems of a file, empty if it is valid; fail on anything but a ConfigurationError."""
    try:
        settings = load(CATALOG, file)
    except ConfigurationError as error:
        one_line_each(error.problems)
        return error.problems
    assert isinstance(settings, Settings)
    settings.selections(settings.catalog(CATALOG))
    return ()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Return the path of the configuration, which each example overwrites."""
    return tmp_path_factory.mktemp("configurations") / "exporter.yml"


def test_the_configuration_before_the_mistakes_is_valid(file):
    """Otherwise everything below would be refused for another reason."""
    file.write_text(yaml.safe_dump(VALID))
    assert not refused(file)


@bounded(60)
@given(path=st.sampled_from(PLACES), value=values)
def test_an_invalid_value_is_named(file, path, value):
    """The message names the file and the key, or the line where the YAML is invalid."""
    text = changed(path, lambda part, key: part.__setitem__(key, HOLE)).replace(HOLE, value)
    file.write_bytes(text.encode(errors="surrogateescape"))
    top = path[0]
    for problem in refused(file):
        place = problem.removeprefix(str(file))
        assert re.match(rf": ({top}|kinds|services|accounts)\b|:\d+: not valid YAML|: not ", place), problem


@bounded(50)
@given(
    path=st.sampled_from(PLACES), key=texts.filter(str.isidentifier) | st.sampled_from(("intervall", "x", "no-such"))
)
def test_an_unknown_key_is_named(file, path, key):
    """The unknown key is added beside the known keys of every section."""
    beside = [one for one in PLACES if one[:-1] == path[:-1]]
    part = path[:-1]
    free = part in {("services",), ("services", "bedrock")} or any(isinstance(one[-1], int) for one in beside)
    text = changed(path, lambda part, _: part.__setitem__(key, 1) if isinstance(part, dict) else None)
    file.write_text(text)
    found = refused(file)
    if not free and (*part, key) not in PLACES:
        assert found
        assert all(str(file) in problem for problem in found)
        assert any(key[:100] in problem for problem in found)


FILES = {
    "bytes": bytes(range(256)),
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "UTF-16": "poll: {}".encode("utf-16"),
    "Latin-1": "log: {level: é}".encode("latin-1"),
    "a tab": b"poll:\n\tinterval: 1m\n",
    "a key twice": b"poll: {}\npoll: {}\n",
    "two documents": b"poll: {}\n---\nlog: {}\n",
    "a text": b"poll",
    "a list": b"- poll\n",
    "a wrong month": b"poll:\n  interval: 2026-13-01\n",
    "a control character": b"poll: {}\nlog: {level: \x07}\n",
}  # fmt: skip


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_check_config_reports_an_invalid_configuration_in_one_line(file, content, capsys):
    """The exit code is 2, and the line has the file's name and no traceback."""
    file.write_bytes(content)
    assert main(["check-config", str(file)]) == 2
    said = capsys.readouterr().err
    assert str(file) in said
    one_line_each(said.removesuffix("\n").split("\n"))
    assert "Traceback" not in said


def test_a_byte_order_mark_is_accepted(file):
    """Editors on Windows write one."""
    file.write_bytes(b"\xef\xbb\xbfpoll: {interval: 2m}\n")
    assert not refused(file)


def test_a_path_that_is_not_a_file_is_named(tmp_path):
    """It may be a folder, or not exist at all."""
    for place in (tmp_path, tmp_path / "missing.yml", tmp_path / "missing" / "exporter.yml"):
        assert len(refused(place)) == 1
        assert refused(place)[0].startswith(f"{place}: ")


VARIABLES = sorted("__".join(path).upper() for path in paths() if path != ("config", "file"))
unset = st.sampled_from([*HOSTILE, *WRONG]) | texts


@bounded(60)
@given(name=st.sampled_from(VARIABLES), value=unset)
def test_an_invalid_variable_is_named(name, value):
    """The message has the name of the environment variable."""
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return
    if "\0" in value:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"{ENVIRONMENT_PREFIX}{name}", value)
        assert all(name in problem or name.partition("__")[0].lower() in problem for problem in refused(None))


@bounded(60)
@given(path=st.sampled_from(sorted(paths() - {("web", "config", "file")})), value=unset)
def test_an_invalid_flag_is_named(file, path, value):
    """The exit code is 2 with the flag's name, from argparse or the settings; a bad file is named instead."""
    file.write_text("{}")
    flag = f"--{'.'.join(path).replace('_', '-')}"
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main([f"{flag}={value}", "check-config", str(file)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    assert code in (0, 2)
    assert "Traceback" not in said.getvalue()
    if code == 2:
        assert flag in said.getvalue()
