"""Pruning botocore for the image: clients of the remaining services work, and the removed ones are listed."""

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader

from exporter.catalog.models import Models
from tests.support.harness import CATALOG

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "image" / "prune.py"))
needed: Callable[..., set[str]] = SCRIPT["needed"]
prune: Callable[..., None] = SCRIPT["prune"]
"""The image's script is not one of our modules."""

WHOLE = Path(botocore.__file__).parent / "data"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Copy the data of a few services, one of which has several versions of its API."""
    for name in ("bedrock", "sts", "ec2", "cloudfront"):
        shutil.copytree(WHOLE / name, tmp_path / name)
    for file in WHOLE.glob("*.json"):
        shutil.copy(file, tmp_path)
    return tmp_path


def models(data: Path) -> Models:
    """Return the models of one folder only."""
    return Models(Loader(extra_search_paths=[str(data)], include_default_search_paths=False))


def test_the_needed_services_follow_from_the_catalog() -> None:
    """These are the services of kinds and of their scopes, and those for credentials and accounts."""
    services = needed(CATALOG)
    assert {"bedrock", "cleanroomsml", "cleanrooms", "sts", "organizations", "ec2"} <= services
    assert {kind.service for kind in CATALOG.kinds()} <= services
    assert services <= {folder.name for folder in WHOLE.iterdir()}
    assert "cloudfront" not in services


def test_only_the_newest_models_of_needed_services_stay(data: Path) -> None:
    """Remaining services have what a client needs, in one version; the others are removed, and listed."""
    versions = sorted(folder.name for folder in (data / "cloudfront").iterdir())
    prune(data, {"bedrock", "sts", "cloudfront"})
    assert [folder.name for folder in (data / "cloudfront").iterdir()] == versions[-1:]
    assert {file.name.split("-")[0] for file in data.glob("bedrock/*/*")} == {"service", "paginators", "endpoint"}
    kept = {file.name.removesuffix(".gz") for file in data.glob("*.json*")}
    assert {file.name for file in WHOLE.glob("*.json")} < kept
    loader = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    assert loader.load_data("endpoints") == Loader().load_data("endpoints")
    assert (data / "endpoints.json.gz").stat().st_size < (WHOLE / "endpoints.json").stat().st_size / 5
    assert json.loads((data / "left-out.json").read_text()) == ["ec2"]
    assert models(data).operation("bedrock", "ListModelInvocationJobs")
    assert models(data).paging("bedrock", "ListModelInvocationJobs").page_size == 1000


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("ec2", "this image has no model of 'ec2': build one that has it with --build-arg MODELS=all"),
        ("ec3", "botocore has no service 'ec3'; did you mean `ec2`?"),
    ],
)
def test_a_removed_service_is_distinguished_from_one_that_does_not_exist(data: Path, service: str, words: str) -> None:
    """A request for a missing model says whether another image would have it."""
    prune(data, {"bedrock", "sts"})
    with pytest.raises(LookupError) as caught:
        models(data).service(service)
    assert caught.value.args == (words,)


def test_a_service_missing_from_botocore_fails_the_build(data: Path) -> None:
    """An image without a service of the catalog fails to build, and nothing is changed."""
    with pytest.raises(LookupError, match="botocore has no glue"):
        prune(data, {"bedrock", "glue"})
    assert (data / "ec2").exists()


def test_all_models_can_be_kept(monkeypatch: Any) -> None:
    """With `all` nothing happens; anything but `all` and `catalog` is refused."""
    monkeypatch.setattr("sys.argv", ["prune.py", "all"])
    SCRIPT["main"]()
    assert (WHOLE / "ec2").exists()
    monkeypatch.setattr("sys.argv", ["prune.py", "none"])
    with pytest.raises(SystemExit):
        SCRIPT["main"]()
