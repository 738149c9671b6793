"""Every kind that moto supports, against moto: jobs that boto3 made are counted as boto3 lists them."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, cast

import pytest
from botocore import xform_name
from moto.backends import get_backend

from exporter.catalog import Catalog, Kind
from exporter.catalog.kind import Filters
from tests.support.harness import CATALOG, HandClock, configured, running

pytestmark = pytest.mark.slow

Client = Callable[[str], Any]
"""Makes boto3's client of a service."""

Maker = Callable[[Client], Mapping[str, Any]]
"""Makes jobs, and returns the arguments with which boto3 lists all of them."""

KINDS = {str(kind): kind for kind in CATALOG.kinds()}
ROLE = "arn:aws:iam::123456789012:role/jobs"
S3 = "s3://bucket/jobs"


def customize_models(client: Client) -> Mapping[str, Any]:
    """Customize two Bedrock models, and stop one of the jobs: each makes a model at once."""
    bedrock = client("bedrock")
    for name in ("first", "second"):
        bedrock.create_model_customization_job(
            jobName=name,
            customModelName=f"{name}-model",
            roleArn=ROLE,
            baseModelIdentifier="amazon.titan-text-lite-v1",
            trainingDataConfig={"s3Uri": S3},
            outputDataConfig={"s3Uri": S3},
            hyperParameters={"epochCount": "1"},
        )
    bedrock.stop_model_customization_job(jobIdentifier="first")
    return {}


def train_models(client: Client) -> Mapping[str, Any]:
    """Train a model with SageMaker."""
    client("sagemaker").create_training_job(
        TrainingJobName="train",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": S3},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    return {}


def process_data(client: Client) -> Mapping[str, Any]:
    """Process data twice with SageMaker, and stop one of the jobs."""
    sagemaker = client("sagemaker")
    for name in ("first", "second"):
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            ProcessingResources={
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            AppSpecification={"ImageUri": "image"},
            RoleArn=ROLE,
        )
    sagemaker.stop_processing_job(ProcessingJobName="first")
    return {}


def transform_data(client: Client) -> Mapping[str, Any]:
    """Transform data with a model of SageMaker."""
    client("sagemaker").create_transform_job(
        TransformJobName="transform",
        ModelName="model",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": S3}}},
        TransformOutput={"S3OutputPath": S3},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    return {}


def tune_hyperparameters(client: Client) -> Mapping[str, Any]:
    """Tune the hyperparameters of a training."""
    client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune",
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
        },
    )
    return {}


def learn_automatically(client: Client) -> Mapping[str, Any]:
    """Start two AutoML jobs, and stop one of them."""
    sagemaker = client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": S3}}
    problem = {"ContentColumn": "text", "TargetLabelColumn": "label", "CompletionCriteria": {"MaxCandidates": 1}}
    for name in ("first", "second"):
        sagemaker.create_auto_ml_job_v2(
            AutoMLJobName=name,
            AutoMLJobInputDataConfig=[{"ChannelType": "training", "DataSource": source}],
            OutputDataConfig={"S3OutputPath": S3},
            AutoMLProblemTypeConfig={"TextClassificationJobConfig": problem},
            RoleArn=ROLE,
        )
    sagemaker.stop_auto_ml_job(AutoMLJobName="first")
    return {}


def compile_models(client: Client) -> Mapping[str, Any]:
    """Compile a model with SageMaker."""
    client("sagemaker").create_compilation_job(
        CompilationJobName="compile",
        RoleArn=ROLE,
        InputConfig={"S3Uri": S3, "DataInputConfig": "{}", "Framework": "PYTORCH"},
        OutputConfig={"S3OutputLocation": S3, "TargetDevice": "ml_m5"},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    return {}


def execute_pipelines(client: Client) -> Mapping[str, Any]:
    """Execute a SageMaker pipeline twice."""
    sagemaker = client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="pipeline", PipelineDefinition="{}", RoleArn=ROLE, ClientRequestToken="t" * 32
    )
    for _ in range(2):
        sagemaker.start_pipeline_execution(PipelineName="pipeline", ClientRequestToken="t" * 32)
    return {"PipelineName": "pipeline"}


def comprehend_text(job: str, *, can_stop: bool = True, **arguments: Any) -> Maker:
    """Return a function that starts two Comprehend jobs of one type, and stops one where AWS has a call for it."""

    def make(client: Client) -> Mapping[str, Any]:
        comprehend = client("comprehend")
        for _ in range(2):
            identifier = getattr(comprehend, f"start_{job}_job")(
                InputDataConfig={"S3Uri": S3}, OutputDataConfig={"S3Uri": S3}, DataAccessRoleArn=ROLE, **arguments
            )["JobId"]
        if can_stop:
            getattr(comprehend, f"stop_{job}_job")(JobId=identifier)
        return {}

    return make


