"""Every kind that moto supports, against moto: jobs that boto3 makes and moves are counted as boto3 lists them."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import Any, cast

import pytest
from botocore import xform_name
from moto.backends import get_backend

from exporter.catalog import Catalog, Kind
from exporter.catalog.kind import Filters
from tests.support.harness import CATALOG, HandClock, Running, configured, running

pytestmark = pytest.mark.slow

Client = Callable[[str], Any]
"""Makes boto3's client of a service."""

Rounds = Callable[[Client], Iterator[Mapping[str, Any]]]
"""Makes and moves jobs in three rounds, and yields after each the arguments with which boto3 lists all of them."""

KINDS = {str(kind): kind for kind in CATALOG.kinds()}
NAMES = ("first", "second", "third")
"""A job for each round."""

ROLE = "arn:aws:iam::123456789012:role/jobs"
S3 = "s3://bucket/jobs"


def customize_models(client: Client) -> Iterator[Mapping[str, Any]]:
    """Customize Bedrock models, and stop each job in the next round: each makes a model at once."""
    bedrock = client("bedrock")
    for name in NAMES:
        bedrock.create_model_customization_job(
            jobName=name,
            customModelName=f"{name}-model",
            roleArn=ROLE,
            baseModelIdentifier="amazon.titan-text-lite-v1",
            trainingDataConfig={"s3Uri": S3},
            outputDataConfig={"s3Uri": S3},
            hyperParameters={"epochCount": "1"},
        )
        yield {}
        bedrock.stop_model_customization_job(jobIdentifier=name)


def train_models(client: Client) -> Iterator[Mapping[str, Any]]:
    """Train models with SageMaker."""
    for name in NAMES:
        client("sagemaker").create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": S3},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        yield {}


def process_data(client: Client) -> Iterator[Mapping[str, Any]]:
    """Process data with SageMaker: in moto jobs are over at once, and AWS stops no job that has ended."""
    sagemaker = client("sagemaker")
    for name in NAMES:
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            ProcessingResources={
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            AppSpecification={"ImageUri": "image"},
            RoleArn=ROLE,
        )
        yield {}


def transform_data(client: Client) -> Iterator[Mapping[str, Any]]:
    """Transform data with a model of SageMaker."""
    for name in NAMES:
        client("sagemaker").create_transform_job(
            TransformJobName=name,
            ModelName="model",
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": S3}}},
            TransformOutput={"S3OutputPath": S3},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
        yield {}


def tune_hyperparameters(client: Client) -> Iterator[Mapping[str, Any]]:
    """Tune the hyperparameters of trainings."""
    for name in NAMES:
        client("sagemaker").create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig={
                "Strategy": "Bayesian",
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            },
        )
        yield {}


def learn_automatically(client: Client) -> Iterator[Mapping[str, Any]]:
    """Start AutoML jobs, and stop each in the next round."""
    sagemaker = client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": S3}}
    problem = {"ContentColumn": "text", "TargetLabelColumn": "label", "CompletionCriteria": {"MaxCandidates": 1}}
    for name in NAMES:
        sagemaker.create_auto_ml_job_v2(
            AutoMLJobName=name,
            AutoMLJobInputDataConfig=[{"ChannelType": "training", "DataSource": source}],
            OutputDataConfig={"S3OutputPath": S3},
            AutoMLProblemTypeConfig={"TextClassificationJobConfig": problem},
            RoleArn=ROLE,
        )
        yield {}
        sagemaker.stop_auto_ml_job(AutoMLJobName=name)


