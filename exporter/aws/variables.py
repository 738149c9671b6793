"""AWS's own configuration, checked before it is used: its environment variables and the keys of its profiles.

botocore takes most values as they are, and fails at the first request, or silently does something else.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from exporter.aws.causes import BUNDLES, PROXIES
from exporter.catalog.models import regions
from exporter.text.redaction import redacted
from exporter.text.spelling import did_you_mean
from exporter.text.urls import endpoint, proxy

_LONG = 100
"""Characters of a value to show."""

Check = Callable[[str], object]
"""Takes a value, and raises ValueError with what is wrong with it."""


def _one_of(*words: str) -> Check:
    def check(value: str) -> None:
        if value.lower() not in map(str.lower, words):
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}, not {_shown(value)}")

    return check


def _number(least: int, most: int) -> Check:
    def check(value: str) -> None:
        if not re.fullmatch(r"\s*\d{1,9}\s*", value) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most:,}, not {_shown(value)}")

    return check


def _boolean(value: str) -> None:
    # botocore reads whatever is not `true` as false.
    if value.lower() not in {"", "true", "false"}:
        raise ValueError(f"must be true or false, not {_shown(value)}")


def _region(value: str) -> None:
    if value and value not in regions():
        raise ValueError(f"AWS has no region {_shown(value)}{did_you_mean(value, regions())}")


def _url(value: str) -> None:
    if value:
        endpoint(value)


def _proxy(value: str) -> None:
    if value:
        proxy(value)


def _role(value: str) -> None:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", value):
        raise ValueError(f"{_shown(value)} is not the ARN of a role, such as arn:aws:iam::111122223333:role/NAME")


def _secret(value: str) -> None:
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError("must be letters, digits and signs without white space or line ends")


def _header(value: str) -> None:
    if not re.fullmatch(r"[ -~]*", value):
        raise ValueError("must be what a header can have: no line ends")


def _bundle(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path or os.devnull)
    except OSError as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else (error.strerror or "cannot be read")
        raise ValueError(f"must be a file of certificates in PEM: {_shown(path)}: {why}") from None


class Variable(NamedTuple):
    """What a variable may be, and a key of the profile where the variable is not set."""

    check: Check
    name: str
    key: str


def _rules(check: Check, *places: str) -> list[Variable]:
    """Return a rule for each place: `VARIABLE`, `VARIABLE/key` or `/key`."""
    return [Variable(check, name, key) for name, _, key in (place.partition("/") for place in places)]


RULES = (
    *_rules(_region, "AWS_REGION", "AWS_DEFAULT_REGION/region", "/sso_region"),
    *_rules(_role, "AWS_ROLE_ARN/role_arn"),
    *_rules(_secret, "AWS_ACCESS_KEY_ID/aws_access_key_id", "AWS_SECRET_ACCESS_KEY/aws_secret_access_key"),
    *_rules(_secret, "AWS_SESSION_TOKEN/aws_session_token", "AWS_SECURITY_TOKEN/aws_security_token"),
    *_rules(_header, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    *_rules(_bundle, f"{BUNDLES[0]}/ca_bundle"),
    *_rules(_url, "/endpoint_url", "AWS_EC2_METADATA_SERVICE_ENDPOINT/ec2_metadata_service_endpoint"),
    *_rules(_url, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *_rules(_proxy, *PROXIES),
    *_rules(
        _one_of("legacy", "auto", "standard", "in-region", "cross-region", "mobile"), "AWS_DEFAULTS_MODE/defaults_mode"
    ),
    *_rules(_one_of("legacy", "standard", "adaptive"), "AWS_RETRY_MODE/retry_mode"),
    *_rules(_one_of("legacy", "regional"), "AWS_STS_REGIONAL_ENDPOINTS/sts_regional_endpoints"),
    *_rules(_one_of("legacy", "regional"), "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT/s3_us_east_1_regional_endpoint"),
    *_rules(_one_of("preferred", "disabled", "required"), "AWS_ACCOUNT_ID_ENDPOINT_MODE/account_id_endpoint_mode"),
    *_rules(_one_of("auto", "true", "false"), "AWS_ENDPOINT_DISCOVERY_ENABLED/endpoint_discovery_enabled"),
    *_rules(_one_of("ipv4", "ipv6"), "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE/ec2_metadata_service_endpoint_mode"),
    *_rules(
        _one_of("when_supported", "when_required"),
        "AWS_REQUEST_CHECKSUM_CALCULATION/request_checksum_calculation",
        "AWS_RESPONSE_CHECKSUM_VALIDATION/response_checksum_validation",
    ),
    *_rules(_one_of("Environment", "Ec2InstanceMetadata", "EcsContainer"), "/credential_source"),
    *_rules(_number(1, 100), "AWS_MAX_ATTEMPTS/max_attempts"),
    *_rules(_number(1, 3600), "AWS_METADATA_SERVICE_TIMEOUT/metadata_service_timeout"),
    *_rules(_number(1, 100), "AWS_METADATA_SERVICE_NUM_ATTEMPTS/metadata_service_num_attempts"),
    *_rules(_number(1, 65_535), "AWS_CSM_PORT/csm_port"),
    *_rules(
        _number(1, 1_048_576),
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES/request_min_compression_size_bytes",
    ),
    *_rules(
        _boolean,
        "AWS_CSM_ENABLED/csm_enabled",
        "AWS_DISABLE_HOST_PREFIX_INJECTION/disable_host_prefix_injection",
        "AWS_DISABLE_REQUEST_COMPRESSION/disable_request_compression",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_V1_DISABLED/ec2_metadata_v1_disabled",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS/ignore_configured_endpoint_urls",
        "AWS_IMDS_USE_IPV6/imds_use_ipv6",
        "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH/s3_disable_express_session_auth",
        "AWS_S3_USE_ARN_REGION/s3_use_arn_region",
        "AWS_USE_DUALSTACK_ENDPOINT/use_dualstack_endpoint",
        "AWS_USE_FIPS_ENDPOINT/use_fips_endpoint",
        "BOTOCORE_TCP_KEEPALIVE/tcp_keepalive",
    ),
)

ANY_VALUE = {
    *("AWS_AUTH_SCHEME_PREFERENCE", "AWS_CSM_CLIENT_ID", "AWS_CSM_HOST", "AWS_DATA_PATH"),
    *("AWS_SDK_UA_APP_ID", "AWS_SIGV4A_SIGNING_REGION_SET"),
    # Whatever writes this file may be slower than the exporter.
    "AWS_SHARED_CREDENTIALS_FILE",
}
"""Variables of botocore that no value breaks. The others are files and profiles, see below."""

_SECTIONS = {"source_profile": "profiles", "services": "services", "sso_session": "sso_sessions"}
"""Keys of a profile that name a section of AWS's configuration file."""


