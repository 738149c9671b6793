"""The unit for systemd: systemd and the exporter accept it, and it allows little."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli.commands import argument_parser

UNIT = Path(__file__).parents[2] / "config" / "systemd" / "aws-job-exporter.service"
EXPOSURE = 1.5


def values(key):
    """Return the values of a key, in their order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.mark.parametrize("key", ["ExecStart", "ExecReload"])
def test_the_exporter_takes_its_command(key):
    """The program starts with the flags, and a reload sends the signal that it listens to."""
    (command,) = values(key)
    words = shlex.split(command)
    if key == "ExecReload":
        assert words == ["/bin/kill", "-HUP", "$MAINPID"]
    else:
        options = vars(argument_parser().parse_args(words[1:]))
        assert options["config.file"] == "/etc/aws-job-exporter/exporter.yml"


def test_systemd_accepts_it(tool, tmp_path):
    """Not even a key is unknown; the program is where this environment has it."""
    unit = tmp_path / UNIT.name
    program = Path(sys.executable).with_name("aws-job-exporter")
    unit.write_text(UNIT.read_text().replace("/opt/aws-job-exporter/bin/aws-job-exporter", str(program)))
    command = [tool("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_is_exposed_little(tool):
    """As `systemd-analyze security` counts it: 10 is no protection at all."""
    threshold = f"--threshold={EXPOSURE * 10:.0f}"
    command = [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", threshold, UNIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_storage_needs_one_flag():
    """The directory that systemd creates is the one of the documentation, for the service's user alone."""
    assert values("StateDirectory") == ["aws-job-exporter"]
    assert values("StateDirectoryMode") == ["0700"]
    assert "--storage.path=/var/lib/aws-job-exporter" in UNIT.read_text()