def train_classifiers(client: Client) -> Mapping[str, Any]:
    """Train two document classifiers, and stop one of the trainings."""
    comprehend = client("comprehend")
    for name in ("first", "second"):
        arn = comprehend.create_document_classifier(
            DocumentClassifierName=name,
            VersionName="v1",
            DataAccessRoleArn=ROLE,
            InputDataConfig={"S3Uri": S3},
            LanguageCode="en",
        )["DocumentClassifierArn"]
    comprehend.stop_training_document_classifier(DocumentClassifierArn=arn)
    return {}


def train_recognizers(client: Client) -> Mapping[str, Any]:
    """Train an entity recognizer."""
    client("comprehend").create_entity_recognizer(
        RecognizerName="recognizer",
        DataAccessRoleArn=ROLE,
        InputDataConfig={"EntityTypes": [{"Type": "PLACE"}], "Documents": {"S3Uri": S3}},
        LanguageCode="en",
    )
    return {}


def transcribe_speech(client: Client) -> Mapping[str, Any]:
    """Transcribe three recordings: moto advances a job each time it is looked at."""
    transcribe = client("transcribe")
    for looks in (1, 2, 3):
        name = {"TranscriptionJobName": f"after-{looks}-looks"}
        transcribe.start_transcription_job(**name, LanguageCode="en-US", Media={"MediaFileUri": f"{S3}.mp3"})
        for _ in range(looks):
            transcribe.get_transcription_job(**name)
    return {}


def transcribe_medical_speech(client: Client) -> Mapping[str, Any]:
    """Transcribe three medical conversations: moto advances a job each time it is looked at."""
    transcribe = client("transcribe")
    for looks in (1, 2, 3):
        name = {"MedicalTranscriptionJobName": f"after-{looks}-looks"}
        transcribe.start_medical_transcription_job(
            **name,
            LanguageCode="en-US",
            Media={"MediaFileUri": f"{S3}.mp3"},
            OutputBucketName="bucket",
            Specialty="PRIMARYCARE",
            Type="CONVERSATION",
        )
        for _ in range(looks):
            transcribe.get_medical_transcription_job(**name)
    return {}


def run_glue_jobs(client: Client) -> Mapping[str, Any]:
    """Run a Glue job twice."""
    glue = client("glue")
    glue.create_job(Name="job", Role=ROLE, Command={"Name": "glueetl"})
    for _ in range(2):
        glue.start_job_run(JobName="job")
    return {"JobName": "job"}


def crawl(client: Client) -> Mapping[str, Any]:
    """Crawl a bucket with Glue."""
    glue = client("glue")
    glue.create_crawler(Name="crawler", Role=ROLE, Targets={"S3Targets": [{"Path": S3}]})
    glue.start_crawler(Name="crawler")
    return {"CrawlerName": "crawler"}


def run_workflows(client: Client) -> Mapping[str, Any]:
    """Run a Glue workflow twice."""
    glue = client("glue")
    glue.create_workflow(Name="workflow")
    for _ in range(2):
        glue.start_workflow_run(Name="workflow")
    return {"Name": "workflow"}