def compile_models(client: Client) -> Iterator[Mapping[str, Any]]:
    """Compile models with SageMaker."""
    for name in NAMES:
        client("sagemaker").create_compilation_job(
            CompilationJobName=name,
            RoleArn=ROLE,
            InputConfig={"S3Uri": S3, "DataInputConfig": "{}", "Framework": "PYTORCH"},
            OutputConfig={"S3OutputLocation": S3, "TargetDevice": "ml_m5"},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        yield {}


def execute_pipelines(client: Client) -> Iterator[Mapping[str, Any]]:
    """Execute a SageMaker pipeline."""
    sagemaker = client("sagemaker")
    sagemaker.create_pipeline(
        PipelineName="pipeline", PipelineDefinition="{}", RoleArn=ROLE, ClientRequestToken="t" * 32
    )
    for _ in NAMES:
        sagemaker.start_pipeline_execution(PipelineName="pipeline", ClientRequestToken="t" * 32)
        yield {"PipelineName": "pipeline"}


def comprehend_text(job: str, *, can_stop: bool = True, **arguments: Any) -> Rounds:
    """Return a function that starts Comprehend jobs of one type, and stops each later where AWS has a call for it."""

    def make(client: Client) -> Iterator[Mapping[str, Any]]:
        comprehend = client("comprehend")
        for _ in NAMES:
            identifier = getattr(comprehend, f"start_{job}_job")(
                InputDataConfig={"S3Uri": S3}, OutputDataConfig={"S3Uri": S3}, DataAccessRoleArn=ROLE, **arguments
            )["JobId"]
            yield {}
            if can_stop:
                getattr(comprehend, f"stop_{job}_job")(JobId=identifier)

    return make


def train_classifiers(client: Client) -> Iterator[Mapping[str, Any]]:
    """Train document classifiers, and stop each training in the next round."""
    comprehend = client("comprehend")
    for name in NAMES:
        arn = comprehend.create_document_classifier(
            DocumentClassifierName=name,
            VersionName="v1",
            DataAccessRoleArn=ROLE,
            InputDataConfig={"S3Uri": S3},
            LanguageCode="en",
        )["DocumentClassifierArn"]
        yield {}
        comprehend.stop_training_document_classifier(DocumentClassifierArn=arn)


def train_recognizers(client: Client) -> Iterator[Mapping[str, Any]]:
    """Train entity recognizers, and stop each training in the next round."""
    comprehend = client("comprehend")
    for name in NAMES:
        arn = comprehend.create_entity_recognizer(
            RecognizerName=name,
            DataAccessRoleArn=ROLE,
            InputDataConfig={"EntityTypes": [{"Type": "PLACE"}], "Documents": {"S3Uri": S3}},
            LanguageCode="en",
        )["EntityRecognizerArn"]
        yield {}
        comprehend.stop_training_entity_recognizer(EntityRecognizerArn=arn)


def transcribe_speech(client: Client) -> Iterator[Mapping[str, Any]]:
    """Transcribe recordings: moto advances a job each time it is looked at."""
    transcribe = client("transcribe")
    for number, name in enumerate(NAMES, 1):
        media = {"MediaFileUri": f"{S3}.mp3"}
        transcribe.start_transcription_job(TranscriptionJobName=name, LanguageCode="en-US", Media=media)
        for started in NAMES[:number]:
            transcribe.get_transcription_job(TranscriptionJobName=started)
        yield {}


def transcribe_medical_speech(client: Client) -> Iterator[Mapping[str, Any]]:
    """Transcribe medical conversations: moto advances a job each time it is looked at."""
    transcribe = client("transcribe")
    for number, name in enumerate(NAMES, 1):
        transcribe.start_medical_transcription_job(
            MedicalTranscriptionJobName=name,
            LanguageCode="en-US",
            Media={"MediaFileUri": f"{S3}.mp3"},
            OutputBucketName="bucket",
            Specialty="PRIMARYCARE",
            Type="CONVERSATION",
        )
        for started in NAMES[:number]:
            transcribe.get_medical_transcription_job(MedicalTranscriptionJobName=started)
        yield {}


def run_glue_jobs(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run a Glue job."""
    glue = client("glue")
    glue.create_job(Name="job", Role=ROLE, Command={"Name": "glueetl"}, ExecutionProperty={"MaxConcurrentRuns": 3})
    for _ in NAMES:
        glue.start_job_run(JobName="job")
        yield {"JobName": "job"}


def crawl(client: Client) -> Iterator[Mapping[str, Any]]:
    """Crawl a bucket with Glue: moto ends a crawl when someone has looked."""
    glue = client("glue")
    glue.create_crawler(Name="crawler", Role=ROLE, Targets={"S3Targets": [{"Path": S3}]})
    for _ in NAMES:
        glue.start_crawler(Name="crawler")
        yield {"CrawlerName": "crawler"}


def run_workflows(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run a Glue workflow, and stop each run in the next round."""
    glue = client("glue")
    glue.create_workflow(Name="workflow")
    for _ in NAMES:
        run = glue.start_workflow_run(Name="workflow")["RunId"]
        yield {"Name": "workflow"}
        glue.stop_workflow_run(Name="workflow", RunId=run)


def run_batch_jobs(client: Client) -> Iterator[Mapping[str, Any]]:
    """Submit Batch jobs, which moto ends at once."""
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
    for name in NAMES:
        batch.submit_job(jobName=name, jobQueue="queue", jobDefinition="job")
        yield {"jobQueue": queue["jobQueueArn"]}


def run_steps(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run a cluster with steps, each of which waits for the one before."""
    emr = client("emr")
    instances = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    cluster = emr.run_job_flow(Name="cluster", Instances=instances)["JobFlowId"]
    # A cluster that has ended keeps its steps.
    emr.terminate_job_flows(JobFlowIds=[cluster])
    for name in NAMES:
        emr.add_job_flow_steps(JobFlowId=cluster, Steps=[{"Name": name, "HadoopJarStep": {"Jar": "step.jar"}}])
        yield {"ClusterId": cluster}


def run_clusters(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run clusters, and end each in the next round."""
    emr = client("emr")
    instances = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    for name in NAMES:
        cluster = emr.run_job_flow(Name=name, Instances=instances)["JobFlowId"]
        yield {}
        emr.terminate_job_flows(JobFlowIds=[cluster])


def run_serverless_jobs(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run EMR Serverless jobs: in moto they succeed at once, and AWS cancels no job that has ended."""
    emr = client("emr-serverless")
    application = {"applicationId": emr.create_application(releaseLabel="emr-7.0.0", type="SPARK")["applicationId"]}
    for _ in NAMES:
        emr.start_job_run(**application, executionRoleArn=ROLE)
        yield application


def run_jobs_on_eks(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run jobs of EMR on EKS, and cancel each in the next round."""
    client("eks").create_cluster(name="eks", roleArn=ROLE, resourcesVpcConfig={})
    emr = client("emr-containers")
    provider = {"id": "eks", "type": "EKS", "info": {"eksInfo": {"namespace": "default"}}}
    cluster = {"virtualClusterId": emr.create_virtual_cluster(name="cluster", containerProvider=provider)["id"]}
    driver = {"sparkSubmitJobDriver": {"entryPoint": S3}}
    for _ in NAMES:
        run = emr.start_job_run(**cluster, executionRoleArn=ROLE, releaseLabel="emr-6.3.0-latest", jobDriver=driver)
        yield cluster
        emr.cancel_job_run(**cluster, id=run["id"])


def execute_state_machines(client: Client) -> Iterator[Mapping[str, Any]]:
    """Execute a state machine, and stop each execution in the next round."""
    states = client("stepfunctions")
    definition = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": true}}}'
    machine = states.create_state_machine(name="machine", definition=definition, roleArn=ROLE)["stateMachineArn"]
    for _ in NAMES:
        execution = states.start_execution(stateMachineArn=machine)["executionArn"]
        yield {"stateMachineArn": machine}
        states.stop_execution(executionArn=execution)


def export_snapshots(client: Client) -> Iterator[Mapping[str, Any]]:
    """Export a database snapshot, and cancel each export in the next round."""
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
    for name in NAMES:
        rds.start_export_task(ExportTaskIdentifier=name, SourceArn=snapshot["DBSnapshotArn"], **export)
        yield {}
        rds.cancel_export_task(ExportTaskIdentifier=name)


def export_tables(client: Client) -> Iterator[Mapping[str, Any]]:
    """Export a table, where the first exports fail for want of their bucket."""
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    point_in_time = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName="table", PointInTimeRecoverySpecification=point_in_time)
    for name in NAMES:
        if name == NAMES[-1]:
            client("s3").create_bucket(Bucket="bucket")
        export = dynamodb.export_table_to_point_in_time(TableArn=TABLE, S3Bucket="bucket", S3Prefix="exports")
        arn = export["ExportDescription"]["ExportArn"]
        # A thread of moto's exports.
        while dynamodb.describe_export(ExportArn=arn)["ExportDescription"]["ExportStatus"] == "IN_PROGRESS":
            pass
        yield {"TableArn": TABLE}


def export_logs(client: Client) -> Iterator[Mapping[str, Any]]:
    """Export a log group."""
    client("s3").create_bucket(Bucket="bucket")
    logs = client("logs")
    logs.create_log_group(logGroupName="group")
    for _ in NAMES:
        logs.create_export_task(logGroupName="group", fromTime=0, to=1, destination="bucket")
        yield {}


def execute_deployment_pipelines(client: Client) -> Iterator[Mapping[str, Any]]:
    """Execute a CodePipeline pipeline: in moto its executions succeed at once."""
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "codepipeline.amazonaws.com"}}]}
    client("iam").create_role(RoleName="jobs", AssumeRolePolicyDocument=json.dumps(policy))
    pipelines = client("codepipeline")
    kinds = {"Source": "S3", "Build": "CodeBuild"}
    stages = [
        {
            "name": category,
            "actions": [
                {
                    "name": category,
                    "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
                }
            ],
        }
        for category, provider in kinds.items()
    ]
    store = {"type": "S3", "location": "bucket"}
    pipelines.create_pipeline(
        pipeline={"name": "pipeline", "roleArn": ROLE, "artifactStore": store, "stages": stages, "version": 1}
    )
    for _ in NAMES:
        pipelines.start_pipeline_execution(name="pipeline")
        yield {"pipelineName": "pipeline"}


