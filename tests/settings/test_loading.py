"""The configuration: where each setting can be made, which one wins, and one clear line for every mistake."""

import json
import re
from pathlib import Path

import pytest
import yaml

from exporter.cli.commands import argument_parser
from exporter.jobs import State
from exporter.settings import ConfigurationError, Settings, given, load
from exporter.settings.schedules import Schedule
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, LOOKOUT

PREFIX = "AWS_JOB_EXPORTER_"
SECTIONS = {
    name: set(getattr(field.annotation, "model_fields", ()))
    for name, field in Settings.model_fields.items()
    if name not in {"config", "kinds", "reasons"}
}
"""The keys of every section; none where a section is a list or has keys chosen by the user."""

EVERYTHING = Path(__file__).parent / "everything.ok.yml"


@pytest.fixture
def read(tmp_path):
    """Return a function that loads a file with the given content, and flags."""
    file = tmp_path / "exporter.yml"

    def load_file(content, *flags):
        if content is not None:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(CATALOG, file if content is not None else None, given(argument_parser().parse_args(flags)))

    return load_file


@pytest.fixture
def problem(read, tmp_path):
    """Return a function that returns the single error line, without the folder of the file."""

    def only(content, *flags):
        with pytest.raises(ConfigurationError) as raised:
            read(content, *flags)
        assert len(raised.value.problems) == 1, raised.value.problems
        (line,) = raised.value.problems
        assert "\n" not in line
        return line.replace(f"{tmp_path}/", "")

    return only


def test_the_defaults_apply_without_any_configuration(read):
    """The exporter runs without a file, or with one that says so."""
    assert read(None) == read("{}") == Settings()


@pytest.mark.parametrize("content", ["", "\n", "# nothing but a comment\n", "---\n"])
def test_a_file_without_content_is_an_error(problem, content):
    """It is probably just being written; with every default, a reload would read every kind of the default account."""
    assert problem(content) == "exporter.yml: has no content; write {} if every default is meant"


def test_every_key_of_every_section_is_in_the_example():
    """This makes sure that a new key is read here too."""
    sections = yaml.safe_load(EVERYTHING.read_text())
    assert all(keys == set(sections[name]) for name, keys in SECTIONS.items() if keys)


def test_every_key_of_every_section_is_read():
    """The settings hold what the file contains, as plain values."""
    settings = load(CATALOG, EVERYTHING)
    assert settings.web.listen_address == ("127.0.0.1:9100", "[::1]:9100")
    assert settings.web.telemetry_path == "/prometheus"
    assert settings.web.config.file == Path("web.yml")
    assert (settings.web.systemd_socket, settings.web.disable_exporter_metrics) == (True, True)
    assert settings.web.max_requests == 7
    assert (settings.log.level, settings.log.format) == ("warn", "json")
    assert settings.log.events == Path("/var/log/aws-job-exporter/events.jsonl")
    assert settings.poll.model_dump(mode="json") == {
        "interval": "2m",
        "idle_interval": "15m",
        "discovery_interval": "20m",
        "resync": "2h",
        "lookback": "2w",
        "stale_after": "10m",
        "timeout": "50s",
        "concurrency": 8,
        "details_budget": 1,
        "usage_details": True,
    }
    assert (settings.metrics.per_job, settings.metrics.per_job_finished) == (True, 10)
    assert settings.metrics.per_job_active == 20
    assert settings.metrics.duration_buckets == (60.0, 3600.0, 86_400.0)
    assert settings.metrics.duration_states == (State.SUCCEEDED, State.FAILED)
    assert settings.metrics.zero_fill == "all"
    assert settings.metrics.families.include == ("aws_jobs*", "aws_job_exporter_*")
    assert settings.metrics.families.exclude == ("aws_jobs_failed_total",)
    assert settings.metrics.exporter_details
    assert settings.limits.model_dump() == {
        "series": 50_000,
        "series_per_source": 500,
        "dimension_values": 7,
        "jobs_per_source": 9000,
        "sources": 300,
        "groups": 40,
        "pages": 20,
        "message_length": 1000,
    }
    assert settings.aws.endpoint_url == "https://vpce-1a2b3c.bedrock.us-east-1.vpce.amazonaws.com"
    assert (settings.aws.connect_timeout, settings.aws.read_timeout, settings.aws.max_attempts) == (2.0, 10.0, 5)
    assert settings.storage.path == Path("/var/lib/aws-job-exporter")


@pytest.mark.parametrize("content", ["storage: {}", "storage: {path: null}", "storage: {path: ''}"])
def test_nothing_is_stored_unless_a_path_is_given(read, content):
    """An empty path, as a variable that is not filled in leaves it, is none."""
    assert read(content).storage.path is None


