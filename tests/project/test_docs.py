"""The documents match the code: metrics, settings, commands, rooms, permissions, counts, links and queries."""

import json
import re
import shlex
import subprocess
import textwrap
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, TypeAdapter

from exporter import cli
from exporter.aws import PollErrorReason
from exporter.catalog import Catalog, Kind
from exporter.cli.commands import argument_parser
from exporter.exposition import Exposition
from exporter.jobs import FAILURES, Reason, SourceKey, State
from exporter.reasons import REMEDIES
from exporter.settings import (
    ENVIRONMENT_PREFIX,
    Account,
    EventQueue,
    Group,
    Organization,
    ServiceSettings,
    Settings,
    load,
)
from exporter.web import Site, create_app
from exporter.web.server.connections import ConnectionLimits
from exporter.web.toolkit import schema
from exporter.web.views.parameters import JobParameters, SourcePageParameters
from tests.project.test_layers import ROOMS
from tests.support import harness
from tests.support.greeting import self_signed
from tests.support.inside import inside
from tools import advice_page, fault_page, metrics_page, settings_page
from tools.exported import Row, families, series

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
METRICS = ROOT / "docs" / "metrics.md"
CHANGELOG = ROOT / "CHANGELOG.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = ROOT / "docs" / "pages.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
CONCEPTS = ROOT / "docs" / "concepts.md"
COMMANDS = ROOT / "docs" / "commands.md"
ALERTS = ROOT / "docs" / "alerts.md"
IAM = ROOT / "docs" / "iam.md"
WEB = ROOT / "docs" / "web.md"
INDEX = ROOT / "docs" / "README.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
SCALING = ROOT / "docs" / "scaling.md"
RULES = ROOT / "config" / "prometheus" / "rules" / "aws-job-exporter.yml"
DASHBOARDS = ROOT / "config" / "grafana" / "dashboards"
SAMPLE = ROOT / "config" / "exporter.yml"
EXAMPLES = sorted(file for file in (ROOT / "config" / "examples").glob("*.yml") if file.name != "web.yml")
CATALOG = Catalog()

DOCUMENTS = [
    file
    for file in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part in {"build", "dist"} for part in file.relative_to(ROOT).parts)
]
WITH_QUERIES = [document for document in DOCUMENTS if "```promql" in document.read_text()]


INNER: dict[str, list[tuple[Any, str]]] = {
    "accounts": [(Account, "[]"), (Organization, ".organization")],
    "events": [(EventQueue, "[]")],
    "groups": [(Group, "[]")],
    "services": [(ServiceSettings, ".SERVICE")],
}
"""The models behind settings that are lists, or have keys chosen by the user, and how their keys are written."""


def named(file: Path) -> str:
    """Return a file's path relative to the repository."""
    return str(file.relative_to(ROOT))


# What the code has.


def settings(model: Any = Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of the configuration with its field."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{key}.")
            continue
        yield key, field
        for inner, step in INNER.get(key, ()):
            yield from settings(inner, f"{key}{step}.")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    return argument_parser()


def commands() -> dict[str, ArgumentParser]:
    """Return the parser of each command."""
    (action,) = (action for action in parser()._actions if isinstance(action, _SubParsersAction))
    return dict(action.choices)


# What the documents say.


def blocks(document: Path, language: str) -> list[str]:
    """Return the code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


def table(document: Path, *columns: str) -> list[list[str]]:
    """Return the rows of the tables whose header starts with `columns`, without the code markup."""
    rows: list[list[str]] = []
    inside = False
    for line in document.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif tuple(cells[: len(columns)]) == columns:
            inside = True
        elif inside and not re.fullmatch(r"[|\s:-]+", line):
            rows.append([cell.strip("`") if cell.count("`") == 2 else cell for cell in cells])
    return rows


def documented(document: Path, labels: str) -> list[Row]:
    """Return the families in the tables whose third column has this title."""
    rows = table(document, "name", "type", labels)
    return [Row(name, kind, tuple(re.findall(r"\w+", words))) for name, kind, words, *_ in rows]


def code(document: Path) -> str:
    """Return all code of a document: blocks, and what is between backticks."""
    return "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", document.read_text(), re.DOTALL | re.MULTILINE))


def queries(document: Path) -> list[str]:
    """Return the queries of a document; an empty line ends a query."""
    return [query for block in blocks(document, "promql") for query in re.split(r"\n\s*\n", block.strip())]


def calls(document: Path) -> list[list[str]]:
    """Return the arguments of each command line of the exporter in a document's code."""
    found = re.findall(r"(?:^|[`/ ])aws-job-exporter((?: +[^\s`|>&;]+)*) *(?=$|[`|>&;])", code(document), re.MULTILINE)
    return [arguments for line in found if (arguments := shlex.split(line)) and not is_path(arguments[0])]


