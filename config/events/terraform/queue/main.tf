# The queue that aws-job-exporter takes hints from, and the bus that other accounts and regions send events to: once, in the
# account and region whose queue the exporter is to read. docs/events.md explains the rest.

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
  description = "Name of the queue, the bus and the rules."
  type        = string
  default     = "aws-job-exporter"
}

variable "organization_id" {
  description = "Id of the organization whose accounts may send events to the bus; without it, only this account."
  type        = string
  default     = null
}

variable "shards" {
  description = "How many exporters share the sources (shard.count): each needs a queue of its own."
  type        = number
  default     = 1
}

locals {
  # With shards, what to write into the URL under events[].sqs_queue_url is {shard}.
  queues = var.shards == 1 ? [var.name] : [for shard in range(var.shards) : "${var.name}-${shard}"]

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

resource "aws_sqs_queue" "events" {
  for_each = toset(local.queues)

  name = each.key
  # A hint is worth nothing once its list was polled, which is within minutes.
  message_retention_seconds = 3600
  receive_wait_time_seconds = 20
  sqs_managed_sse_enabled   = true
}

resource "aws_cloudwatch_event_bus" "events" {
  name = var.name
}

resource "aws_cloudwatch_event_bus_policy" "events" {
  count = var.organization_id == null ? 0 : 1

  event_bus_name = aws_cloudwatch_event_bus.events.name
  policy         = data.aws_iam_policy_document.bus[0].json
}

data "aws_iam_policy_document" "bus" {
  count = var.organization_id == null ? 0 : 1

  statement {
    sid       = "organization"
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.events.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [var.organization_id]
    }
  }
}

# What happens in this account and region; a rule for each queue, because a rule has five targets at most.
resource "aws_cloudwatch_event_rule" "own" {
  for_each = aws_sqs_queue.events

  name          = each.key
  description   = "Events of jobs, for aws-job-exporter"
  event_pattern = local.event_pattern
}

resource "aws_cloudwatch_event_target" "own" {
  for_each = aws_sqs_queue.events

  rule = aws_cloudwatch_event_rule.own[each.key].name
  arn  = each.value.arn
}

# What others sent.
resource "aws_cloudwatch_event_rule" "others" {
  for_each = aws_sqs_queue.events

  name           = "${each.key}-others"
  description    = "Events of jobs in other accounts and regions, for aws-job-exporter"
  event_bus_name = aws_cloudwatch_event_bus.events.name
  event_pattern  = local.event_pattern
}

resource "aws_cloudwatch_event_target" "others" {
  for_each = aws_sqs_queue.events

  rule           = aws_cloudwatch_event_rule.others[each.key].name
  event_bus_name = aws_cloudwatch_event_bus.events.name
  arn            = each.value.arn
}

# Whoever may write into a queue can have lists polled, so only these rules may.
data "aws_iam_policy_document" "queue" {
  for_each = aws_sqs_queue.events

  statement {
    sid       = "rules"
    actions   = ["sqs:SendMessage"]
    resources = [each.value.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values = [
        aws_cloudwatch_event_rule.own[each.key].arn,
        aws_cloudwatch_event_rule.others[each.key].arn,
      ]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  for_each = aws_sqs_queue.events

  queue_url = each.value.url
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

output "queue_urls" {
  description = "What to write under events[].sqs_queue_url."
  value       = [for queue in aws_sqs_queue.events : queue.url]
}

output "queue_arns" {
  description = "What the exporter needs sqs:ReceiveMessage and sqs:DeleteMessage on."
  value       = [for queue in aws_sqs_queue.events : queue.arn]
}

output "bus_arn" {
  description = "What the module forward takes."
  value       = aws_cloudwatch_event_bus.events.arn
}
