"""How AWS's lists differ from what their models say, so that a test can switch it on for every kind."""

from __future__ import annotations

from enum import Enum

LATEST = 600.0
"""Seconds after which a list shows what is true, at the latest."""

RETAINED = 86_400.0
"""Seconds for which a job is listed after its end, where AWS does not keep it."""

WINDOW = 20.0
"""Seconds for which a job that is missing from a list is missing."""


class Quirk(Enum):
    """One thing that AWS does somewhere: what, in which operation, a source, and what the exporter promises even so."""

    NO_MESSAGES = (
        "lists leave out why a job failed",
        "ListModelInvocationJobs: all of 179 recorded failures",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ModelInvocationJobSummary.html",
        "The reason is requested where the kind has `details`; elsewhere it is `unspecified`.",
    )
    RETENTION = (
        "a job is no longer listed some time after its end",
        "ListBackupJobs: 30 days",
        "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html",
        "It counts for the lookback where the catalog has a `retention`, else until two full readings lack it.",
    )
    WALKS = (
        "a filter by status is applied to pages that were cut before: many are short or empty",
        "ListTrainingJobs",
        "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html",
        "Nothing is missed. It takes the requests of a list without the filter.",
    )
    SMALL_PAGES = (
        "pages have fewer items than were asked for",
        "ListExecutions",
        "https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html",
        "Only a missing token ends a list.",
    )
    EMPTY_PAGES = (
        "pages without items have a token for the next page",
        "ListTrainingJobs",
        "https://github.com/aws/aws-cli/issues/7596",
        "Only a missing token ends a list.",
    )
    EMPTY_TOKEN = (
        "the token of the last page is an empty text",
        "DescribeSpotPriceHistory",
        "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html",
        "It ends the list, like a missing one.",
    )
    REPEATED_TOKEN = (
        "a page has the token that it was requested with",
        "GetLogEvents",
        "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html",
        "The poll fails as `bad_response`: the list may not be complete.",
    )
    LISTED_LATE = (
        "a job is listed only minutes after its creation",
        "ListExecutions: eventually consistent",
        "https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html",
        "Up to ten minutes late, a job and its end count as if it had been listed at once.",
    )
    MISSING_ONCE = (
        "a list lacks a job once in a while",
        "ListExecutions: eventually consistent",
        "https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html",
        "A known job stays. A new one is in the next poll within ten minutes, or in the next resync.",
    )
    OLD_STATUS = (
        "a list shows for minutes what a job was doing before",
        "ListExecutions: eventually consistent",
        "https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html",
        "The end counts once it is shown: once, and by AWS's own time.",
    )
    RESTARTS = (
        "a job that has ended runs again under the same id",
        "RetryPipelineExecution",
        "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RetryPipelineExecution.html",
        "Each end that a poll sees counts once, by its own time.",
    )
    NO_ZONE = (
        "times are texts without a time zone",
        "GetBatchImportJobs: texts of which nothing is said",
        "https://docs.aws.amazon.com/frauddetector/latest/api/API_BatchImport.html",
        "They are read as UTC.",
    )
    MILLISECONDS = (
        "times are in milliseconds",
        "ListJobs",
        "https://docs.aws.amazon.com/batch/latest/APIReference/API_JobSummary.html",
        "What would be after the year 5138 in seconds is in milliseconds.",
    )
    UNKNOWN_MEMBERS = (
        "responses have members that the model does not have",
        "all",
        "https://smithy.io/2.0/guides/evolving-models.html",
        "They change nothing.",
    )
    NO_REQUIRED = (
        "members that the model requires are missing",
        "DescribeCompilationJob: recorded ones lack `FailureReason`",
        "https://smithy.io/2.0/spec/aggregate-types.html#client-error-correction",
        "The job counts without them. Only its id has to be there, and the list.",
    )

    def __init__(self, what: str, where: str, source: str, promise: str) -> None:
        self.what = what
        self.where = where
        self.source = source
        self.promise = promise


ALWAYS = {"bedrock/model_invocation_job": frozenset({Quirk.NO_MESSAGES})}
"""Of each kind, what was seen in every recorded response."""


def lag(token: str, quirk: Quirk) -> float:
    """Return by how many seconds lists are late about a job, less than `LATEST`: always the same for a token."""
    digits = {Quirk.LISTED_LATE: token[:8], Quirk.OLD_STATUS: token[8:16]}[quirk]
    return int(digits, 16) / 16**8 * LATEST


def is_missing(token: str, now: float) -> bool:
    """Whether lists lack a job at a time: it was there a window before, and is there a window later."""
    return (int(now // WINDOW) + int(token[16:20], 16)) % _EVERY == 0


_EVERY = 13
"""A job is missing in one of so many windows. A prime, so that no pace of polls always meets the same jobs."""
