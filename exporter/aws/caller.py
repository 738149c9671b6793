"""For whom AWS is called: what tells one call of a client from another, since all accounts share the clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.aws.causes import REGION
from exporter.aws.identities import Identity
from exporter.aws.poll import PollRun
from exporter.aws.rate import AdaptiveLimiter

CALLER = "aws_job_exporter_caller"
"""The parameter of a client's method that takes the caller, and the key of a request's context that holds it."""


@dataclass
class Caller:
    """For whom a call is made. Requests that botocore makes by itself, to find credentials, are nobody's."""

    poll: PollRun = field(default_factory=PollRun)
    identity: Identity | None = None
    """Whose credentials sign each request; the client's own if there is none."""
    limiters: Sequence[AdaptiveLimiter] = ()
    """What holds back each request, in the order of waiting."""
    region: str = ""
    account_id: str = ""
    """The account that the credentials have to belong to; empty if that is what is to be found out."""
    access_key: str = ""
    """What the last request was signed with."""


def caller_of(context: Mapping[str, Any]) -> Caller:
    """Return for whom a request is made."""
    caller: Caller = context[CALLER]
    return caller


def attach(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Move the caller from the parameters of a call to its context (botocore's `provide-client-params`).

    botocore gives its hooks no arguments of ours, but every hook of every attempt sees the call's context.
    """
    context[CALLER] = params.pop(CALLER, None) or Caller()


async def hold(request: Any, **_: Any) -> None:
    """Wait until the caller's rates allow another request (botocore's `request-created`)."""
    caller = caller_of(request.context)
    for limiter in caller.limiters:
        await limiter.wait(caller.poll)


def learn(parsed_response: Any, context: Mapping[str, Any], **_: Any) -> None:
    """Have the caller's rates follow what AWS responds (botocore's `response-received`)."""
    if parsed_response:  # without one the network failed, which says nothing about the rate
        for limiter in caller_of(context).limiters:
            limiter.learn(parsed_response)


async def reread(parsed_response: Any, context: Mapping[str, Any], **_: Any) -> None:
    """Have the caller's credentials read again if AWS rejects them (botocore's `response-received`)."""
    identity = caller_of(context).identity
    if identity and parsed_response:
        await identity.answered(parsed_response)


def locate(parsed_response: Any, context: Mapping[str, Any], **_: Any) -> None:
    """Note in an error response in which region it was requested, because it does not say (`response-received`)."""
    if parsed_response and "Error" in parsed_response:
        parsed_response.setdefault("ResponseMetadata", {})[REGION] = caller_of(context).region
