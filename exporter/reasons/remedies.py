"""What to do about each reason: for the page of a job, and for the documents."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.jobs import Reason

REMEDIES: Mapping[Reason, str] = {
    Reason.ACCESS_DENIED: "Allow what the message names, in the job's role or in the policy of the bucket or the key.",
    Reason.NOT_FOUND: "Create what the message names, or correct its name or its region.",
    Reason.INVALID_INPUT: "Correct what the message names: the request, the data, or the queue that a job waits in.",
    Reason.QUOTA_EXCEEDED: "Ask for a higher quota (Service Quotas), or let fewer run at once.",
    Reason.THROTTLED: "Submit fewer at once, and again later.",
    Reason.CAPACITY: "Allow other instance types, zones or regions, reserve capacity, or submit it again later.",
    Reason.TIMEOUT: "Raise the job's time limit, or give it less to do.",
    Reason.OUT_OF_MEMORY: "Give it a larger instance or worker, or smaller batches.",
    Reason.RESOURCE_EXHAUSTED: "Enlarge the volume, or the subnet.",
    Reason.CODE_ERROR: "Read the job's log, and correct the program.",
    Reason.NETWORK: "Check subnets, security groups and endpoints, and the host that the message names.",
    Reason.DEPENDENCY: "Look at the job or the step before it, or at the service that the message names.",
    Reason.RECORDS_FAILED: "Read the job's output: it says of each record what was wrong.",
    Reason.CANCELLED: "If nobody meant to stop it, CloudTrail tells who did.",
    Reason.INTERNAL_ERROR: "Submit it again; if it fails again, ask AWS Support.",
    Reason.UNSPECIFIED: "Read the job's log, or its page in the AWS console.",
    Reason.OTHER: "Read the message; a rule of your own can give it a reason.",
    Reason.QUEUE: "Let more run at once, raise its priority, or wait for its turn.",
    Reason.SCHEDULE: "It starts at its time; submit it without one to have it start now.",
    Reason.APPROVAL: "Approve, confirm or resume it in the AWS console.",
}