def flags(document: Path) -> set[str]:
    """Return the flags that a document mentions in sentences and tables."""
    return set(re.findall(r"`(--[a-z.-]+)", document.read_text()))


def is_path(word: str) -> bool:
    """Whether a word after the program's name is not one of its arguments: `git clone`, `make -C`, `kubectl exec`."""
    return word == "--" or (not word.startswith("--") and word not in commands())


def links(text: str) -> list[str]:
    """Return the targets of a text's links."""
    return re.findall(r"\]\(([^)\s]+)\)", text)


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


# Metrics.


def test_the_tables_of_metrics_match_the_code() -> None:
    """`make docs` would change nothing: names, types, labels and meanings come from the families."""
    assert METRICS.read_text() == metrics_page.written(METRICS.read_text())


def test_the_table_of_faults_matches_the_tests() -> None:
    """`make docs` would change nothing."""
    text = RELIABILITY.read_text()
    assert "\n| fault | account |" in text
    assert text == fault_page.written(text)


def test_every_family_is_documented_and_no_other() -> None:
    """docs/metrics.md has each family once."""
    rows = [*documented(METRICS, "further labels"), *documented(METRICS, "labels")]
    assert set(rows) == families()
    assert len(rows) == len(families())


def test_the_labels_of_a_source_are_documented() -> None:
    """docs/metrics.md explains each label that all families about jobs carry."""
    assert [row[0] for row in table(METRICS, "label", "meaning")] == [*SourceKey._fields]


def test_every_family_has_a_query() -> None:
    """docs/metrics.md has a query for each family."""
    used = {word for query in queries(METRICS) for word in re.findall(r"\w+", query)}
    names = {row.name: {row.name, f"{row.name}_bucket", f"{row.name}_count"} for row in families()}
    assert [name for name, series in names.items() if not series & used] == []


