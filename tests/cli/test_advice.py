"""What to do about a source that cannot be read, by what its error says."""

import pytest

from exporter.cli.advice import CAUSES, Ailment, advice, cause_advice
from exporter.jobs import SourceKey
from exporter.telemetry import PollErrorReason

KEY = SourceKey("111122223333", "ap-east-1", "bedrock", "model_invocation_job", "")
POLICY = "arn:aws:organizations::123412341234:policy/o-a1b2c3d4e5/service_control_policy/p-a1b2c3d4"
DENIED = (
    "An error occurred (AccessDeniedException) when calling the ListModelInvocationJobs operation: User: arn "
    "is not authorized to perform: bedrock:ListModelInvocationJobs on resource: arn:aws:bedrock:eu-west-3:1:job/* "
)
ROLE = "arn:aws:iam::111122223333:role/aws-job-exporter"
LIST = "bedrock:ListModelInvocationJobs"


def said(code, message=""):
    """Return an error as botocore words it."""
    return f"An error occurred ({code}) when calling the ListThings operation: {message}"


UNREACHED = 'Could not connect to the endpoint URL: "https://bedrock.ap-east-1.amazonaws.com/": '

TOLD = [
    (f"{DENIED}with an explicit deny in a service control policy: {POLICY}", f"service control policy: {POLICY};"),
    (
        f"{DENIED}with an explicit deny in the role trust policy",
        f"Remove the explicit deny of {LIST} from the role trust",
    ),
    (
        f"{DENIED}with an explicit deny in a permissions boundary",
        f"explicit deny of {LIST} from the permissions boundary",
    ),
    (f"{DENIED}because no session policy allows the {LIST} action", f"Allow {LIST} in the session policy as well"),
    (
        said("AccessDenied", f"User: arn is not authorized to perform: sts:TagSession on resource: {ROLE}"),
        f"Allow sts:TagSession beside sts:AssumeRole on {ROLE}, in the policy of the exporter's own",
    ),
    (said("AccessDeniedException", "Your account is currently blocked."), "Ask AWS Support"),
    (said("Blocked", "not recognized"), "Ask AWS Support"),
    (said("RegionDisabledException"), "Enable ap-east-1 for the account"),
    (
        said("UnrecognizedClientException", "x (where r is not enabled for the account)"),
        "Enable ap-east-1 for the account",
    ),
    (said("OptInRequired"), "Subscribe the account to bedrock"),
    (said("RequestTimeTooSkewed", "x (the clock of this machine is 3h behind that of AWS)"), "Set the clock"),
    (said("MissingAuthenticationTokenException"), "Find out what removes the signature on the way to bedrock"),
    (said("AWS.SimpleQueueService.NonExistentQueue"), "Correct events[].sqs_queue_url: there is no such queue"),
    (said("KMS.AccessDeniedException"), "Allow kms:Decrypt on the key that the queue is encrypted with"),
    (said("AuthFailure"), "Replace the access key"),
    (said("InvalidAccessKeyId"), "Replace the access key"),
    (said("UnrecognizedClientException"), "Replace the access key"),
    (said("SignatureDoesNotMatch"), "Check the secret access key"),
    ("Unable to locate credentials; ... hop limit of 2", "http-put-response-hop-limit 2"),
    ("Error when retrieving credentials from assume-role: the profile dev has an mfa_serial", "needs no MFA"),
    ("Error when retrieving credentials from custom-process: no token", "Mend the credential_process"),
    (
        "the session token of AWS_SESSION_TOKEN has white space in it",
        "Write the session token of AWS_SESSION_",
    ),
    ("x: the CA bundle /x.pem (AWS_CA_BUNDLE) cannot be used", "Correct the CA bundle /x.pem (AWS_CA_BUNDLE)"),
    ("x: the proxy a:1 of HTTPS_PROXY wants a user and a password (HTTP 407)", "Give a:1 of HTTPS_PROXY the user"),
    (f"{UNREACHED}unknown host a, the proxy of HTTPS_PROXY", "Correct HTTPS_PROXY: its proxy cannot be reached"),
    (f"{UNREACHED}unknown host a", "Check DNS and the endpoint: there is no host a"),
    (f"{UNREACHED}no name server answers for a", "Check the name servers"),
    (f"{UNREACHED}connection refused by a:443", "nothing listens at a:443"),
    (f"{UNREACHED}the TLS handshake was broken off by a:443", "whether something intercepts TLS to bedrock"),
    (f"{UNREACHED}a:443 asks for a client certificate, and the exporter has none", "through a proxy that has one"),
    (said("400", "'<title>400 No required SSL certificate was sent</title>'"), "through a proxy that has one"),
    ("SSL validation failed for https://a certificate has expired", "Check the certificates"),
    ('Connect timeout on endpoint URL: "https://a/"', "no connection opens within aws.connect_timeout"),
]


@pytest.mark.parametrize(("error", "what"), TOLD, ids=[f"{number}" for number in range(len(TOLD))])
def test_what_an_error_says_decides_what_to_do(error, what):
    """Not its reason, which many causes share; the service, the region and what the error names are filled in."""
    (found,) = advice([Ailment(KEY, PollErrorReason.NETWORK, "", error)])
    assert what in found


def test_every_cause_has_an_example_above():
    """A new one needs a new one; and none hides another."""
    assert {cause.advice for cause in CAUSES} == {
        next(cause.advice for cause in CAUSES if cause.words.search(error)) for error, _ in TOLD
    }


def test_a_permission_that_no_identity_based_policy_allows_is_just_missing():
    """The action says it all."""
    error = f"{DENIED}because no identity-based policy allows the {LIST} action"
    assert cause_advice(KEY, error) == ""
    assert advice([Ailment(KEY, PollErrorReason.ACCESS_DENIED, LIST, error)])[0].startswith(f"Allow {LIST}. 1 source")


def test_the_reason_decides_where_the_words_tell_nothing():
    """There is always something to do."""
    for reason in PollErrorReason:
        assert advice([Ailment(KEY, reason, "", "made up")])


def test_equal_advice_is_given_once():
    """With how many sources it is about."""
    ailments = [Ailment(KEY, PollErrorReason.EXPIRED_CREDENTIALS, "", said("AuthFailure"))] * 3
    assert advice(ailments)[0].endswith("3 sources in 111122223333.")
