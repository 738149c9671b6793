"""Remove the models that the exporter never reads from the installed botocore: for the image, never for a machine."""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
from pathlib import Path

import botocore

from exporter.aws.loader import LANDSCAPE
from exporter.catalog import Catalog
from exporter.catalog.models import LEFT_OUT

OWN = {"sqs", "sts", *(service for service, _ in LANDSCAPE)}
"""What the exporter uses beyond the catalog's services: for identity, accounts, regions and tags; to read queues."""

BOTOCORE = ("signin", "sso", "sso-oidc")
"""What botocore itself uses to get credentials."""

FILES = ("service-2.", "paginators-1.", "endpoint-rule-set-1.")
"""The prefixes of the files that a client needs; waiters and examples serve other purposes."""


def needed(catalog: Catalog) -> set[str]:
    """Return the services whose models the exporter reads."""
    scopes = {scope.service for kind in catalog.kinds() for _, scope in kind.scopes if scope.service}
    return {*catalog.names, *scopes, *OWN, *BOTOCORE}


def prune(data: Path, services: set[str]) -> None:
    """Keep only the botocore data that clients of these services need, and write a list of what was removed.

    Raises LookupError where the data lack a service.
    """
    folders = {folder.name: folder for folder in data.iterdir() if folder.is_dir()}
    if missing := services - folders.keys():
        raise LookupError(f"botocore has no {', '.join(sorted(missing))}")
    left_out = sorted(folders.keys() - services)
    for name in left_out:
        shutil.rmtree(folders[name])
    for name in services:
        *outdated, newest = sorted(folders[name].iterdir())
        for version in outdated:
            shutil.rmtree(version)
        for file in newest.iterdir():
            if not file.name.startswith(FILES):
                file.unlink()
    (data / f"{LEFT_OUT}.json").write_text(json.dumps(left_out))
    compress(data / "endpoints.json")


def compress(file: Path) -> None:
    """Replace a file by its compressed form, which botocore reads as well: its models come in it."""
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    file.unlink()


def main() -> None:
    """Prune the installed botocore if the command line requests it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", choices=("all", "catalog"), help="Which services' models to keep.")
    if parser.parse_args().models == "catalog":
        prune(Path(botocore.__file__).parent / "data", needed(Catalog()))


if __name__ == "__main__":
    main()
