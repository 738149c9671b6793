"""Lets `python -m exporter` do what `aws-job-exporter` does."""

import sys

from exporter.cli import main

sys.exit(main())
