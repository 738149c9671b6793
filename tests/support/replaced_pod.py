"""promtool's unit tests as they would be had the exporter's pod been replaced in the middle."""

import copy
import re
from typing import Any

_POD = 'instance="exporter:10058"'
_NEXT = 'instance="other:10058",pod="b"'


def with_another_pod(test: dict[str, Any]) -> dict[str, Any]:
    """Return a unit test in which another instance goes on with all series from half of the time on."""
    samples = {each["series"]: _samples(each["values"]) for each in test["input_series"]}
    half = max(map(len, samples.values())) // 2
    series = []
    for name, values in samples.items():
        before, after = values[:half], values[half:]
        series.append({"series": name, "values": " ".join([*before, "stale"] if after else before)})
        series.append({"series": name.replace(_POD, _NEXT), "values": " ".join(["_"] * half + after)})
    return {**copy.deepcopy(test), "input_series": series}


def _samples(values: str) -> list[str]:
    """Return each sample of promtool's notation, in which `1+2x3` is `1 3 5 7`, and `_x3` is `_ _ _`."""
    found: list[str] = []
    for word in values.split():
        if gap := re.fullmatch(r"_x(\d+)", word):
            found += ["_"] * int(gap[1])
        elif steps := re.fullmatch(r"(-?[\d.]+)([+-][\d.]+)?x(\d+)", word):
            first, step = float(steps[1]), float(steps[2] or 0)
            found += [repr(first + step * number) for number in range(int(steps[3]) + 1)]
        else:
            found.append(word)
    return found