def problems() -> list[str]:
    """Return what cannot work in AWS's own configuration: the variable or the key, the value and what is allowed."""
    # Without botocore's own handlers, which take a tenth of a second and do nothing here.
    session = AioSession(include_builtin_handlers=False)
    if found := [*_of_variables(os.environ), *_of_file(session)]:
        return found
    try:
        profile, full = session.get_scoped_config(), session.full_config
    except BotoCoreError as error:
        return [f"{_file_of(error)}: {redacted(str(error))}"]
    return [f"the AWS profile {session.profile or 'default'}: {problem}" for problem in _of_profile(profile, full)]


def _of_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with variables."""
    for check, name, _ in RULES:
        if name in environ:
            yield from _wrong(name, check, environ[name])
    for name in environ:
        if name.startswith("AWS_ENDPOINT_URL"):
            yield from _wrong(name, _url, environ[name])
    # The one that is not in botocore's own configuration, and that counts only without the other.
    if (other := BUNDLES[1]) in environ and BUNDLES[0] not in environ:
        yield from _wrong(other, _bundle, environ[other])
    for one, missing in (_KEYS, _KEYS[::-1]):
        if environ.get(one) and not environ.get(missing):
            yield f"{missing}: is missing; {one} alone is no key"


_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def _of_file(session: AioSession) -> Iterator[str]:
    """Yield what is wrong with the configuration file and the profile that variables name."""
    path = Path(os.environ.get("AWS_CONFIG_FILE") or os.devnull).expanduser()
    # One that is not there is a usual way to say that there is none. botocore passes over one that it cannot read, too.
    if path.exists() and (path.is_dir() or not os.access(path, os.R_OK)):
        yield f"AWS_CONFIG_FILE: {_shown(str(path))} is not a file that can be read"
        return
    try:
        known = session.available_profiles
    except BotoCoreError as error:
        yield f"{_file_of(error)}: {redacted(str(error))}"
        return
    name = next((name for name in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE") if name in os.environ), "")
    if name and (profile := os.environ[name]) not in known:
        yield f"{name}: AWS's configuration has no profile {_shown(profile)}{did_you_mean(profile, known)}"


def _of_profile(profile: Mapping[str, Any], full: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the keys of a profile that no variable replaces."""
    for check, name, key in RULES:
        value = profile.get(key)
        if isinstance(value, str) and name not in os.environ:
            yield from _wrong(key, check, value)
    for key, section in _SECTIONS.items():
        known = full.get(section, {})
        if (named := profile.get(key)) is not None and named not in known:
            yield f"{key}: there is no {_shown(named)}{did_you_mean(named, known)}"
    urls = full.get("services", {}).get(profile.get("services"), {})
    for service, options in urls.items():
        if isinstance(options, dict) and isinstance(url := options.get("endpoint_url"), str):
            yield from _wrong(f"services: {service}: endpoint_url", _url, url)


def _wrong(place: str, check: Check, value: str) -> Iterator[str]:
    """Yield what is wrong with a value, if anything is."""
    try:
        check(value)
    except ValueError as error:
        yield f"{place}: {error}"


def _file_of(error: BotoCoreError) -> str:
    """Return the variable that names the file of an error, which itself has the path."""
    paths = {name: os.environ.get(name) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    return next((name for name, path in paths.items() if path and path in str(error)), "AWS's own configuration")


def _shown(value: str) -> str:
    """Return a value in quotes, without secrets and cut if it is long."""
    return repr(redacted(value[: 4 * _LONG])[:_LONG])