def test_groups_are_read():
    """With everything that can be said of one."""
    payroll, families = load(CATALOG, EVERYTHING).groups
    assert payroll.model_dump(mode="json", exclude_none=True) == {
        "name": "payroll",
        "match": {
            "services": ["bedrock", "cleanroomsml"],
            "kinds": ["model_invocation_job"],
            "names": ["payroll-*"],
            "accounts": ["1111*"],
            "regions": ["eu-*", "us-east-1"],
            "scopes": ["*"],
            "tags": {"team": ["payroll"], "env": ["prod", "live-*"]},
        },
        "labels": {"owner": "ml-core", "severity": "page"},
        "expect_every": "1d",
        "max_duration": "6h",
        "max_wait": "1h",
    }
    assert families.schedule == Schedule("0 6 * * 1,2,3,4,5", "Europe/Berlin")
    assert families.name_of("nightly-import-20260921", {}) == "nightly-import"
    assert families.name_of("20260921", {}) == ""


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("{match: {names: [a]}}", "groups.0: must have either `name` or `name_from`"),
        ("{name: a, name_from: '(?P<name>a)'}", "groups.0: must have either `name` or `name_from`"),
        ("{name: a, expect: '06:00', expect_every: 1d}", "groups.0: must not have both `expect_every` and `expect`"),
        ("{name: a}, {name: a}", "groups.1.name: 'a' is the name of groups.0 already"),
        ("{name: other}", "groups.0.name: 'other' is what groups beyond limits.groups are called"),
        ("{name: ''}", "groups.0.name: "),
        ("{name: a, names: [b]}", "groups.0.names: unknown key; did you mean `name`"),
        ("{name: a, match: {name: [b]}}", "groups.0.match.name: unknown key; did you mean `names`"),
        ("{name: a, match: {names: []}}", "groups.0.match.names: must not be empty"),
        ("{name: a, match: {names: b}}", "groups.0.match.names: must be a list"),
        (
            "{name: a, match: {services: [bedrok]}}",
            "groups.0.match.services: 'bedrok' is not read; did you mean `bedrock`",
        ),
        ("{name: a, match: {services: [glue]}}", "groups.0.match.services: 'glue' is not read; one of: bedrock"),
        (
            "{name: a, match: {services: [bedrock], kinds: [model_invocation]}}",
            "groups.0.match.kinds: no kind 'model_invocation' of these services is read; did you mean `model",
        ),
        (
            "{name: a, match: {tags: {team: b}}}",
            "groups.0.match.tags: no service that is meant reads the tag 'team': services.SERVICE.tags has the",
        ),
        ("{name: a, match: {tags: {}}}", "groups.0.match.tags: must not be empty"),
        ("{name: a, match: {tags: {team: []}}}", "groups.0.match.tags.team: must not be empty"),
        ("{name: a, match: {tags: {team: 7}}}", "groups.0.match.tags.team"),
        ("{name: a, match: {accounts: [payroll]}}", "groups.0.match.accounts.0: 'payroll' is not the id of an account"),
        ("{name: a, match: {regions: [mars-*]}}", "groups.0.match.regions.0: AWS has no region that matches 'mars-*'"),
        ("{name_from: '(?P<name>a'}", "groups.0.name_from: '(?P<name>a' is not a regular expression as RE2 has it: "),
        ("{name_from: '(?P<name>a)(?=b)'}", "is not a regular expression as RE2 has it: "),
        ("{name_from: '(a)'}", "groups.0.name_from: '(a)' does not say which part"),
        ("{name: a, labels: {group: b}}", "`group` is taken"),
        ("{name: a, labels: {cost-center: b}}", "'cost-center' is not the name of a label"),
        ("{name: a, labels: {owner: 7}}", "groups.0.labels.owner: must be text, not 7; write it in quotes"),
        ("{name: a, expect_every: 1 day}", "groups.0.expect_every: '1 day' is not a duration"),
        ("{name: a, expect: '0 0 31 2 *'}", "groups.0.expect: '0 0 31 2 *' "),
        ("{name: a, expect: hourly}", "groups.0.expect: 'hourly' is not a schedule"),
        ("{name: a, expect: 'Mon 06:00 Europe/Berln'}", "there is no time zone 'Europe/Berln'; did you mean"),
    ],
)
def test_a_wrong_group_is_an_error(problem, group, words):
    """The place, the value, and what is allowed."""
    found = problem(f"services: {{bedrock: {{}}}}\ngroups: [{group}]")
    assert found.startswith("exporter.yml: groups.")
    assert words in found


@pytest.mark.parametrize(
    ("services", "words"),
    [
        (
            "{bedrock: {tags: [team, cost-center]}}",
            "reads the tag 'taem': services.SERVICE.tags has team, cost-center; did you mean `team`",
        ),
        ("{bedrock: {tags: [taem, 'cost center', cost-center]}}", "would be one label, tag_cost_center"),
        ("{bedrock: {tags: ['']}}", "services.bedrock.tags.0: "),
        (
            "{bedrock: {kinds: [model_import_job], tags: [taem]}}",
            "services.bedrock.tags: nobody can read the tags of model_import_job: only of model_invocation_job, ",
        ),
        ("{backup: {tags: [taem]}}", "of none of the service's kinds"),
    ],
)
def test_a_wrong_tag_is_an_error(problem, services, words):
    """One that no service reads, two that would be one label, one of a kind that has none."""
    assert words in problem(f"services: {services}\ngroups: [{{name: a, match: {{tags: {{taem: payroll}}}}}}]")