def send_commands(client: Client) -> Iterator[Mapping[str, Any]]:
    """Send commands to an instance, which moto ends at once."""
    for _ in NAMES:
        client("ssm").send_command(InstanceIds=["i-0123456789abcdef0"], DocumentName="AWS-RunShellScript")
        yield {}


def replicate_databases(client: Client) -> Iterator[Mapping[str, Any]]:
    """Start replication tasks, and stop each in the next round."""
    dms = client("dms")
    for name in NAMES:
        task = dms.create_replication_task(
            ReplicationTaskIdentifier=name,
            SourceEndpointArn="arn:aws:dms:us-east-1:123456789012:endpoint:source",
            TargetEndpointArn="arn:aws:dms:us-east-1:123456789012:endpoint:target",
            ReplicationInstanceArn="arn:aws:dms:us-east-1:123456789012:rep:instance",
            MigrationType="full-load",
            TableMappings="{}",
        )["ReplicationTask"]["ReplicationTaskArn"]
        dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
        yield {}
        dms.stop_replication_task(ReplicationTaskArn=task)


def operate_things(client: Client) -> Iterator[Mapping[str, Any]]:
    """Start jobs on a thing."""
    iot = client("iot")
    thing = iot.create_thing(thingName="thing")["thingArn"]
    for name in NAMES:
        iot.create_job(jobId=name, targets=[thing], document="{}")
        yield {}