@pytest.mark.parametrize("document", [file for file in DOCUMENTS if file != CHANGELOG], ids=named)
def test_named_metrics_exist(document: Path) -> None:
    """Whatever a document formats like one of our metrics is one; deviations from a plan may name other ones.

    Recorded series, `source:aws_jobs_pending:sum`, are those of the rules.
    """
    text = re.sub(r"^## Departures.*?(?=^## |\Z)", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    words = set(re.findall(r"(?<!:)\b(?:aws_jobs?_\w*[a-z]|aws_jobs)\b", text))
    assert words - {"aws_job_exporter"} - series() - {family.name for family in families()} == set()


@pytest.mark.parametrize("document", WITH_QUERIES, ids=named)
def test_queries_are_promql(document: Path, tmp_path: Path, tool: Callable[[str], str]) -> None:
    """Promtool understands every query."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries(document))]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    result = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("document", [README, ALERTS], ids=named)
def test_the_scrape_configuration_is_valid(document: Path, tmp_path: Path, tool: Callable[[str], str]) -> None:
    """Promtool accepts a document's configuration of Prometheus."""
    (example,) = (block for block in blocks(document, "yaml") if block.startswith("scrape_configs:"))
    file = tmp_path / "prometheus.yml"
    file.write_text(example)
    subprocess.run([tool("promtool"), "check", "config", file], check=True)


def test_every_state_and_reason_is_explained() -> None:
    """The tables of states and of reasons list every value in the code, and no other."""
    states = [word for row in table(CONCEPTS, "state", "meaning") for word in re.findall(r"\w+", row[0])]
    assert states == [*State]
    reasons = table(CONCEPTS, "reason", "meaning", "what helps")
    assert [(row[0], row[-1]) for row in reasons] == [(reason, REMEDIES[reason]) for reason in Reason]


def test_every_reason_of_a_failed_poll_is_explained() -> None:
    """docs/metrics.md explains each reason why a poll fails."""
    assert [row[0] for row in table(METRICS, "reason", "meaning")] == [*PollErrorReason]


# Configuration.


def test_every_setting_is_documented_and_no_other() -> None:
    """docs/configuration.md has each key once; the keys of scopes come from the catalog."""
    keys = [row[0] for row in table(CONFIGURATION, "key", "flag", "default", "meaning")]
    assert sorted(keys) == sorted([*dict(settings()), "services.SERVICE.SCOPES"])


def test_the_table_of_settings_matches_the_fields() -> None:
    """`make docs` would change nothing: keys, flags, defaults and meanings come from the fields."""
    text = CONFIGURATION.read_text()
    assert settings_page.written(text) == text


@pytest.mark.parametrize("row", table(CONFIGURATION, "key", "flag", "default", "meaning"), ids=lambda row: row[0])
def test_settings_are_documented_correctly(row: list[str]) -> None:
    """Each row names a flag that exists and the default that the setting has, and says what it is for."""
    key, flag, default, meaning = row
    assert meaning
    options = parser()._option_string_actions
    expected = "" if any(word in key for word in ("[]", "SERVICE", "organization")) else f"--{key.replace('_', '-')}"
    assert flag == expected
    assert not flag or flag in options
    field = dict(settings()).get(key)
    if field is None or field.is_required():
        assert not default
        return
    value = TypeAdapter(field.rebuild_annotation()).validate_python(yaml.safe_load(default)) if default else None
    assert value == field.get_default(call_default_factory=True)


def test_every_flag_is_documented() -> None:
    """Each flag for a setting is in the table of docs/configuration.md."""
    documented = {row[1] for row in table(CONFIGURATION, "key", "flag", "default", "meaning")}
    flags = {option for option in parser()._option_string_actions if "." in option and not option.startswith("--no-")}
    assert flags <= documented


def examples() -> Iterator[Any]:
    """Yield the configurations in documents: blocks with keys of the configuration only, not of the chart."""
    for document in (document for document in DOCUMENTS if document.parent.name != "helm"):
        for number, block in enumerate(blocks(document, "yaml")):
            if set(re.findall(r"^([^\s#][^:]*):", block, re.MULTILINE)) <= Settings.model_fields.keys():
                yield pytest.param(block, id=f"{named(document)}-{number}")


@pytest.mark.parametrize("example", [*examples()])
def test_an_example_of_a_configuration_is_valid(example: str, tmp_path: Path) -> None:
    """The exporter accepts each configuration that a document shows."""
    file = tmp_path / "exporter.yml"
    file.write_text(example)
    assert cli.main(["check-config", str(file)]) == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put the samples and a certificate in their intended places, and return the folder."""
    folder = tmp_path_factory.mktemp("installed")
    for file, content in zip(("server.crt", "server.key"), self_signed("exporter", "exporter.example"), strict=True):
        (folder / file).write_bytes(content)
    for sample in EXAMPLES[0].parent.iterdir():
        (folder / sample.name).write_text(sample.read_text().replace("/etc/aws-job-exporter", str(folder)))
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_a_sample_for_a_common_case_is_valid(example: Path, installed: Path) -> None:
    """The exporter accepts it, along with the files that it names."""
    assert cli.main(["check-config", str(installed / example.name)]) == 0


def test_every_sample_is_listed() -> None:
    """docs/configuration.md has a line for each sample, and the file starts with its purpose."""
    listed = {Path(link).name for row in table(CONFIGURATION, "file", "who it is for") for link in links(row[0])}
    assert listed == {SAMPLE.name, *(example.name for example in EXAMPLES)}
    assert all(example.read_text().startswith("# ") for example in EXAMPLES)


def test_named_variables_exist() -> None:
    """Each variable that a document names sets a key."""
    variables = {f"{ENVIRONMENT_PREFIX}{key.replace('.', '__')}".upper() for key, _ in settings()}
    text = "".join(document.read_text() for document in DOCUMENTS)
    assert set(re.findall(rf"\b{ENVIRONMENT_PREFIX}\w+", text)) <= variables


def test_the_sample_has_the_default_values(capsys: pytest.CaptureFixture[str]) -> None:
    """The sample configuration is valid, and its values are the defaults."""
    assert cli.main(["check-config", str(SAMPLE)]) == 0
    assert "valid" in capsys.readouterr().out
    assert load(CATALOG, SAMPLE) == Settings()


def test_the_sample_has_every_key(tmp_path: Path) -> None:
    """With its comments enabled the sample is valid, too, and names every key except its parent key.

    What takes the place of another section is commented out twice.
    """
    sample, file, other = SAMPLE.read_text(), tmp_path / "exporter.yml", tmp_path / "other.yml"
    file.write_text(re.sub(r"^#(?=[a-z]|  )", "", sample, flags=re.MULTILINE))
    other.write_text("\n".join(re.findall("^##(.*)", sample, re.MULTILINE)))
    assert cli.main(["check-config", str(file), str(other)]) == 0
    named = {key for each in (file, other) for key in keys(yaml.safe_load(each.read_text()))}
    assert {key for key, _ in settings()} - named == {"config.file"}


def keys(content: Any, prefix: str = "") -> Iterator[str]:
    """Yield the keys that a configuration contains, in the notation of the table."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        yield key
        if key in {"accounts", "events", "groups"} and isinstance(value, list):
            yield from (inner for each in value for inner in keys(each, f"{key}[]."))
        elif key == "services":
            yield from (inner for service in value.values() for inner in keys(service, "services.SERVICE."))
        elif isinstance(value, dict):
            yield from keys(value, f"{key}.")


# Commands.


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_documented_command_lines_are_valid(document: Path) -> None:
    """The parser knows every command and every flag in each command line of a document."""
    for arguments in calls(document):
        if "--version" not in arguments:
            parser().parse_args(arguments)


@pytest.mark.parametrize("document", [README, CONFIGURATION, COMMANDS, CONCEPTS, IAM, WEB], ids=named)
def test_named_flags_exist(document: Path) -> None:
    """Each flag that a document names is one of the program or of a command."""
    options = {option for each in (parser(), *commands().values()) for option in each._option_string_actions}
    assert flags(document) <= options


def test_every_command_is_documented() -> None:
    """docs/commands.md has each command, and no other."""
    calls = [row[0].split() for row in table(COMMANDS, "command", "what it does")]
    assert [words[1] for words in calls if len(words) > 1] == [*commands()]


# Everything else.


def test_every_path_is_documented() -> None:
    """docs/web.md has each path that the server serves, and no other."""
    site = Site(Exposition(CollectorRegistry(), lambda: 0.0), bool, Settings().web.telemetry_path, inside(list))
    paths = [resource.canonical for resource in create_app(site).router.resources()]
    assert [row[0] for row in table(WEB, "path", "what")] == paths


@pytest.mark.parametrize(("what", "model"), [("jobs", JobParameters), ("sources", SourcePageParameters)])
def test_every_parameter_is_documented(what: str, model: type[BaseModel]) -> None:
    """docs/pages.md explains each parameter of pages and API, and marks those that take several values."""
    rows = table(PAGES, f"parameter of {what}", "meaning")
    assert [row[0] for row in rows] == list(model.model_fields)
    several = [name for name, field in model.model_fields.items() if field.default == ()]
    assert [row[0] for row in rows if "*" in row[1]] == several


def test_every_room_is_described() -> None:
    """docs/architecture.md describes each room once, from top to bottom."""
    assert [row[0] for row in table(ARCHITECTURE, "room", "what it is for")] == [room for room in ROOMS if room]


async def test_the_example_of_a_test_works() -> None:
    """The test that docs/architecture.md shows passes."""
    (example,) = blocks(ARCHITECTURE, "python")
    names: dict[str, Any] = dict(vars(harness))
    exec(f"async def example():\n{textwrap.indent(example, '    ')}", names)
    await names["example"]()


def listed_kinds() -> list[tuple[Kind, str, str]]:
    """Return the kinds of the table in docs/concepts.md with their other columns."""
    rows = table(CONCEPTS, "kind", "AWS operation", "scope")
    kinds = {str(kind): kind for kind in CATALOG.kinds()}
    return [(kinds[name], operation, scope) for name, operation, scope in rows]


def test_the_listed_kinds_are_described_correctly() -> None:
    """docs/concepts.md names the operation and the scopes of the kinds that it lists."""
    assert len(listed_kinds()) == 5
    for kind, operation, scope in listed_kinds():
        assert operation == kind.operation
        assert scope == ", then ".join(name.replace("_", " ") for name, _ in kind.scopes)


def test_the_policy_allows_what_the_listed_kinds_need() -> None:
    """The policy of docs/iam.md allows the operations of these kinds, what their arguments need, and nothing else."""
    needed: set[str] = set()
    for kind, *_ in listed_kinds():
        steps = [(kind.service, kind.operation, kind.arguments)]
        steps += [(scope.service or kind.service, scope.operation, scope.arguments) for _, scope in kind.scopes]
        steps += [(kind.service, kind.details.operation, kind.details.arguments)] if kind.details else []
        for service, operation, arguments in steps:
            needed.add(f"{CATALOG[service].iam_prefix}:{operation}")
            needed.update(action for name in arguments for action in CATALOG[service].permissions.get(name, ()))
    (policy,) = (json.loads(block) for block in blocks(IAM, "json") if "bedrock:" in block)
    (statement,) = policy["Statement"]
    assert sorted(statement["Action"]) == sorted(needed)


def test_roles_that_are_assumed_take_the_tags_of_pod_identity() -> None:
    """Each trust policy for the exporter's own identity allows `sts:TagSession`, as `iam-policy --for base` does."""
    documents = [json.loads(block) for block in blocks(IAM, "json")]
    documents += [
        resource["Properties"]["AssumeRolePolicyDocument"]
        for block in blocks(IAM, "yaml")
        for resource in (yaml.safe_load(block).get("Resources") or {}).values()
    ]
    trusting = [
        {statement["Action"] for statement in document["Statement"]}
        for document in documents
        if any(str(each.get("Principal", {})).endswith(":role/monitoring'}") for each in document["Statement"])
    ]
    assert trusting == [{"sts:AssumeRole", "sts:TagSession"}] * 2
    (hcl,) = (block for block in blocks(IAM, "hcl") if "var.reader]" in block)
    assert hcl.count("identifiers = [var.reader]") == 2
    assert 'actions = ["sts:TagSession"]' in hcl


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_code_blocks_are_valid(document: Path) -> None:
    """JSON and YAML blocks parse, and a shell accepts the commands."""
    for block in blocks(document, "json"):
        json.loads(block)
    for block in blocks(document, "yaml"):
        yaml.safe_load(block)
    for block in blocks(document, "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_every_alert_is_listed() -> None:
    """docs/alerts.md has each alert with its severity and summary, in the order of the rules."""
    expected = [
        [f"[{rule['alert']}](runbooks/{rule['alert']}.md)", rule["labels"]["severity"], rule["annotations"]["summary"]]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert table(ALERTS, "alert", "severity", "summary") == expected


def test_the_runbook_has_the_advice_of_the_doctor() -> None:
    """Its table is that of the code; `make docs` writes it."""
    text = advice_page.PAGE.read_text()
    assert "| connection refused | " in text
    assert text == advice_page.written(text)


@pytest.mark.parametrize("runbook", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=named)
def test_runbooks_discuss_existing_reasons(runbook: Path) -> None:
    """What precedes the colon of an item, as in "* `throttled`: wait", is a reason of a job or a poll."""
    heads = re.findall(r"^\* ((?:`[a-z_]+`(?:, )?)+):", runbook.read_text(), re.MULTILINE)
    assert {word for head in heads for word in re.findall(r"\w+", head)} <= {*Reason, *PollErrorReason}


NUMERALS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
NUMBER = rf"\b(\d+|{'|'.join(NUMERALS)})"

COUNTS: dict[str, Callable[[], int]] = {
    f"{NUMBER} kinds of job": lambda: len(list(CATALOG.kinds())),
    f"There are {NUMBER} of them": lambda: len(list(CATALOG.kinds())),
    f"of {NUMBER} services": lambda: len({kind.service for kind in CATALOG.kinds()}),
    rf"the {NUMBER} kinds of \[concepts": lambda: len(listed_kinds()),
    f"up to {NUMBER} further labels": lambda: max(len(kind.dimensions) for kind in CATALOG.kinds()),
    f"is tested against {NUMBER} faults": lambda: len(table(RELIABILITY, "fault")),
    f"has {NUMBER} alerts": lambda: len(table(ALERTS, "alert", "severity")),
    f"{NUMBER} dashboards for Grafana": lambda: len(list(DASHBOARDS.glob("*.json"))),
    f"one of {NUMBER} reasons": lambda: len(PollErrorReason),
    f"one of {NUMBER} words": lambda: len(FAILURES),
    f"The first {NUMBER} are the labels": lambda: len(SourceKey._fields),
    f"{NUMBER} ways to set something": lambda: len(table(CONFIGURATION, "where", "how")),
    f"{NUMBER} blocks:": lambda: len(table(ARCHITECTURE, "block", "holds")),
    f"these {NUMBER}, and no others": lambda: len(schema._HEADERS),
}
"""The sentences with counts of the project's things, and what they count."""

COUNTING = [document for document in DOCUMENTS if document not in {CHANGELOG, PERFORMANCE, SCALING}]
"""Not the past, and neither measurements nor examples."""


def flat(document: Path) -> str:
    """Return the text of a document as one line."""
    return " ".join(document.read_text().split())


@pytest.mark.parametrize("sentence", COUNTS)
def test_counts_are_correct(sentence: str) -> None:
    """Each document with a count has the current number."""
    numerals = [word for document in COUNTING for word in re.findall(sentence, flat(document), re.IGNORECASE)]
    assert numerals
    numbers = {int(word) if word.isdecimal() else NUMERALS.index(word.lower()) for word in numerals}
    assert numbers == {COUNTS[sentence]()}


@pytest.mark.parametrize("document", COUNTING, ids=named)
def test_nothing_else_is_counted(document: Path) -> None:
    """A number in front of something counted appears only in a sentence that a test checks."""
    text = re.sub("|".join(COUNTS), "", flat(document), flags=re.IGNORECASE)
    things = "alerts|commands|dashboards|families|faults|flags|kinds|panels|reasons|rooms|runbooks|services|settings"
    assert re.findall(rf"{NUMBER} ({things})\b", text, re.IGNORECASE) == []


def test_the_limits_are_documented_correctly() -> None:
    """docs/metrics.md states the default of each limit on what is exported."""
    limits = {row[0]: int(row[1].partition(" ")[0].replace(",", "")) for row in table(METRICS, "limit", "default")}
    fields = dict(settings())
    assert limits == {key: fields[key].default for key in limits}
    assert {key for key in fields if key.startswith("limits.")} <= limits.keys()


def test_the_bounds_of_a_client_are_documented_correctly() -> None:
    """docs/web.md states how many connections there may be, and how long each may take."""
    bounds, limits = {row[0]: row[1] for row in table(WEB, "what", "bound")}, ConnectionLimits()
    assert bounds["scrapes at the same time"].endswith(f"({Settings().web.max_requests})")
    assert bounds["open connections"] == f"{limits.connections}"
    assert bounds["TLS handshake and first request"] == f"{limits.first_request:.0f} s"
    assert bounds["the next request, headers included"] == f"{limits.next_request / 60:.0f} min after a response"
    assert bounds["a response"] == f"{limits.response:.0f} s until the client has taken its last byte"


def test_every_document_is_in_the_index() -> None:
    """docs/README.md has a line for each other document in the folder."""
    listed = {link for row in table(INDEX, "document") for link in links(row[0])}
    assert {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"} <= listed


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_are_valid(document: Path) -> None:
    """Every relative link points to a file of the repository, and every anchor to a heading."""
    for link in links(re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link}: no such file"
        assert target.is_relative_to(ROOT), f"{link}: not in the repository"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{link}: no such heading"
