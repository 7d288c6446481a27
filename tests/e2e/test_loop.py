"""The whole loop on real data: drift, retraining by a Job, a new version, its alias, gates, canary, promotion; without a person."""

from __future__ import annotations

from pathlib import Path

from cluster.images import LOOP_TRAINER
from e2e.workspace import Workspace
from loop.report import build_report, promises
from loop.scenario import Loop, Observations, play
from loop.users import read_requests

RATE = 40.0
"""Requests per second."""


def test_a_model_that_drifts_is_retrained_and_rolled_out(workspace: Workspace, tmp_path: Path) -> None:
    workspace.cluster.build_source(LOOP_TRAINER)
    seen = Observations()
    loop = Loop(workspace.cluster, workspace.namespace, print, seen)
    requests = tmp_path / "requests.jsonl"
    try:
        play(loop, RATE, 10.0, requests)
    finally:
        loop.finish()
    report = build_report(read_requests(requests), seen, RATE)
    assert [f"{each.name}: {each.found}" for each in promises(report) if not each.kept] == []
    (retraining,) = report["retraining"]["history"]
    assert (retraining["outcome"], retraining["version"]) == ("Succeeded", "2")
