"""What AWS charges for the events that it records of requests, as far as nobody gives other prices."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import NamedTuple

AS_OF = "October 2026"
"""When AWS's pages had the prices below."""


class Price(NamedTuple):
    """What AWS charges for a million events, in USD."""

    key: str
    what: str
    usd: float
    source: str


# In US East (N. Virginia). CloudTrail's page says 2.00 for 100,000; GuardDuty's is less from 500 million a month on.
FIRST_TRAIL, FURTHER_TRAIL, GUARDDUTY = (
    Price(key, what, usd, f"{page} ({AS_OF})")
    for key, what, usd, page in (
        ("cloudtrail_first_trail", "CloudTrail, the first trail", 0.0, "https://aws.amazon.com/cloudtrail/pricing/"),
        ("cloudtrail_further_trail", "CloudTrail, a further trail", 20.0, "https://aws.amazon.com/cloudtrail/pricing/"),
        ("guardduty", "GuardDuty", 4.0, "https://aws.amazon.com/guardduty/pricing/"),
    )
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that ask for the cost, and those that give prices."""
    parser.add_argument(
        "--cost", action="store_true", help="Estimate what CloudTrail and GuardDuty charge for the requests of a month."
    )
    for flag, price in (("--cloudtrail-price", FURTHER_TRAIL), ("--guardduty-price", GUARDDUTY)):
        text = f"Price of a million management events ({price.what}), instead of {price.usd:g}; implies --cost."
        parser.add_argument(flag, type=_usd, metavar="USD", help=text)


def given(options: argparse.Namespace) -> list[Price]:
    """Return the prices that hold; none where nobody asks for the cost."""
    named = options.cloudtrail_price, options.guardduty_price
    if not options.cost and named == (None, None):
        return []
    return [FIRST_TRAIL, *_replaced(named)]


def _replaced(named: tuple[float | None, float | None]) -> Iterator[Price]:
    for price, usd in zip((FURTHER_TRAIL, GUARDDUTY), named, strict=True):
        yield price if usd is None else price._replace(usd=usd, source="command line")


def _usd(text: str) -> float:
    """Return an amount; raises ArgumentTypeError unless it is a number from 0 on."""
    try:
        usd = float(text)
    except ValueError:
        usd = math.nan
    if not 0 <= usd < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a price in USD, such as 20 or 1.75")
    return usd
