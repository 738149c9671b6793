"""How AWS answers otherwise than its models say, so that a test can switch it on for every kind."""

from __future__ import annotations

from enum import StrEnum


class Quirk(StrEnum):
    """One thing that AWS does somewhere; the catalog and the exporter must be right with and without it."""

    NO_MESSAGES = "lists leave out why a job failed"
    """All of 179 recorded failures in ListModelInvocationJobs lack `message`, which GetModelInvocationJob has."""


ALWAYS = {"bedrock/model_invocation_job": frozenset({Quirk.NO_MESSAGES})}
"""Of each kind, what was seen in every recorded response."""
