"""Text that is safe on a terminal and in a log line."""

import pytest

from exporter.cli.invocation import table
from exporter.text.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zoë \U0001f469", "Zoë \U0001f469"),
        ("two\nlines", "two\\u000alines"),
        ("\x1b[31m", "\\u001b[31m"),
        ("\x9b2J\x7f", "\\u009b2J\\u007f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_of_a_terminal_are_escaped(text, shown):
    """All other characters stay as they are."""
    assert printable(text) == shown


def test_no_cell_of_a_table_controls_the_terminal():
    """Text from AWS is printed in tables by `doctor` and `once --output table`."""
    assert table(("SCOPE", "ERROR"), [("a\nb", "\x1b[2Jx")]) == "SCOPE     ERROR\na\\u000ab  \\u001b[2Jx"
