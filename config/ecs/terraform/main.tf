# The exporter as a service of Amazon ECS on Fargate and, if you name a workspace of Amazon Managed Prometheus, a collector beside it
# that writes the metrics there. docs/installation.md explains the rest.

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
  description = "Name of the service, of its log group and of the target in Prometheus."
  type        = string
  default     = "aws-job-exporter"
}

variable "image" {
  description = "The exporter's image; best a copy in your own registry."
  type        = string
  default     = "ghcr.io/aws-job-exporter/aws-job-exporter:v0.1.0"
}

variable "collector_image" {
  description = "The image of the AWS Distro for OpenTelemetry's Collector."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
}

variable "cluster" {
  description = "The ECS cluster."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets from which AWS's endpoints can be reached, by NAT or VPC endpoints."
  type        = list(string)
}

variable "policy" {
  description = "The policy as JSON: what iam-policy prints, or iam-policy --for base if the accounts have roles."
  type        = string
}

variable "services" {
  description = "The configuration's services."
  type        = any
  default     = { bedrock = {}, sagemaker = {} }
}

variable "accounts_secret" {
  description = "ARN of a secret of Secrets Manager with the configuration's accounts, as JSON; without it, this account and region."
  type        = string
  default     = null
}

variable "workspace" {
  description = "ARN of a workspace of Amazon Managed Prometheus in this region; without it, something else has to scrape."
  type        = string
  default     = null
}

variable "scraper_security_group" {
  description = "The security group of what may reach the exporter's port."
  type        = string
  default     = null
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  log = {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.this.name
      awslogs-region        = data.aws_region.current.name
      awslogs-stream-prefix = "ecs"
      # If CloudWatch is slow, lines are lost; otherwise the exporter would wait.
      mode            = "non-blocking"
      max-buffer-size = "4m"
    }
  }

  exporter = {
    name         = "exporter"
    image        = var.image
    essential    = true
    command      = ["--web.listen-address=:10058", "--log.format=json"]
    environment  = [{ name = "AWS_JOB_EXPORTER_SERVICES", value = jsonencode(var.services) }]
    secrets      = [for arn in compact([var.accounts_secret]) : { name = "AWS_JOB_EXPORTER_ACCOUNTS", valueFrom = arn }]
    portMappings = [{ containerPort = 10058, protocol = "tcp" }]
    user         = "65532:65532"

    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    healthCheck = {
      command = [
        "CMD",
        "python3",
        "-c",
        "import urllib.request; urllib.request.urlopen(\"http://localhost:10058/-/healthy\", timeout=4)",
      ]
      interval    = 15
      timeout     = 5
      retries     = 4
      startPeriod = 60
    }
    stopTimeout      = 15
    logConfiguration = local.log
  }

  collector = {
    name      = "collector"
    image     = var.collector_image
    essential = true
    dependsOn = [{ containerName = "exporter", condition = "HEALTHY" }]

    environment = [{ name = "AOT_CONFIG_CONTENT", value = yamlencode({
      extensions = { sigv4auth = { region = data.aws_region.current.name, service = "aps" } }
      receivers = { prometheus = { config = { scrape_configs = [{
        job_name        = "aws-job-exporter"
        scrape_interval = "30s"
        static_configs  = [{ targets = ["localhost:10058"], labels = { instance = var.name } }]
      }] } } }
      processors = { batch = {} }
      exporters = { prometheusremotewrite = {
        endpoint = join("", [
          "https://aps-workspaces.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}",
          "/workspaces/${try(split("/", var.workspace)[1], "")}/api/v1/remote_write",
        ])
        auth                             = { authenticator = "sigv4auth" }
        resource_to_telemetry_conversion = { enabled = false }
      } }
      service = {
        extensions = ["sigv4auth"]
        pipelines = { metrics = {
          receivers  = ["prometheus"]
          processors = ["batch"]
          exporters  = ["prometheusremotewrite"]
        } }
      }
    }) }]

    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    logConfiguration       = local.log
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = 30
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# Whoever asks: the exporter and, if there is one, the collector.
resource "aws_iam_role" "task" {
  name_prefix        = "${substr(var.name, 0, 30)}-task-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "read_jobs" {
  name   = "read-jobs"
  role   = aws_iam_role.task.id
  policy = var.policy
}

resource "aws_iam_role_policy" "write_metrics" {
  count = var.workspace == null ? 0 : 1
  name  = "write-metrics"
  role  = aws_iam_role.task.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "aps:RemoteWrite", Resource = var.workspace }]
  })
}

# Whoever starts the task: pulls images, writes logs, reads the secret.
resource "aws_iam_role" "execution" {
  name_prefix        = "${substr(var.name, 0, 26)}-execute-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "read_accounts" {
  count = var.accounts_secret == null ? 0 : 1
  name  = "read-accounts"
  role  = aws_iam_role.execution.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = var.accounts_secret }]
  })
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-"
  description = "aws-job-exporter reaches AWS by HTTPS, and Prometheus reaches it"
  vpc_id      = var.vpc_id

  egress {
    description = "AWS"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }

  dynamic "ingress" {
    for_each = compact([var.scraper_security_group])

    content {
      description     = "Prometheus"
      protocol        = "tcp"
      from_port       = 10058
      to_port         = 10058
      security_groups = [ingress.value]
    }
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode(concat([local.exporter], [for _ in compact([var.workspace]) : local.collector]))

  runtime_platform {
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # The old task ends before the new one starts: two at once would request everything twice and show every job twice.
  desired_count                      = 1
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }
}

output "task_role" {
  description = "The exporter's own identity, which the roles of other accounts trust."
  value       = aws_iam_role.task.arn
}

output "security_group" {
  description = "The security group of the exporter."
  value       = aws_security_group.this.id
}
