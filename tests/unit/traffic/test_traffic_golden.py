"""Manifests as they are sent, kept for the eye: `pytest tests/unit/traffic --write-golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from unit.traffic.cases import CASES, GOLDEN
from unit.traffic.contract import Contract, known

FOLDER = Path(__file__).parent / "golden"
FILES = {
    f"{contract.name}-{case}.yaml": (contract, case)
    for contract in known()
    for case in GOLDEN
    if contract.can(CASES[case])
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


@pytest.mark.parametrize("name", FILES)
def test_manifests_are_as_kept(name: str, request: pytest.FixtureRequest) -> None:
    contract, case = FILES[name]
    rendered = _render(contract, case)
    path = FOLDER / name
    if request.config.getoption("--write-golden", default=False):
        path.write_text(yaml.dump_all(rendered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
    assert list(yaml.safe_load_all(path.read_text())) == rendered


def test_no_manifest_is_kept_that_nothing_renders(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-golden", default=False):
        for path in FOLDER.iterdir():
            if path.name not in FILES:
                path.unlink()
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)


def _render(contract: Contract, case: str) -> list[dict]:
    return contract.provider.render(contract.intent(CASES[case]))
