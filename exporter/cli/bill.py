"""What the requests of a month cost where AWS charges for the events that it records of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.cli.invocation import table
from exporter.cli.pace import MONTH, Pace
from exporter.cli.prices import Price

_COLUMNS = ("CHARGE", "USD/MILLION", "USD/MONTH", "AT MOST", "PRICE FROM")

_TITLE = "What these requests cost, where an account has the following (an estimate):"

_NOTE = """\
Each request, also one that is denied, is taken for one management event. List prices of US East (N. Virginia), unless
from the command line; without discounts, free trials, taxes, the storage of logs, Insights and CloudTrail Lake. A trail
that leaves out read events delivers none of these."""


@dataclass(frozen=True)
class Bill:
    """What requests at a rate cost in a month at some prices."""

    rate: Pace
    prices: Sequence[Price]

    def text(self) -> str:
        """Return it for people."""
        return f"{_TITLE}\n{table(_COLUMNS, map(self._row, self.prices))}\n{_NOTE}"

    def plain(self) -> list[dict[str, Any]]:
        """Return the same for programs."""
        return [self._plain(price) for price in self.prices]

    def _row(self, price: Price) -> Sequence[str]:
        costs = (f"{usd:,.2f}" for usd in self._month(price))
        return (price.what, f"{price.usd:,.2f}", *costs, price.source)

    def _plain(self, price: Price) -> dict[str, Any]:
        expected, most = (round(usd, 2) for usd in self._month(price))
        return {
            "charge": price.key,
            "usd_per_million": price.usd,
            "usd_per_month": expected,
            "most_usd_per_month": most,
            "price_from": price.source,
        }

    def _month(self, price: Price) -> Sequence[float]:
        """Return the cost of a month in USD, the expected one and the highest."""
        return [requests * MONTH * price.usd / 1e6 for requests in self.rate]
