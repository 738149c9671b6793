"""Where the AWS console shows a job and its log: addresses in each partition, safe whatever AWS's names contain."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from urllib.parse import quote

_CONSOLE = "console.aws.amazon.com"
_CONSOLES = {
    "cn-": "console.amazonaws.cn",
    "eusc-": "console.amazonaws-eusc.eu",
    "us-gov-": "console.amazonaws-us-gov.com",
    # Partitions whose consoles are not public.
    "eu-iso": "",
    "us-iso": "",
}
"""Hosts of the console in the partitions that have their own, by the start of a region's name; empty if unknown."""

_LOG_GROUP = f"https://{{region}}.{_CONSOLE}/cloudwatch/home?region={{region}}#logsV2:log-groups/log-group/"


def placeholders(pattern: str) -> set[str]:
    """Return the names of the placeholders in a pattern."""
    return {field for _, field, _, _ in Formatter().parse(pattern) if field}


def console_url(pattern: str, region: str, values: Mapping[str, str]) -> str | None:
    """Return a pattern with its placeholders filled, in the console of the region's partition.

    None if a value is missing or empty, or if the partition's host is not known.
    """
    if any(not values.get(name) for name in placeholders(pattern)):
        return None
    url = pattern.format_map({name: quote(value, safe=":/") for name, value in values.items()})
    domain = next((domain for prefix, domain in _CONSOLES.items() if region.startswith(prefix)), _CONSOLE)
    return url.replace(_CONSOLE, domain, 1) if domain or _CONSOLE not in url else None


def log_url(group: str, stream: str | None, region: str, values: Mapping[str, str]) -> str | None:
    """Return the page of a log group in CloudWatch's console, of the streams whose names begin with `stream`.

    None as for `console_url`. The console's form of an address is seen in
    https://github.com/aws-samples/sagemaker-ssh-helper (tests/test_utils.py).
    """
    if any(not values.get(name) for name in placeholders(group + (stream or ""))):
        return None
    page = console_url(_LOG_GROUP, region, {"region": region})
    if page is None:
        return None
    prefix = f"$3FlogStreamNameFilter$3D{_escaped(stream.format_map(values))}" if stream else ""
    return f"{page}{_escaped(group.format_map(values))}{prefix}"


def _escaped(text: str) -> str:
    """Return a text as that console wants it: quoted twice, with dollars for percents, so that `/` is `$252F`."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