def replay_events(client: Client) -> Iterator[Mapping[str, Any]]:
    """Replay an archive, which moto does at once."""
    events, bus = client("events"), "arn:aws:events:us-east-1:123456789012:event-bus/default"
    archive = events.create_archive(ArchiveName="archive", EventSourceArn=bus)["ArchiveArn"]
    for name in NAMES:
        events.start_replay(
            ReplayName=name,
            EventSourceArn=archive,
            EventStartTime=datetime(2026, 1, 1, tzinfo=UTC),
            EventEndTime=datetime(2026, 1, 2, tzinfo=UTC),
            Destination={"Arn": bus},
        )
        yield {}


def inject_faults(client: Client) -> Iterator[Mapping[str, Any]]:
    """Run experiments, which moto ends at once."""
    fis = client("fis")
    template = fis.create_experiment_template(
        clientToken="token",
        description="",
        stopConditions=[{"source": "none"}],
        actions={"wait": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M"}}},
        roleArn=ROLE,
    )["experimentTemplate"]["id"]
    for name in NAMES:
        fis.start_experiment(clientToken=name, experimentTemplateId=template)
        yield {}


def change_stack_sets(client: Client) -> Iterator[Mapping[str, Any]]:
    """Create instances of a stack set, one after the other."""
    stacks = client("cloudformation")
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "topic"}}
    template = json.dumps({"Resources": {"Topic": topic}})
    name = {"StackSetName": "set"}
    stack_set = stacks.create_stack_set(**name, TemplateBody=template)["StackSetId"]
    for region in ("us-east-1", "us-west-2", "eu-west-1"):
        stacks.create_stack_instances(**name, Accounts=["123456789012"], Regions=[region])
        yield {"StackSetName": stack_set}


