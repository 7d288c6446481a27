"""docs/reference/artifact-stores.md and runtimes.md say what the code does."""

import re
from dataclasses import fields
from pathlib import Path

from steersman_server import pickles
from steersman_server.fetch_errors import Reason
from steersman_server.fetch_settings import FetchSettings
from steersman_server.stores import SCHEMES, unpack
from unit.packaging.runtime_examples import RUNTIMES

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
STORES = (REFERENCE / "artifact-stores.md").read_text()
RUNTIMES_PAGE = (REFERENCE / "runtimes.md").read_text()


def test_every_exit_code() -> None:
    rows = {(int(code), word) for code, word in re.findall(r"^\| (\d+) \| `([^`]+)` \|", STORES, re.MULTILINE)}
    assert rows == {(reason.exit_code, reason.word) for reason in Reason}


def test_every_store_archive_and_pickle() -> None:
    assert all(f"`{scheme}://" in STORES for scheme in SCHEMES)
    assert all(f"`{suffix}`" in STORES for suffix in (*unpack.TAR_SUFFIXES, *unpack.ZIP_SUFFIXES, *pickles.SUFFIXES))


def test_every_setting() -> None:
    described = (Path(__file__).parents[3] / "operator/steersman_server/fetch_settings.py").read_text()
    names = set(re.findall(r'"((?:MODEL_|PICKLE)[A-Z_0-9]*)"', described))
    assert len(names) >= len(fields(FetchSettings))
    assert {name for name in names if name not in STORES} == {"MODEL_VERSION"}, "which the operator sets"


def test_every_runtime() -> None:
    assert all(f"`{name}`" in RUNTIMES_PAGE for name in RUNTIMES)
