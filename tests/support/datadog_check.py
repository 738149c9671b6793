"""Runs Datadog's OpenMetrics check by itself, in an environment that has it, and prints what it would submit.

Arguments: the address of the metrics, and further settings of the instance as JSON.
"""

import json
import os
import sys
import tempfile

# The stub of the agent refuses tags such as `version`, which the agent takes.
os.environ["DDEV_SKIP_GENERIC_TAGS_CHECK"] = "true"
# The check writes beside where it runs.
os.chdir(tempfile.mkdtemp())

from datadog_checks.base import OpenMetricsBaseCheckV2  # type: ignore[import-not-found]  # noqa: E402
from datadog_checks.base.stubs import aggregator  # type: ignore[import-not-found]  # noqa: E402

_TYPES = {0: "gauge", 3: "monotonic_count"}


class _Check(OpenMetricsBaseCheckV2):  # type: ignore[misc]
    __NAMESPACE__ = "aws_jobs"
    DEFAULT_METRIC_LIMIT = 0


instance = {"openmetrics_endpoint": sys.argv[1], "metrics": [".+"], **json.loads(sys.argv[2])}
check = _Check("aws_jobs", {}, [instance])
if error := check.run():
    sys.exit(error)
samples = [sample for name in aggregator.metric_names for sample in aggregator.metrics(name)]
print(json.dumps([(each.name, _TYPES.get(each.type, str(each.type)), each.value, each.tags) for each in samples]))  # noqa: T201