def test_queues_are_read():
    """Each with its role; the URL tells the account and the region."""
    (queue,) = load(CATALOG, EVERYTHING).events
    assert queue.external_id is not None
    assert (queue.account.role_arn, queue.external_id.get_secret_value()) == (
        "arn:aws:iam::111122223333:role/aws-job-exporter-events",
        "made-up",
    )
    assert (queue.account_id, queue.region, queue.name) == ("111122223333", "us-east-1", "aws-job-exporter-{shard}")
    assert queue.of_shard(3).sqs_queue_url.endswith("/aws-job-exporter-3")


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/111122223333/hints", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/hints", "cn-north-1"),
        ("https://vpce-1a-2b.sqs.us-gov-west-1.vpce.amazonaws.com/111122223333/hints.fifo", "us-gov-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/111122223333/hints", "eu-west-1"),
        ("http://localhost:4566/queue/eu-west-1/000000000000/hints", "eu-west-1"),
        ("http://127.0.0.1:5000/111122223333/hints", ""),
    ],
)
def test_a_queue_is_read_in_the_region_of_its_url(read, url, region):
    """Or in that of the environment, where the URL of a local substitute names none."""
    (queue,) = read(f"events: {{sqs_queue_url: '{url}'}}").events
    assert queue.region == region


HINTS = "https://sqs.us-east-1.amazonaws.com/111122223333/hints"
ONE = f"{{sqs_queue_url: '{HINTS}'}}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            "events: {sqs_queue_url: hints}",
            "events.0.sqs_queue_url: 'hints' is not the URL of a queue, such as https://",
        ),
        (f"events: {{sqs_queue_url: '{HINTS}{{x}}'}}", "is not the URL of a queue"),
        ("events: {sqs_queue_url: 'https://me@host/111122223333/hints'}", "is not the URL of a queue"),
        ("events: [{}]", "events.0.sqs_queue_url: is missing"),
        ("events: [{sqs_queue_urls: x}]", "did you mean `sqs_queue_url`?"),
        (
            f"events: [{{sqs_queue_url: '{HINTS}', role_arn: reader}}]",
            "events.0.role_arn: 'reader' is not the ARN of a role",
        ),
        (
            f"events: [{{sqs_queue_url: '{HINTS}'}}, {{sqs_queue_url: '{HINTS}'}}]",
            "events.1.sqs_queue_url: the same queue",
        ),
        (f"shard: {{count: 2}}\nevents: {{sqs_queue_url: '{HINTS}'}}", "write {shard} into the URL"),
    ],
)
def test_a_mistake_in_a_queue_is_one_line(read, content, line):
    """It names the key and what is allowed."""
    with pytest.raises(ConfigurationError, match=re.escape(line)):
        read(content)


def test_accounts_are_read():
    """A role's ARN contains its account; the default credentials do not reveal theirs."""
    assumed, default = load(CATALOG, EVERYTHING).named_accounts
    assert assumed.external_id is not None
    assert (assumed.account_id, assumed.external_id.get_secret_value()) == ("111122223333", "made-up")
    assert assumed.regions == ("us-east-1", "eu-west-1")
    assert (default.role_arn, default.account_id, default.regions) == (None, "", ("us-west-2",))


def test_an_organization_replaces_a_list_of_accounts(read):
    """Its accounts are read through roles of the same name, in the partition that AWS reports."""
    settings = read(
        """
        accounts:
          organization:
            role_name: monitoring/aws-job-exporter
            external_id: made-up
            regions: all
            include: ["prod-*", ou-ab12-11111111]
        """
    )
    assert settings.named_accounts == ()
    organization = settings.organization
    account = organization.account("111122223333", "aws-us-gov", organization.regions)
    assert account.role_arn == "arn:aws-us-gov:iam::111122223333:role/monitoring/aws-job-exporter"
    assert account.external_id.get_secret_value() == "made-up"
    assert account.regions == organization.regions == ("all",)
    assert organization.units == ["ou-ab12-11111111"]
    assert organization.takes("prod-a", "111122223333")
    assert not organization.takes("sandbox", "111122223333")


@pytest.mark.parametrize(
    ("organization", "key", "expected"),
    [
        ("{}", "role_name", "is missing"),
        ("{role_name: a b}", "role_name", "'a b' is not the name of a role"),
        ("{role_name: r, regions: [moon-1]}", "regions.0", "AWS has no region 'moon-1'"),
        ("{role_name: r, regions: [all, us-east-1]}", "regions", "`all` cannot be combined"),
        ("{role_name: r, regions: [mars-*]}", "regions.0", "AWS has no region that matches 'mars-*'"),
        (
            "{role_name: r, account_regions: {ou-x: [us-east-1]}}",
            "account_regions.ou-x.[key]",
            "'ou-x' is not the id of an organizational unit",
        ),
        ("{role_name: r, include: [ou-x]}", "include.0", "'ou-x' is not the id of an organizational unit"),
        ("{role_name: r, exclude: [111122223333]}", "exclude.0", "111122223333"),
        ("{role_name: r, inclde: [x]}", "inclde", "unknown key; did you mean `include` or `exclude`?"),
        ("{role_name: r, external_id: s p a c e}", "external_id", "must be 2 to 1224"),
    ],
)
def test_an_invalid_organization_is_reported_in_one_line(problem, organization, key, expected):
    """The line has the file, the key, and what is allowed."""
    line = problem(f"accounts: {{organization: {organization}}}")
    assert line.startswith(f"exporter.yml: accounts.organization.{key}: ")
    assert expected in line
    assert "s p a c e" not in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("accounts: {organisation: {}}", "accounts.organisation: unknown key; did you mean `organization`?"),
        ("accounts: [{role_nam: r}]", "accounts.0.role_nam: unknown key; did you mean `role_arn`?"),
        ("accounts: [{zzz: r}]", "accounts.0.zzz: unknown key; one of: external_id, regions, role_arn"),
        ("accounts: 5", "accounts: "),
        ("shard: {count: 4, index: 4}", "shard.index: 4 is not one of 4 shards: 0 to 3"),
        ("shard: {count: 0}", "shard.count: "),
        ("shard: {index: -1}", "shard.index: "),
    ],
)
def test_invalid_accounts_and_shards_are_reported(read, content, expected):
    """The message uses the notation of the file."""
    with pytest.raises(ConfigurationError) as raised:
        read(content)
    assert any(expected in line for line in raised.value.problems), raised.value.problems