def run_batch_jobs(client: Client) -> Mapping[str, Any]:
    """Submit two Batch jobs, which moto ends at once."""
    client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
    batch = client("batch")
    environment = batch.create_compute_environment(
        computeEnvironmentName="environment",
        type="UNMANAGED",
        state="ENABLED",
        serviceRole="arn:aws:iam::123456789012:role/batch",
    )["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": environment}]
    queue = batch.create_job_queue(jobQueueName="queue", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    container = {"image": "image", "vcpus": 1, "memory": 128}
    batch.register_job_definition(jobDefinitionName="job", type="container", containerProperties=container)
    for name in ("first", "second"):
        batch.submit_job(jobName=name, jobQueue="queue", jobDefinition="job")
    return {"jobQueue": queue["jobQueueArn"]}


def run_steps(client: Client) -> Mapping[str, Any]:
    """Run a cluster with two steps: the second waits for the first."""
    emr = client("emr")
    instances = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    steps = [{"Name": name, "HadoopJarStep": {"Jar": "step.jar"}} for name in ("first", "second")]
    cluster = emr.run_job_flow(Name="cluster", Instances=instances, Steps=steps)["JobFlowId"]
    # A cluster that has ended keeps its steps.
    emr.terminate_job_flows(JobFlowIds=[cluster])
    return {"ClusterId": cluster}


def run_clusters(client: Client) -> Mapping[str, Any]:
    """Run two clusters, and end one of them."""
    emr = client("emr")
    instances = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    first, _ = (emr.run_job_flow(Name="cluster", Instances=instances)["JobFlowId"] for _ in range(2))
    emr.terminate_job_flows(JobFlowIds=[first])
    return {}


def run_serverless_jobs(client: Client) -> Mapping[str, Any]:
    """Run two EMR Serverless jobs, and cancel one of them."""
    emr = client("emr-serverless")
    application = {"applicationId": emr.create_application(releaseLabel="emr-7.0.0", type="SPARK")["applicationId"]}
    for _ in range(2):
        run = emr.start_job_run(**application, executionRoleArn=ROLE)["jobRunId"]
    emr.cancel_job_run(**application, jobRunId=run)
    return application


def run_jobs_on_eks(client: Client) -> Mapping[str, Any]:
    """Run two jobs of EMR on EKS, and cancel one of them."""
    client("eks").create_cluster(name="eks", roleArn=ROLE, resourcesVpcConfig={})
    emr = client("emr-containers")
    provider = {"id": "eks", "type": "EKS", "info": {"eksInfo": {"namespace": "default"}}}
    cluster = {"virtualClusterId": emr.create_virtual_cluster(name="cluster", containerProvider=provider)["id"]}
    driver = {"sparkSubmitJobDriver": {"entryPoint": S3}}
    for _ in range(2):
        run = emr.start_job_run(**cluster, executionRoleArn=ROLE, releaseLabel="emr-6.3.0-latest", jobDriver=driver)
    emr.cancel_job_run(**cluster, id=run["id"])
    return cluster


def execute_state_machines(client: Client) -> Mapping[str, Any]:
    """Execute a state machine twice, and stop one of the executions."""
    states = client("stepfunctions")
    definition = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": true}}}'
    machine = states.create_state_machine(name="machine", definition=definition, roleArn=ROLE)["stateMachineArn"]
    for _ in range(2):
        execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    states.stop_execution(executionArn=execution)
    return {"stateMachineArn": machine}


def export_snapshots(client: Client) -> Mapping[str, Any]:
    """Export a database snapshot twice, and cancel one of the exports."""
    rds = client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="database",
        DBInstanceClass="db.m5.large",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="user",
        MasterUserPassword="password",
    )
    snapshot = rds.create_db_snapshot(DBInstanceIdentifier="database", DBSnapshotIdentifier="snapshot")["DBSnapshot"]
    export = {"S3BucketName": "bucket", "IamRoleArn": ROLE, "KmsKeyId": "key"}
    for name in ("first", "second"):
        rds.start_export_task(ExportTaskIdentifier=name, SourceArn=snapshot["DBSnapshotArn"], **export)
    rds.cancel_export_task(ExportTaskIdentifier="first")
    return {}


def export_logs(client: Client) -> Mapping[str, Any]:
    """Export a log group."""
    client("s3").create_bucket(Bucket="bucket")
    logs = client("logs")
    logs.create_log_group(logGroupName="group")
    logs.create_export_task(logGroupName="group", fromTime=0, to=1, destination="bucket")
    return {}


MAKERS: Mapping[str, Maker] = {
    "batch/job": run_batch_jobs,
    "bedrock/custom_model": customize_models,
    "bedrock/model_customization_job": customize_models,
    "comprehend/document_classification_job": comprehend_text("document_classification", can_stop=False),
    "comprehend/document_classifier": train_classifiers,
    "comprehend/dominant_language_detection_job": comprehend_text("dominant_language_detection"),
    "comprehend/entities_detection_job": comprehend_text("entities_detection", LanguageCode="en"),
    "comprehend/entity_recognizer": train_recognizers,
    "comprehend/events_detection_job": comprehend_text(
        "events_detection", LanguageCode="en", TargetEventTypes=["BANKRUPTCY"]
    ),
    "comprehend/key_phrases_detection_job": comprehend_text("key_phrases_detection", LanguageCode="en"),
    "comprehend/pii_entities_detection_job": comprehend_text(
        "pii_entities_detection", LanguageCode="en", Mode="ONLY_OFFSETS"
    ),
    "comprehend/sentiment_detection_job": comprehend_text("sentiment_detection", LanguageCode="en"),
    "comprehend/targeted_sentiment_detection_job": comprehend_text("targeted_sentiment_detection", LanguageCode="en"),
    "comprehend/topics_detection_job": comprehend_text("topics_detection", can_stop=False),
    "emr-containers/job_run": run_jobs_on_eks,
    "emr-serverless/job_run": run_serverless_jobs,
    "emr/job_flow": run_clusters,
    "emr/step": run_steps,
    "glue/crawl": crawl,
    "glue/job_run": run_glue_jobs,
    "glue/workflow_run": run_workflows,
    "logs/export_task": export_logs,
    "rds/export_task": export_snapshots,
    "sagemaker/automl_job": learn_automatically,
    "sagemaker/compilation_job": compile_models,
    "sagemaker/hyperparameter_tuning_job": tune_hyperparameters,
    "sagemaker/pipeline_execution": execute_pipelines,
    "sagemaker/processing_job": process_data,
    "sagemaker/training_job": train_models,
    "sagemaker/transform_job": transform_data,
    "stepfunctions/execution": execute_state_machines,
    "transcribe/medical_transcription_job": transcribe_medical_speech,
    "transcribe/transcription_job": transcribe_speech,
}
"""What makes jobs of a kind."""

