"""Reality's own conformance suite: responses in the shapes that AWS gives, replayed through the whole exporter."""

from pathlib import Path

import pytest

from exporter.simulator.recordings import Recording, recordings
from tests.support.replaying import check

FILES = sorted((Path(__file__).parents[1] / "data" / "recordings").glob("*.yaml"))
RECORDINGS = [pytest.param(each, id=f"{file.stem}:{each.kind}") for file in FILES for each in recordings(file)]


@pytest.mark.parametrize("recording", RECORDINGS)
async def test_a_recording_is_read_as_it_says(recording: Recording) -> None:
    """Status, state, times and reason of each job are those that stand in the file, and so are the metrics."""
    await check(recording)