def test_services_select_kinds_and_scopes():
    """A service without options selects everything in it; kinds, scopes and interval narrow it down."""
    bedrock, cleanrooms, lookout = load(CATALOG, EVERYTHING).selections(CATALOG)
    assert {BEDROCK.key, CUSTOMIZATION.key} < {kind.key for kind in bedrock.kinds}
    assert [kind.key for kind in cleanrooms.kinds] == [
        "trained_model_version",
        "collaboration_trained_model_inference_job",
    ]
    assert cleanrooms.settings.interval == 300.0
    assert cleanrooms.settings.named("membership") == ["a1b2c3d4-5678-90ab-cdef-111111111111"]
    assert lookout.settings.named("inference_scheduler") == ["pump-7"]
    assert bedrock.settings.named("membership") is None


def test_numbers_last_for_three_polls_of_a_slow_source(read):
    """`stale_after` suits the usual interval; an hourly source would be stale all the time."""
    settings = read("poll: {stale_after: 5m}")
    assert settings.stale_after(60.0) == 300.0
    assert settings.stale_after(3600.0) == 3 * 3600.0


PRECEDENCE = {
    "poll.interval": ("1m", "2m", "3m", "4m"),
    "log.level": ("info", "warn", "error", "debug"),
    "web.telemetry_path": ("/metrics", "/file", "/environment", "/flag"),
    "web.max_requests": (40, 0, 2, 3),
    "metrics.per_job_finished": (50, 1, 2, 3),
    "aws.max_attempts": (3, 4, 5, 6),
}
"""The default of a key, and its value in file, environment and flag."""


@pytest.mark.parametrize("name", PRECEDENCE)
def test_flags_win_over_environment_over_file_over_default(read, monkeypatch, name):
    """The place closer to the process wins."""
    section, key = name.split(".")
    default, file, variable, flag = PRECEDENCE[name]

    def value(*arguments):
        return getattr(read(*arguments), section).model_dump(mode="json")[key]

    content = f"{section}: {{{key}: {file}}}"
    assert value(None) == default
    assert value(content) == file
    monkeypatch.setenv(f"{PREFIX}{section}__{key}".upper(), str(variable))
    assert value(content) == variable
    assert value(content, f"--{section}.{key.replace('_', '-')}={flag}") == flag


def test_settings_from_all_places_are_merged(read, monkeypatch):
    """A variable for one key does not hide the section of the file."""
    monkeypatch.setenv(f"{PREFIX}POLL__INTERVAL", "3m")
    poll = read("poll: {interval: 2m, timeout: 20s}", "--poll.lookback=1d").poll
    assert (poll.interval, poll.timeout, poll.lookback) == (180.0, 20.0, 86_400.0)


def test_flags_for_lists_are_repeated(read):
    """The flag is repeated like Prometheus's --web.listen-address."""
    settings = read(None, "--web.listen-address=:1", "--web.listen-address=[::1]:2")
    assert settings.web.listen_address == (":1", "[::1]:2")


def test_one_address_needs_no_list(read, monkeypatch):
    """This holds for the file and for a variable."""
    assert read("web: {listen_address: ':1'}").web.listen_address == (":1",)
    monkeypatch.setenv(f"{PREFIX}WEB__LISTEN_ADDRESS", ":2")
    assert read(None).web.listen_address == (":2",)


def test_accounts_and_services_are_json_in_the_environment(read, monkeypatch):
    """Settings without a flag still have a variable."""
    monkeypatch.setenv(f"{PREFIX}ACCOUNTS", '[{"regions": ["eu-west-1"]}]')
    monkeypatch.setenv(f"{PREFIX}SERVICES", '{"bedrock": {"interval": "5m"}, "lookoutequipment": null}')
    settings = read(None)
    assert settings.named_accounts[0].regions == ("eu-west-1",)
    bedrock, lookout = settings.selections(CATALOG)
    assert bedrock.settings.interval == 300.0
    assert LOOKOUT.key in [kind.key for kind in lookout.kinds]


SERVICE_LINKS = {
    "PORT": "tcp://10.0.0.1:10058",
    "PORT_10058_TCP": "tcp://10.0.0.1:10058",
    "PORT_10058_TCP_ADDR": "10.0.0.1",
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "10058",
    "SERVICE_PORT_METRICS": "10058",
}


def test_service_links_of_kubernetes_break_nothing(read, monkeypatch):
    """A Service of the name aws-job-exporter puts variables with our prefix into every pod."""
    for name, value in SERVICE_LINKS.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    assert read("poll: {interval: 2m}").poll.interval == 120.0


