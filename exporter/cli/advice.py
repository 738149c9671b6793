"""What to do about sources that cannot be read, the most useful first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.jobs import SourceKey
from exporter.telemetry import PollErrorReason


class Ailment(NamedTuple):
    """What is wrong with one source."""

    key: SourceKey
    reason: PollErrorReason | None
    """Why it is down; None if it is up and lacks a permission all the same."""
    missing: str
    """The action that is not allowed; empty if it is not known, or not the cause."""
    error: str = ""
    """What AWS says."""


class Cause(NamedTuple):
    """A cause that the words of an error tell, whatever its reason is."""

    sign: str
    """What people see of it."""
    words: re.Pattern[str]
    advice: str
    """What to do; takes `{service}`, `{region}` and the named groups of `words`."""


_POLICY = r"(?P<policy>[\w -]*?(?:policy|permissions boundary)(?:: arn:\S+)?)"


def _cause(sign: str, words: str, advice: str) -> Cause:
    return Cause(sign, re.compile(words, re.DOTALL), advice)


CAUSES = (
    _cause(
        "with an explicit deny in a policy",
        rf"not authorized to perform: (?P<action>[\w-]+:\w+).* explicit deny in (?:an? |the )?{_POLICY}",
        "Remove the explicit deny of {action} from the {policy}; to allow it elsewhere does not help",
    ),
    _cause(
        "`sts:TagSession` is not allowed",
        r"not authorized to perform: sts:TagSession on resource: (?P<role>\S+)",
        "Allow sts:TagSession beside sts:AssumeRole on {role}, in the policy of the exporter's own identity and in the "
        "role's trust policy: the tags of EKS Pod Identity go on to it",
    ),
    _cause(
        "because no policy of some sort allows an action",
        rf"because no (?!identity-based){_POLICY} allows the (?P<action>[\w-]+:\w+) action",
        "Allow {action} in the {policy} as well",
    ),
    _cause(
        "the account is currently blocked, or `PendingVerification`",
        r"currently blocked|\((?:Blocked|PendingVerification)\)",
        "Ask AWS Support to unblock the account, which AWS has blocked or not verified yet",
    ),
    _cause(
        "`RegionDisabledException`, or an unknown key in a region that accounts have to enable",
        r"\(RegionDisabledException\)|where \S+ is not enabled for the account",
        "Enable {region} for the account, or remove it from the regions to read",
    ),
    _cause(
        "`OptInRequired`, `SubscriptionRequiredException`",
        r"\((?:OptInRequired|SubscriptionRequiredException)\)",
        "Subscribe the account to {service}, or remove it from the services to read",
    ),
    _cause(
        "`NonExistentQueue`",
        r"NonExistentQueue|QueueDoesNotExist",
        "Correct events[].sqs_queue_url: there is no such queue, or its policy does not let the exporter know of it",
    ),
    _cause(
        "`KMS.AccessDeniedException`",
        r"\(KMS\.AccessDeniedException\)",
        "Allow kms:Decrypt on the key that the queue is encrypted with",
    ),
    _cause(
        "the clock of this machine",
        r"clock of this machine",
        "Set the clock of this machine, for example with NTP: AWS refuses what is signed at another time",
    ),
    _cause(
        "`MissingAuthenticationToken`",
        r"\(MissingAuthenticationToken(?:Exception)?\)",
        "Find out what removes the signature on the way to {service}: a proxy, or what aws.endpoint_url names",
    ),
    _cause(
        "`AuthFailure`, `InvalidAccessKeyId`, `InvalidClientTokenId`, `UnrecognizedClientException`",
        r"\((?:AuthFailure|InvalidAccessKeyId|InvalidClientTokenId|UnrecognizedClientException)\)",
        "Replace the access key: AWS does not know it; it was deleted or deactivated, or is of another partition",
    ),
    _cause(
        "`SignatureDoesNotMatch`, `InvalidSignatureException`",
        r"\((?:SignatureDoesNotMatch|InvalidSignatureException)\)",
        "Check the secret access key: it does not belong to the access key",
    ),
    _cause(
        "the hop limit of the EC2 metadata service",
        r"hop limit",
        "Let containers reach the EC2 metadata service: "
        "aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2",
    ),
    _cause(
        "an `mfa_serial`",
        r"mfa_serial",
        "Use a profile or a role that needs no MFA: nobody can type a code into a server",
    ),
    _cause(
        "`custom-process`",
        r"custom-process",
        "Mend the credential_process of the AWS profile, as it says above",
    ),
    _cause(
        "a key or a token that is not one word",
        r"the (?P<name>[\w ]+) of (?P<place>.+) has white space",
        "Write the {name} of {place} anew, without white space or line ends",
    ),
    _cause(
        "the CA bundle cannot be used",
        r"the CA bundle (?P<bundle>.+) cannot be used",
        "Correct the CA bundle {bundle}: it must be a file of certificates in PEM",
    ),
    _cause(
        "the proxy wants a user and a password",
        r"the proxy (?P<proxy>\S+ of \w+) wants a user",
        "Give {proxy} the user and the password that the proxy wants",
    ),
    _cause(
        "the proxy of a variable, as the host that is not reached",
        r", the proxy of (?P<variable>\w+)",
        "Correct {variable}: its proxy cannot be reached",
    ),
    _cause(
        "unknown host",
        r"unknown host (?P<host>\S+)",
        "Check DNS and the endpoint: there is no host {host}",
    ),
    _cause(
        "no name server answers",
        r"no name server answers",
        "Check the name servers of this machine, and the way to them: none answers",
    ),
    _cause(
        "connection refused",
        r"connection refused by (?P<host>[^\s,]+)",
        "Check the endpoint: nothing listens at {host}, or a firewall refuses",
    ),
    _cause(
        "asks for a client certificate",
        r"asks for a client certificate|No required SSL certificate",
        "Lead the requests to {service} past what asks for a client certificate, or through a proxy that has one: the "
        "exporter can send none, as the AWS CLI",
    ),
    _cause(
        "the TLS handshake, SSL validation failed",
        r"TLS handshake|SSL validation failed",
        "Check the certificates and the CA bundle (AWS_CA_BUNDLE), and whether something intercepts TLS to {service}",
    ),
    _cause(
        "Connect timeout",
        r"Connect timeout",
        "Check routes, security groups and VPC endpoints to {service}: no connection opens within aws.connect_timeout",
    ),
)
"""The first whose words an error has applies."""

_ADVICE = {
    PollErrorReason.THROTTLED: "Lower aws.requests_per_second or raise poll.interval: AWS throttles {service}",
    PollErrorReason.ACCESS_DENIED: "Compare with `aws-job-exporter iam-policy` what AWS says above of {service}",
    PollErrorReason.NOT_FOUND: "Correct the ids that the configuration names for {service}: they do not exist",
    PollErrorReason.EXPIRED_CREDENTIALS: "Provide valid credentials",
    PollErrorReason.INVALID_REQUEST: "Check what AWS says above of {service}: it does not accept the request",
    PollErrorReason.SERVER_ERROR: "Try again later: {service} has a fault",
    PollErrorReason.TIMEOUT: "Check the network to {service}, or raise aws.read_timeout: it does not answer in time",
    PollErrorReason.NETWORK: "Check names, routes, proxies and VPC endpoints: {service} cannot be reached",
    PollErrorReason.BAD_RESPONSE: "Check the proxy, if there is one: something else answers in place of {service}",
    PollErrorReason.INTERNAL: "Report a bug of the exporter, with what stands above of {service}",
}


def advice(ailments: Iterable[Ailment]) -> list[str]:
    """Return what to do, each with how many sources and accounts it is about."""
    about: defaultdict[str, list[SourceKey]] = defaultdict(list)
    for ailment in ailments:
        if what := _about_one(ailment):
            about[what].append(ailment.key)
    ordered = sorted(about.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"{what}. {_extent(keys)}" for what, keys in ordered]


def cause_advice(key: SourceKey, error: str) -> str:
    """Return what to do about a cause that the words of an error tell; empty if they tell none."""
    for cause in CAUSES:
        if found := cause.words.search(error):
            return cause.advice.format(service=key.aws_service, region=key.region, **found.groupdict())
    return ""


def _about_one(ailment: Ailment) -> str:
    """Return what to do about one source; empty if there is nothing to do."""
    if ailment.reason is None:
        return f"Allow {ailment.missing}" if ailment.missing else ""
    if told := cause_advice(ailment.key, ailment.error):
        return told
    if ailment.missing:
        return f"Allow {ailment.missing}"
    return _ADVICE[ailment.reason].format(service=ailment.key.aws_service)


def _extent(keys: Sequence[SourceKey]) -> str:
    """Return how many sources something is about, and in which accounts."""
    accounts = sorted({key.account_id or "the default credentials" for key in keys})
    where = accounts[0] if len(accounts) == 1 else f"{len(accounts)} accounts, such as {accounts[0]}"
    return f"{len(keys):,} {'source' if len(keys) == 1 else 'sources'} in {where}."
