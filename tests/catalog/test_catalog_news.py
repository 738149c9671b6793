"""What AWS adds and drops is told, and nothing else."""

import copy
import json

import pytest
from botocore.loaders import Loader

from exporter.catalog import Catalog
from tools import catalog_news

SERVICE = "lookoutequipment"
KNOWN = Loader()


@pytest.fixture
def folder(tmp_path):
    """Return a folder as `pip install --target` leaves it, with a botocore of one service, and what changes that."""
    model = copy.deepcopy(KNOWN.load_service_model(SERVICE, "service-2"))
    path = tmp_path / "botocore" / "data" / SERVICE / "2099-01-01" / "service-2.json"
    path.parent.mkdir(parents=True)
    (tmp_path / "botocore-9.9.9.dist-info").mkdir()
    (tmp_path / "botocore-9.9.9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: botocore\nVersion: 9.9.9\n"
    )

    def write():
        path.write_text(json.dumps(model))
        return tmp_path

    return model, write


def listing(model, operation, *words):
    """Add an operation that lists items whose status is one of these words."""
    shapes = model["shapes"]
    shapes[f"{operation}Response"] = {"type": "structure", "members": {"Items": {"shape": f"{operation}Items"}}}
    shapes[f"{operation}Items"] = {"type": "list", "member": {"shape": f"{operation}Item"}}
    shapes[f"{operation}Item"] = {"type": "structure", "members": {"Status": {"shape": f"{operation}Status"}}}
    shapes[f"{operation}Status"] = {"type": "string", "enum": words}
    model["operations"][operation] = {"name": operation, "http": {}, "output": {"shape": f"{operation}Response"}}


def news(folder, left_out=""):
    """Return the news of that botocore about that service."""
    newest = Loader(extra_search_paths=[str(folder / "botocore" / "data")], include_default_search_paths=False)
    kinds = [kind for kind in Catalog().kinds() if kind.service == SERVICE]
    return catalog_news.news(kinds, newest, KNOWN, left_out, ("9.9.9", "1.0"))


def test_the_same_models_are_no_news(folder):
    """Operations of today are kinds, or somebody left them out."""
    _, write = folder
    found = news(write())
    assert (found.misfits, found.jobs, found.others) == ({}, [], [])


def test_a_kind_whose_statuses_or_members_are_others_is_told(folder):
    """A new status would count as unknown, and a member that went would be empty."""
    model, write = folder
    model["shapes"]["InferenceExecutionStatus"]["enum"].append("PAUSED")
    del model["shapes"]["DataIngestionJobSummary"]["members"]["JobId"]
    misfits = news(write()).misfits
    assert misfits["lookoutequipment/inference_execution"] == ["states: not mapped: PAUSED"]
    assert any("no 'JobId'" in each for each in misfits["lookoutequipment/data_ingestion_job"])


def test_a_new_list_is_told_and_whether_it_may_be_of_jobs(folder):
    """A job runs, and then succeeds or fails; a resource is there."""
    model, write = folder
    listing(model, "ListReplays", "QUEUED", "RUNNING", "COMPLETED", "FAILED")
    listing(model, "ListRobots", "CREATING", "ACTIVE", "CREATE_FAILED")
    listing(model, "StartReplays", "RUNNING", "COMPLETED", "FAILED")
    found = news(write())
    assert [str(each) for each in found.jobs] == [
        "lookoutequipment ListReplays: Items[].Status (QUEUED, RUNNING, COMPLETED, FAILED)"
    ]
    assert [each.operation for each in found.others] == ["ListRobots"]
    assert news(write(), left_out="| ListReplays | A replay is no job. |").jobs == []


def test_it_is_printed_for_people_and_programs(folder, capsys):
    """With the versions that were compared."""
    model, write = folder
    listing(model, "ListReplays", "QUEUED", "COMPLETED", "FAILED")
    assert catalog_news.main([str(write())]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("botocore 9.9.9, compared with 1.")
    assert "New lists that may be of jobs: 1\n  lookoutequipment ListReplays" in printed
    assert catalog_news.main([str(write()), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"][0]["operation"] == "ListReplays"


def test_a_folder_without_botocore_is_a_mistake(tmp_path, capsys):
    """It names the folder, and what makes one."""
    with pytest.raises(SystemExit, match="2"):
        catalog_news.main([str(tmp_path)])
    assert f"{tmp_path}: has no botocore/data: `make catalog-news` installs the newest" in capsys.readouterr().err
