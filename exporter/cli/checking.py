"""The commands that check a configuration or its rules without polling."""

from __future__ import annotations

import sys

from exporter.cli.claims import claimed_twice, shadowed, unremembered
from exporter.cli.environment import check_environment
from exporter.cli.forecast import forecast, forgetful, stretched, unfed, unread, untagged
from exporter.cli.invocation import Invocation
from exporter.reasons import Classifier
from exporter.settings import ConfigurationError, above_quotas, given, load
from exporter.text.printable import printable
from exporter.web import WebConfigFile

_ALWAYS = (forgetful, above_quotas, stretched, untagged, unfed, unread, shadowed, unremembered)
"""What is told of a configuration that is valid."""


async def check_config(invocation: Invocation) -> int:
    """Check configuration files and AWS's own configuration as `serve` would; raises ConfigurationError."""
    problems: list[str] = []
    try:
        check_environment()
    except ConfigurationError as error:
        problems += error.problems
    for file in invocation.options.files:
        try:
            settings = load(invocation.catalog, file, given(invocation.options))
            if web := settings.web.config.file:
                WebConfigFile(web).check()
        except ConfigurationError as error:
            problems += error.problems
        else:
            catalog = settings.catalog(invocation.catalog)
            print(f"{file}: valid: {forecast(settings, catalog)}")
            told = (*_ALWAYS, claimed_twice) if invocation.options.verbose else _ALWAYS
            for warnings in told:
                for sentence in warnings(settings, catalog):
                    print(f"{file}: {sentence}")
    if problems:
        raise ConfigurationError(problems)
    return 0


async def classify(invocation: Invocation) -> int:
    """Print the reason of each message, the rule that matched, and the message."""
    options = invocation.options
    classifier = Classifier.built_in(invocation.settings().reasons)
    for message in options.messages or map(str.rstrip, sys.stdin):
        reason, rule = classifier.classify(message, status=options.status, code=options.code, service=options.service)
        print(f"{reason:<18}  {rule.name if rule else '(no rule)'}  |  {printable(' '.join(message.split()))}")
    return 0