UNDERSCORES = {
    "POLL_INTERVAL": "POLL__INTERVAL",
    "poll_interval": "POLL__INTERVAL",
    "WEB_LISTEN_ADDRESS": "WEB__LISTEN_ADDRESS",
    "WEB_CONFIG_FILE": "WEB__CONFIG__FILE",
    "WEB__LISTEN__ADDRESS": "WEB__LISTEN_ADDRESS",
    "CONFIG_FILE": "CONFIG__FILE",
}


@pytest.mark.parametrize(("written", "meant"), UNDERSCORES.items(), ids=UNDERSCORES.keys())
def test_a_variable_with_one_underscore_is_not_silently_ignored(problem, monkeypatch, written, meant):
    """It would look as if it had taken effect."""
    monkeypatch.setenv(f"{PREFIX}{written}", "5m")
    assert problem(None) == f"{PREFIX}{written}: write {PREFIX}{meant}"


def test_every_telemetry_path_is_accepted(read):
    """The root is allowed too, in which case there is no status page."""
    for path in ("/", "/metrics", "/a/b-c_d.e", "/-", "/a/-/b"):
        assert read(None, f"--web.telemetry-path={path}").web.telemetry_path == path


def test_merge_keys_are_supported(read):
    """`<<` is YAML's way to avoid repetition."""
    content = "services:\n  bedrock: &often {interval: 5m}\n  lookoutequipment:\n    <<: *often\n"
    assert read(content).services["lookoutequipment"].interval == 300.0


def test_a_nested_section_can_be_set_everywhere(read, monkeypatch):
    """`web.config.file` can be set in the file, in a variable and as a flag."""
    content = "web: {config: {file: file.yml}}"
    assert read(content).web.config.file == Path("file.yml")
    monkeypatch.setenv(f"{PREFIX}WEB__CONFIG__FILE", "environment.yml")
    assert read(content).web.config.file == Path("environment.yml")
    assert read(content, "--web.config.file=flag.yml").web.config.file == Path("flag.yml")
    assert read(content, "--web.config.file=").web.config.file is None


