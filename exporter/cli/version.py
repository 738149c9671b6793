"""What `--version` prints."""

import platform
import sys

from exporter import __version__

VERSION = f"""\
aws-job-exporter, version {__version__}
  python version:   {platform.python_version()}
  platform:         {sys.platform}/{platform.machine()}"""
