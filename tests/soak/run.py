"""A soak on a cluster that is up: both ModelDeployments, the users, the kills, and round after round."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain

import requests

from cluster import Cluster, ClusterError
from e2e.workspace import NotInTimeError, Workspace
from soak.kills import Kill, Kills
from soak.machine import Busy
from soak.outcomes import VERSION_HEADER
from soak.release import BLUE_GREEN, CANARY, Release, Round
from soak.settings import Kind, Settings
from soak.tally import Tally, lost_in
from soak.users import Users, UsersError

ANSWERS_IN_A_ROW = 20
"""Good answers from a host before the users begin: a route may be accepted a moment before all of the gateway knows it."""


@dataclass
class Result:
    """Everything that a soak has seen."""

    settings: Settings
    rounds: list[Round] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    kills: list[Kill] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it ended before its time, and kills that did not come about."""
    busy: float = 0.0
    """Share of this machine's CPU time that was used, by whomever."""
    ended: float = 0.0
    """When the users stopped, in seconds since the epoch."""

    def span(self, played: Round) -> tuple[float, float]:
        """A round, and what passes until the next begins."""
        after = [later.began for later in self.rounds if later.number == played.number + 1]
        return played.began, after[0] if after else self.ended


@contextmanager
def namespace(cluster: Cluster, name: str) -> Iterator[Workspace]:
    """A namespace that enforces the restricted Pod Security Standard; deleted afterwards."""
    cluster.kubectl("create", "namespace", name)
    try:
        cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield Workspace(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def run(cluster: Cluster, settings: Settings, say: Callable[[str], None]) -> Result:
    """Play all rounds under load. What goes wrong in them is in the result; ClusterError when it could not begin."""
    result = Result(settings)
    number = os.getpid() % 100_000
    with ExitStack() as stack:
        canary, switch = (
            stack.enter_context(
                Release(
                    stack.enter_context(namespace(cluster, f"soak-{strategy}-{number}")),
                    manifest,
                    bad_versions=strategy == "canary",
                    timeout=settings.round_timeout,
                )
            )
            for strategy, manifest in (("canary", CANARY), ("switch", BLUE_GREEN))
        )
        for release in (canary, switch):
            _until_answered(cluster.gateway_url, release)
        say("version 1 of both serves; the users begin")
        users = stack.enter_context(Users(cluster, (canary.host, switch.host), settings.rate))
        busy = Busy()
        kills = Kills(
            cluster, settings.kill_window, settings.seed, lambda: (_moment(canary), _moment(switch))
        )  # fmt: skip
        try:
            with kills:
                _play_all(result, canary, switch, users, kills, say)
        except (NotInTimeError, UsersError, ClusterError) as error:
            result.problems.append(str(error))
        result.kills, result.ended, result.busy = kills.done, time.time(), busy.share
        result.problems += kills.problems
        try:
            result.tally = users.end()
        except UsersError as error:
            result.tally = users.read()
            result.problems.append(str(error))
        for release in (canary, switch):
            if release.watch_restarts:
                say(f"the watch on the route of {release.host} was begun again {release.watch_restarts} times")
    return result


def _play_all(
    result: Result, canary: Release, switch: Release, users: Users, kills: Kills, say: Callable[[str], None]
) -> None:
    settings = result.settings
    planned = settings.planned()
    for number, kind in enumerate(chain(planned, settings.more()), 1):
        if number > len(planned) and users.read().answered >= settings.requests:
            return
        release = switch if kind is Kind.SWITCH else canary
        played = release.play(number, kind, result.rounds)
        users.check()
        tally = users.read()
        lost = lost_in(tally.counts)
        killed = sum(kill.at >= played.began for kill in kills.done)
        say(
            f"{number:3d}/{max(number, len(planned))} {kind:9} of v{played.version:<3} {played.ended - played.began:5.1f} s  "
            f"weights {' > '.join(map(str, played.row)):17} {tally.answered:7,} answers, {lost} lost"
            + (f", {killed} kill{'s' * (killed > 1)}" if killed else "")
        )


def _moment(release: Release) -> str:
    """Where a ModelDeployment stands: the phase of its rollout, and the candidate's weight in a canary."""
    status = release.watch.status
    if "rollout" in status:
        phase, weight = status["rollout"].get("phase", ""), status.get("candidateWeight", 0)
        return f"{phase} {weight}" if phase == "Stepping" else str(phase)
    return "Retiring" if status.get("retiring") else "idle"


def _until_answered(url: str, release: Release) -> None:
    with requests.Session() as session:
        session.headers["Host"] = release.host
        row, deadline, last = 0, time.monotonic() + 60, "nothing"
        while row < ANSWERS_IN_A_ROW:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"The gateway does not bring requests to {release.host}: the last answer was {last}."
                )
            answer = session.post(f"{url}/invocations", json={}, timeout=15)
            last = f"{answer.status_code} {answer.text[:100]}"
            row = row + 1 if answer.status_code == 200 and answer.headers.get(VERSION_HEADER) == "1" else 0
            time.sleep(0.05)