WRONG_IN_FILE = {
    "unknown section": ("polll: {}", "polll", "did you mean `poll`?"),
    "no likeness to a section": ("zzz: 1", "zzz", "accounts, aws, config"),
    "unknown key of a section": (
        "poll: {intervall: 5m}",
        "poll.intervall",
        "did you mean `interval` or `idle_interval`?",
    ),
    "unknown key of an account": ("accounts: [{region: [us-east-1]}]", "accounts.0.region", "did you mean `regions`?"),
    "unknown key of a rule": (
        "reasons: [{name: x, reason: other, txt: a}]",
        "reasons.0.txt",
        "did you mean `text`?",
    ),
    "unknown service": ("services: {bedrok: {}}", "services.bedrok", "did you mean `bedrock`"),
    "unknown kind": (
        "services: {bedrock: {kinds: [model_invocation_jobs]}}",
        "services.bedrock.kinds",
        "'model_invocation_jobs'; did you mean `model_invocation_job`",
    ),
    "a kind without a likeness": (
        "services: {lookoutequipment: {kinds: [zzz]}}",
        "services.lookoutequipment.kinds",
        "'zzz'; one of: ",
    ),
    "unknown scope": (
        "services: {cleanroomsml: {membership: [a]}}",
        "services.cleanroomsml.membership",
        "did you mean `memberships`?",
    ),
    "a scope within another": (
        "services: {cleanroomsml: {trained_models: [a]}}",
        "services.cleanroomsml.trained_models",
        "discovered within another scope",
    ),
    "a scope of another service": (
        "services: {lookoutequipment: {memberships: [a]}}",
        "services.lookoutequipment.memberships",
        "inference_schedulers, interval, kinds",
    ),
    "empty scopes": ("services: {cleanroomsml: {memberships: []}}", "services.cleanroomsml.memberships", "[]"),
    "a scope that is no list": (
        "services: {cleanroomsml: {memberships: abc}}",
        "services.cleanroomsml.memberships",
        '"abc" is not a list of ids',
    ),
    "a scope's id that is no text": (
        "services: {cleanroomsml: {memberships: [1]}}",
        "services.cleanroomsml.memberships",
        "[1] is not a list of ids",
    ),
    "no kinds": ("services: {bedrock: {kinds: []}}", "services.bedrock.kinds", "empty"),
    "kinds that are no list": (
        "services: {bedrock: {kinds: model_invocation_job}}",
        "services.bedrock.kinds",
        'must be a list, not "model_invocation_job"',
    ),
    "a service's duration": ("services: {bedrock: {interval: 5}}", "services.bedrock.interval", "5 is not a duration"),
    "a list of services": ("services: [bedrock]", "services", 'must be a mapping, not ["bedrock"]'),
    "unknown region": (
        "accounts: [{regions: [us-eats-1]}]",
        "accounts.0.regions.0",
        "'us-eats-1'; did you mean `us-east-1`",
    ),
    "a role that is no ARN": ("accounts: [{role_arn: admin}]", "accounts.0.role_arn", "'admin' is not the ARN"),
    "regions that are no list": (
        "accounts: [{regions: us-east-1}]",
        "accounts.0.regions",
        'must be a list, not "us-east-1"',
    ),
    "an account that is no mapping": ("accounts: [5]", "accounts.0", "must be a mapping, not 5"),
    "no accounts": ("accounts: []", "accounts", "empty"),
    "a duration without a unit": ("poll: {interval: 5}", "poll.interval", "5 is not a duration"),
    "a duration in words": ("poll: {lookback: a week}", "poll.lookback", "'a week' is not a duration"),
    "a duration of nothing": ("poll: {interval: 0s}", "poll.interval", "longer than 0s"),
    "a section that is no mapping": ("poll: 5m", "poll", 'must be a mapping, not "5m"'),
    "a section that is a list": ("poll: []", "poll", "must be a mapping, not []"),
    "a number in words": ("poll: {concurrency: many}", "poll.concurrency", '"many"'),
    "a number too small": ("poll: {concurrency: 0}", "poll.concurrency", "greater than 0, not 0"),
    "a number without end": (
        f"aws: {{burst: 1{'0' * 400}}}",
        "aws.burst",
        "equal to 1000000000, not 100",
    ),
    "a number of jobs without end": (f"limits: {{series: 1{'0' * 400}}}", "limits.series", "equal to 1000000000, not"),
    "a number that Python cannot write": (f"aws: {{burst: 0x{'f' * 5000}}}", "aws.burst", "what is too large to show"),
    "more polls than sockets": (
        f"poll: {{concurrency: 1{'0' * 30}}}",
        "poll.concurrency",
        "less than or equal to 10000",
    ),
    "a rate of nothing": (
        "aws: {requests_per_second: 1.0e-300}",
        "aws.requests_per_second",
        "must be greater than or equal to 0.001, not 1e-300",
    ),
    "a service's rate of nothing": (
        "services: {emr: {requests_per_second: 0}}",
        "services.emr.requests_per_second",
        "must be greater than or equal to 0.001, not 0",
    ),
    "a service's burst of nothing": ("services: {emr: {burst: 0}}", "services.emr.burst", "greater than 0, not 0"),
    "a service's rate in words": (
        "services: {emr: {requests_per_second: few}}",
        "services.emr.requests_per_second",
        '"few"',
    ),
    "no share of a quota": ("aws: {quota_share: 0}", "aws.quota_share", "greater than or equal to 0.001, not 0"),
    "hardly any requests": ("aws: {calls_per_hour: 9}", "aws.calls_per_hour", "greater than or equal to 10, not 9"),
    "half a request": ("aws: {calls_per_hour: 10.5}", "aws.calls_per_hour", "10.5"),
    "hardly any requests for each shard": (
        "{aws: {calls_per_hour: 30}, shard: {count: 4, index: 0}}",
        "aws.calls_per_hour",
        "30 is too few for 4 shards: at least 40",
    ),
    "a number too great": ("aws: {max_attempts: 11}", "aws.max_attempts", "less than or equal to 10, not 11"),
    "neither true nor false": ("metrics: {per_job: maybe}", "metrics.per_job", '"maybe"'),
    "unknown word": ("log: {level: loud}", "log.level", "'debug', 'info', 'warn' or 'error', not \"loud\""),
    "a state that is not final": ("metrics: {duration_states: [running]}", "metrics.duration_states.0", "succeeded"),
    "an unknown way to fill": ("metrics: {zero_fill: some}", "metrics.zero_fill", "'seen' or 'all'"),
    "a family that does not exist": (
        "metrics: {families: {exclude: [aws_job_recrods]}}",
        "metrics.families.exclude",
        "no metric family is called 'aws_job_recrods'; did you mean `aws_job_records`",
    ),
    "a series in place of its family": (
        "metrics: {families: {include: [aws_jobs, aws_job_duration_seconds_bucket]}}",
        "metrics.families.include",
        "'aws_job_duration_seconds_bucket'; did you mean `aws_job_duration_seconds`",
    ),
    "a pattern that no family matches": (
        "metrics: {families: {exclude: [aws_job_exporter_sauce_*]}}",
        "metrics.families.exclude",
        "'aws_job_exporter_sauce_*'; did you mean `aws_job_exporter_source_",
    ),
    "a family of the process": (
        "metrics: {families: {exclude: [python_*]}}",
        "metrics.families.exclude",
        "'python_*'; web.disable_exporter_metrics leaves out `process_*` and `python_*`",
    ),
    "no families": ("metrics: {families: {include: []}}", "metrics.families.include", "must not be empty"),
    "buckets in disorder": ("metrics: {duration_buckets: [5m, 1m]}", "metrics.duration_buckets", '["5m", "1m"]'),
    "a bucket that is no duration": ("metrics: {duration_buckets: [1m, x]}", "metrics.duration_buckets.1", "'x'"),
    "no addresses": ("web: {listen_address: []}", "web.listen_address", "empty"),
    "an address without a port": ("web: {listen_address: [localhost]}", "web.listen_address", "localhost"),
    "a port that is no number": ("web: {listen_address: [':http']}", "web.listen_address", ":http"),
    "a port too great": ("web: {listen_address: [':65536']}", "web.listen_address", ":65536"),
    "a path that is none": ("web: {telemetry_path: metrics}", "web.telemetry_path", "'metrics' is not a path"),
    "a path of a host": ("web: {telemetry_path: //}", "web.telemetry_path", "'//' is not a path, such as /metrics"),
    "a path with braces": ("web: {telemetry_path: '/{x'}", "web.telemetry_path", "'/{x' is not a path"),
    "a path of the health checks": (
        "web: {telemetry_path: /-/healthy}",
        "web.telemetry_path",
        "'/-/healthy' is reserved: paths under /-/ are for health checks",
    ),
    "a negative limit of scrapes": (
        "web: {max_requests: -1}",
        "web.max_requests",
        "greater than or equal to 0, not -1",
    ),
    "an unknown key of a section within a section": (
        "web: {config: {files: web.yml}}",
        "web.config.files",
        "did you mean `file`?",
    ),
    "an empty path": ("web: {telemetry_path: ''}", "web.telemetry_path", "'' is not a path"),
    "failures that never get a reason": (
        "poll: {details_budget: 0}",
        "poll.details_budget",
        "greater than 0, not 0",
    ),
    "a date for a list of ids": (
        "services: {cleanroomsml: {memberships: 2026-01-01}}",
        "services.cleanroomsml.memberships",
        '"2026-01-01" is not a list of ids',
    ),
    "keys that JSON has not": ("web: {listen_address: {2026-01-01: x}}", "web.listen_address", "must be a list"),
    "an expression that repeats too much": (
        "reasons: [{name: x, reason: other, text: 'a{99999999999999}'}]",
        "reasons.0.text",
        "is not a regular expression",
    ),
    "an id that is a number": (
        "accounts: {organization: {role_name: r, exclude: [123412341234]}}",
        "accounts.organization.exclude.0",
        "must be text, not 123412341234; write it in quotes",
    ),
    "an id that is an octal number": (
        "accounts: {organization: {role_name: r, exclude: [012345670123]}}",
        "accounts.organization.exclude.0",
        'YAML reads 012345670123 as an octal number: write "012345670123"',
    ),
    "an endpoint whose port is none": (
        "aws: {endpoint_url: 'http://x:99999999'}",
        "aws.endpoint_url",
        "'http://x:99999999' is not a URL",
    ),
    "an address that is none": ("aws: {endpoint_url: localhost}", "aws.endpoint_url", "'localhost' is not a URL"),
}


