# Sends the events of jobs in one account and region to the bus of the module queue: once for each account and region, but
# for those of the queue.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "name" {
  description = "Name of the rule."
  type        = string
  default     = "aws-job-exporter"
}

variable "bus_arn" {
  description = "ARN of the bus to send to, an output of the module queue."
  type        = string
}

locals {
  event_pattern = jsonencode({
    source = [
      "aws.airflow-serverless",
      "aws.appflow",
      "aws.athena",
      "aws.backup",
      "aws.batch",
      "aws.bedrock",
      "aws.braket",
      "aws.cleanrooms",
      "aws.codebuild",
      "aws.codedeploy",
      "aws.codepipeline",
      "aws.databrew",
      "aws.dataexchange",
      "aws.datasync",
      "aws.datazone",
      "aws.dms",
      "aws.emr",
      "aws.emr-containers",
      "aws.emr-serverless",
      "aws.fis",
      "aws.forecast",
      "aws.glue",
      "aws.glue-dataquality",
      "aws.healthlake",
      "aws.imagebuilder",
      "aws.mediaconvert",
      "aws.medical-imaging",
      "aws.omics",
      "aws.sagemaker",
      "aws.states",
      "aws.transcribe",
      "aws.translate",
    ]
    # Not the calls of operations, of which CloudTrail tells.
    detail-type = [{ anything-but = { prefix = "AWS " } }]
  })
}

data "aws_caller_identity" "current" {}

resource "aws_cloudwatch_event_rule" "events" {
  name          = var.name
  description   = "Events of jobs, for aws-job-exporter"
  event_pattern = local.event_pattern
}

resource "aws_cloudwatch_event_target" "bus" {
  rule     = aws_cloudwatch_event_rule.events.name
  arn      = var.bus_arn
  role_arn = aws_iam_role.send.arn
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "send" {
  statement {
    actions   = ["events:PutEvents"]
    resources = [var.bus_arn]
  }
}

resource "aws_iam_role" "send" {
  # Roles are in no region, and there may be such a rule in several.
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "send" {
  name   = "send"
  role   = aws_iam_role.send.name
  policy = data.aws_iam_policy_document.send.json
}
