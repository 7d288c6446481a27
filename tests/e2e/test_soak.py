"""The short form of `make soak`: one round of each kind and two switches under 200 requests a second, the leader killed in between."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from cluster.cluster import Cluster
from soak.__main__ import conclude
from soak.run import run
from soak.settings import Settings


def test_nothing_is_lost_while_versions_come_and_go_and_the_operator_dies(cluster: Cluster) -> None:
    figures = StringIO()
    result = run(cluster, Settings(rounds=1, switches=2, requests=10_000, kill_window=25, seed=4), print)
    kept = conclude(result, Console(file=figures, width=160)) == 0
    print(figures.getvalue())
    assert kept, figures.getvalue()