@pytest.mark.parametrize(("content", "key", "allowed"), WRONG_IN_FILE.values(), ids=WRONG_IN_FILE.keys())
def test_an_invalid_key_in_the_file_is_reported_in_one_line(problem, content, key, allowed):
    """The line has the file, the key, the value and what is allowed or was probably meant."""
    line = problem(content)
    assert line.startswith(f"exporter.yml: {key}")
    assert allowed in line


WRONG_YAML = {
    "a list": ("- poll", "exporter.yml: ", "a mapping"),
    "an empty list": ("[]", "exporter.yml: ", "a mapping"),
    "a text": ("poll", "exporter.yml: ", "a mapping"),
    "false": ("false", "exporter.yml: ", "a mapping"),
    "keys that are numbers": ("1: 2", "exporter.yml: ", "keys must be strings"),
    "keys that are nothing": ("null: 2", "exporter.yml: ", "keys must be strings"),
    "inner keys that are numbers": ("poll: {1: 2}", "exporter.yml: poll.1: ", "1"),
    "services that are numbers": ("services: {1: {}}", "exporter.yml: services.1", "must be text, not 1"),
    "keys that are lists": ("? [a]\n: 1", "exporter.yml:1: ", "not valid YAML"),
    "a key twice": ("poll: {}\nlog: {}\npoll: {}", "exporter.yml:3: ", "duplicate key 'poll'"),
    "an inner key twice": (
        "poll:\n  interval: 5m\n  timeout: 5s\n  interval: 6m",
        "exporter.yml:4: ",
        "duplicate key 'interval'",
    ),
    "a brace that stays open": ("log: {}\npoll: {", "exporter.yml:2: ", "not valid YAML"),
    "a tab": ("poll:\n\tinterval: 5m", "exporter.yml:2: ", "not valid YAML"),
    "a control character": (b"poll: {interval: \x00}", "exporter.yml:1: ", "not valid YAML"),
    "a month that is none": (
        "poll:\n  interval: 2026-13-01",
        "exporter.yml:2: ",
        "'2026-13-01' is not a valid",
    ),
    "an empty number": ("poll: !!int ''", "exporter.yml:1: ", "'' is not a valid int"),
    "a time that is none": ("poll: !!timestamp soon", "exporter.yml:1: ", "'soon' is not a valid timestamp"),
    "a truth that is none": ("log: {}\npoll: !!bool x", "exporter.yml:2: ", "'x' is not a valid bool"),
    "brackets without end": ("[" * 3000, "exporter.yml: ", "nested too deeply"),
    "two documents": ("poll: {}\n---\nlog: {}", "exporter.yml:2: ", "not valid YAML"),
    "an object of Python": ("poll: !!python/object:x.Y {}", "exporter.yml:1: ", "not valid YAML"),
    "not UTF-8": (b"log: {level: \xff\xfe}", "exporter.yml: ", "not UTF-8"),
}


@pytest.mark.parametrize(("content", "origin", "allowed"), WRONG_YAML.values(), ids=WRONG_YAML.keys())
def test_a_file_that_cannot_be_read_is_reported_in_one_line(problem, content, origin, allowed):
    """The line has the file, the line number where there is one, and what is wrong."""
    line = problem(content)
    assert line.startswith(origin)
    assert allowed in line


WRITTEN_SECRETS = (
    "!secret hidden",
    "!hidden x",
    "*hidden",
    "!hidden!x y",
    "!!int hidden",
    "\n    !!int hidden",
    "[!!int hidden]",
)