def build(client: Client) -> Iterator[Mapping[str, Any]]:
    """Build a project, and stop each build in the next round."""
    builds = client("codebuild")
    builds.create_project(
        name="project",
        source={"type": "S3", "location": "bucket/source.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=ROLE,
    )
    for _ in NAMES:
        started = builds.start_build(projectName="project")["build"]["id"]
        yield {"projectName": "project"}
        builds.stop_build(id=started)


def deploy(client: Client) -> Iterator[Mapping[str, Any]]:
    """Deploy an application."""
    deployments, names = client("codedeploy"), {"applicationName": "application"}
    deployments.create_application(**names, computePlatform="Server")
    deployments.create_deployment_group(**names, deploymentGroupName="group", serviceRoleArn=ROLE)
    for _ in NAMES:
        deployments.create_deployment(**names, deploymentGroupName="group")
        yield {}


MAKERS: Mapping[str, Rounds] = {
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
    "dynamodb/export": export_tables,
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
    "cloudformation/stack_set_operation": change_stack_sets,
    "codepipeline/pipeline_execution": execute_deployment_pipelines,
    "dms/replication_task": replicate_databases,
    "events/replay": replay_events,
    "fis/experiment": inject_faults,
    "iot/job": operate_things,
    "codebuild/build": build,
    "codedeploy/deployment": deploy,
    "ssm/command": send_commands,
}
"""What makes jobs of a kind."""

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/table"
"""The only table whose exports moto lists: it fails where no TableArn is sent, which the model does not require."""

UNKNOWN = {
    "iot/job": "moto writes QUEUED, which is a status of a job's executions on things, not of a job",
    "rds/export_task": "moto writes `complete` and `canceled` where AWS writes COMPLETE and CANCELED",
}
"""Kinds whose statuses in moto are none of AWS's, and why: the exporter has to say that it knows none of them."""


UNDATED = {"comprehend/entity_recognizer", "dynamodb/export", "logs/export_task"}
"""Kinds that moto lists without any time: what had ended before the first poll may be old, and never counts."""


def as_moto_lists() -> Catalog:
    """Return the catalog without filters where moto compares times with numbers (Comprehend) or texts (Bedrock)."""
    services = {}
    for service in (CATALOG["bedrock"], CATALOG["comprehend"]):
        kinds = {key: kind.model_copy(update={"filters": Filters()}) for key, kind in service.kinds.items()}
        services[service.service] = service.model_copy(update={"kinds": kinds})
    dynamodb = CATALOG["dynamodb"]
    of_table = dynamodb.kinds["export"].model_copy(update={"arguments": {"TableArn": TABLE}})
    services["dynamodb"] = dynamodb.model_copy(update={"kinds": {**dynamodb.kinds, "export": of_table}})
    return CATALOG.with_services(services)


def listed(client: Client, kind: Kind, arguments: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    """Count what boto3 lists by status and state, as the exporter labels them."""
    service = client(kind.service)
    items = getattr(service, xform_name(kind.operation))(**arguments)[kind.items]
    if describe := kind.describe:
        items = getattr(service, xform_name(describe.operation))(**{describe.ids: items})[describe.items]
    statuses = [reduce(dict.get, kind.status.split("."), item) or kind.absent_status for item in items]
    known = {status: (status, str(state)) for status, state in kind.state_of.items()}
    return Counter(known.get(status, ("unknown", "unknown")) for status in statuses)


@pytest.mark.parametrize("name", MAKERS)
async def test_jobs_are_counted_as_boto3_lists_them(moto, client, name):
    """What boto3 makes, stops and ends in three rounds is counted in the statuses that boto3 lists after each."""
    kind, rounds = KINDS[name], MAKERS[name](client)
    settings = configured(moto, {kind.service: {"kinds": [kind.key]}})
    expected = [listed(client, kind, next(rounds))]
    async with running(settings, HandClock(time.time()), catalog=as_moto_lists()) as exporter:
        shown = [counted(exporter, kind)]
        for arguments in rounds:
            expected.append(listed(client, kind, arguments))
            await exporter.turn(1.2 * settings.poll.interval)
            shown.append(counted(exporter, kind))
        sources = exporter.by("kind", "aws_job_exporter_source_up")
    assert sources == dict.fromkeys(("account", kind.outer_scope or kind.key, kind.key), 1)
    ended_before: Counter[tuple[str, str]] = expected[0] if name in UNDATED else Counter()
    assert shown == [counts - ended_before for counts in expected]
    assert [sum(counts.values()) for counts in expected] == [1, 2, 3]
    assert {state == "unknown" for _, state in expected[-1]} == {name in UNKNOWN}


def counted(exporter: Running, kind: Kind) -> Counter[tuple[str, ...]]:
    """Return how many jobs of a kind are shown by status and state."""
    return +Counter(exporter.samples("aws_jobs", "status", "state", kind=kind.key))


async def test_empty_lists_are_read_as_zero(moto):
    """Before there are jobs, every kind that moto lists is up and at zero."""
    tried = [KINDS[name] for name in MAKERS]
    services = {kind.service: {"kinds": [each.key for each in tried if each.service == kind.service]} for kind in tried}
    clock = HandClock(time.time())
    async with running(configured(moto, services), clock, catalog=as_moto_lists()) as exporter:
        sources = exporter.samples("aws_job_exporter_source_up", "aws_service", "kind")
        counts = exporter.samples("aws_jobs", "aws_service", "kind", "status")
    assert set(sources.values()) == {1}
    assert {"/".join(labels[:2]) for labels in counts} == {name for name in MAKERS if not KINDS[name].scopes}
    assert set(counts.values()) == {0}


def test_every_kind_that_moto_implements_is_tested():
    """Whatever moto implements is run against moto."""
    assert {name for name, kind in KINDS.items() if _is_implemented(kind)} == {*MAKERS}
    assert len(MAKERS) == 43


def _is_implemented(kind: Kind) -> bool:
    """Return whether moto can list a kind; over HTTP an operation without code and one that fails are both a 500."""
    try:
        backend = get_backend(cast("Any", kind.service)).backend
    except ImportError:
        return False
    return all(hasattr(backend, xform_name(operation)) for operation in (kind.operation, kind.described[0]))