LEFT_OUT = {
    "dynamodb/export": "moto fails with KeyError where no TableArn is sent, which botocore's model does not require",
}
"""Kinds that moto answers in another way than AWS, and how."""

UNKNOWN = {
    "bedrock/custom_model": "moto lists models without a modelStatus, which botocore's model does not require",
    "rds/export_task": "moto writes `complete` and `canceled` where AWS writes COMPLETE and CANCELED",
}
"""Kinds whose statuses in moto are none of AWS's, and why: the exporter has to say that it knows none of them."""


def without_broken_filters() -> Catalog:
    """Return the catalog without Comprehend's filter by time: moto compares a datetime with a number there."""
    comprehend = CATALOG["comprehend"]
    kinds = {key: kind.model_copy(update={"filters": Filters()}) for key, kind in comprehend.kinds.items()}
    return CATALOG.with_services({"comprehend": comprehend.model_copy(update={"kinds": kinds})})


def listed(client: Client, kind: Kind, arguments: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    """Count what boto3 lists by status and state, as the exporter labels them."""
    response = getattr(client(kind.service), xform_name(kind.operation))(**arguments)
    statuses = [reduce(dict.get, kind.status.split("."), item) for item in response[kind.items]]
    known = {status: (status, str(state)) for status, state in kind.state_of.items()}
    return Counter(known.get(status, ("unknown", "unknown")) for status in statuses)


@pytest.mark.parametrize("name", MAKERS)
async def test_jobs_are_counted_as_boto3_lists_them(moto, client, name):
    """The jobs that boto3 made are counted in the statuses that boto3 lists."""
    kind = KINDS[name]
    expected = listed(client, kind, MAKERS[name](client))
    settings = configured(moto, {kind.service: {"kinds": [kind.key]}})
    async with running(settings, HandClock(time.time()), catalog=without_broken_filters()) as exporter:
        sources = exporter.by("kind", "aws_job_exporter_source_up")
        counts = exporter.samples("aws_jobs", "status", "state", kind=kind.key)
    assert sources == dict.fromkeys(("account", kind.outer_scope or kind.key, kind.key), 1)
    assert {labels: count for labels, count in counts.items() if count} == expected
    assert {state == "unknown" for _, state in expected} == {name in UNKNOWN}


async def test_empty_lists_are_read_as_zero(moto):
    """Before there are jobs, every kind that moto lists the way AWS does is up and at zero."""
    tried = [KINDS[name] for name in {**MAKERS, **LEFT_OUT}]
    services = {kind.service: {"kinds": [each.key for each in tried if each.service == kind.service]} for kind in tried}
    async with running(configured(moto, services), HandClock(time.time())) as exporter:
        sources = exporter.samples("aws_job_exporter_source_up", "aws_service", "kind")
        counts = exporter.samples("aws_jobs", "aws_service", "kind", "status")
    assert {"/".join(source) for source, up in sources.items() if not up} == set(LEFT_OUT)
    assert {"/".join(labels[:2]) for labels in counts} == {name for name in MAKERS if not KINDS[name].scopes}
    assert set(counts.values()) == {0}


def test_every_kind_that_moto_implements_is_tested():
    """Whatever moto implements is run against moto, or left out for a reason."""
    assert {name for name, kind in KINDS.items() if _is_implemented(kind)} == {*MAKERS, *LEFT_OUT}


def _is_implemented(kind: Kind) -> bool:
    """Return whether moto can list a kind; over HTTP an operation without code and one that fails are both a 500."""
    try:
        backend = get_backend(cast("Any", kind.service)).backend
    except ImportError:
        return False
    return hasattr(backend, xform_name(kind.operation))