@pytest.mark.parametrize("value", WRITTEN_SECRETS)
def test_a_secret_that_is_no_text_is_not_repeated(problem, value):
    """One that was not quoted may be the name of an alias or a tag."""
    line = problem(f"accounts:\n- role_arn: arn:aws:iam::111122223333:role/r\n  external_id: {value}")
    assert re.match(r"exporter.yml:[34]: not valid YAML: ", line)
    assert "hidden" not in line


def test_a_secret_that_contains_itself_is_not_repeated(problem):
    """An alias may lead back to where it is."""
    line = problem("external_id: &a\n  x: *a\n  y: !!int hidden")
    assert "[redacted] is not a valid int" in line
    assert "hidden" not in line


def test_a_missing_file_is_reported_in_one_line(tmp_path):
    """The line names the file."""
    missing = tmp_path / "missing.yml"
    with pytest.raises(ConfigurationError) as raised:
        load(CATALOG, missing)
    assert raised.value.problems == (f"{missing}: No such file or directory",)


def test_every_problem_has_its_own_line(read):
    """Nobody wants to find them one start at a time."""
    with pytest.raises(ConfigurationError) as raised:
        read("polling: {}\nlog: {level: loud}\npoll: {interval: soon}")
    assert len(raised.value.problems) == 3
    assert str(raised.value) == "\n".join(raised.value.problems)


WRONG_IN_ENVIRONMENT = {
    "unknown key": ("POLL__INTERVALL", "5m", "did you mean `interval` or `idle_interval`?"),
    "unknown section": ("POLLL__INTERVAL", "5m", "did you mean `poll`?"),
    "wrong duration": ("POLL__INTERVAL", "soon", "'soon' is not a duration"),
    "empty": ("POLL__INTERVAL", "", "'' is not a duration"),
    "wrong number": ("POLL__CONCURRENCY", "many", '"many"'),
    "unknown word": ("LOG__LEVEL", "loud", "'debug', 'info', 'warn' or 'error', not \"loud\""),
    "unknown region": ("ACCOUNTS", '[{"regions": ["us-eats-1"]}]', "did you mean `us-east-1`"),
    "no accounts": ("ACCOUNTS", "[]", "empty"),
    "unknown service": ("SERVICES", '{"bedrok": {}}', "did you mean `bedrock`"),
    "unknown kind": ("SERVICES", '{"bedrock": {"kinds": ["zzz"]}}', "'zzz'"),
    "accounts that are no JSON": ("ACCOUNTS", "[", "JSON"),
    "brackets without end": ("SERVICES", "[" * 100_000, "must be a mapping"),
    "brackets with many ends": ("SERVICES", "[" * 60_000 + "]" * 60_000, "must be a mapping"),
    "services that are no JSON": ("SERVICES", "bedrock", "JSON"),
    "buckets that are no JSON": ("METRICS__DURATION_BUCKETS", "1m 5m", "JSON"),
}


BESIDE = {"poll": {"interval": "5m"}, "log": {"level": "info"}, "services": {"cleanroomsml": {}}, "accounts": [{}]}
BOTH_WAYS = pytest.mark.parametrize("content", [None, json.dumps(BESIDE)], ids=["alone", "beside a file"])


@BOTH_WAYS
@pytest.mark.parametrize(
    ("variable", "value", "allowed"), WRONG_IN_ENVIRONMENT.values(), ids=WRONG_IN_ENVIRONMENT.keys()
)
def test_an_invalid_variable_is_reported_in_one_line(problem, monkeypatch, variable, value, allowed, content):
    """The line names the variable, whatever the file contains."""
    monkeypatch.setenv(f"{PREFIX}{variable}", value)
    line = problem(content)
    assert line.startswith(f"{PREFIX}{variable}")
    assert allowed in line


WRONG_FLAGS = {
    "wrong duration": ("--poll.interval", "soon", "'soon' is not a duration"),
    "wrong number": ("--poll.concurrency", "many", '"many"'),
    "a number too small": ("--poll.concurrency", "0", "greater than 0"),
    "unknown word": ("--log.level", "loud", "'debug', 'info', 'warn' or 'error', not \"loud\""),
    "a path that is none": ("--web.telemetry-path", "metrics", "'metrics' is not a path"),
    "a port that is no number": ("--web.listen-address", ":http", ":http"),
    "a bucket that is no duration": ("--metrics.duration-buckets", "soon", "'soon' is not a duration"),
    "unknown region": ("--accounts", '[{"regions": ["us-eats-1"]}]', "did you mean `us-east-1`"),
    "unknown service": ("--services", '{"bedrok": {}}', "did you mean `bedrock`"),
}


@BOTH_WAYS
@pytest.mark.parametrize(("flag", "value", "allowed"), WRONG_FLAGS.values(), ids=WRONG_FLAGS.keys())
def test_an_invalid_flag_is_reported_in_one_line(problem, flag, value, allowed, content):
    """The line names the flag, whatever the file contains."""
    line = problem(content, flag, value)
    assert line.startswith(flag)
    assert allowed in line


def test_an_invalid_flag_is_not_blamed_on_a_valid_variable(problem, monkeypatch):
    """The flag wins, so the error names the flag."""
    monkeypatch.setenv(f"{PREFIX}POLL__INTERVAL", "5m")
    assert problem(None, "--poll.interval=soon").startswith("--poll.interval")
