"""`python -m demo`: from a bare machine to the report of four releases. Exits with 1 when a promise is not kept."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster import Cluster, ClusterError
from demo.check import check
from demo.installation import InstallationError, environment, install_operator, register_models
from demo.live import Story
from demo.manifests import TEMPLATES
from demo.names import BAD_VERSION
from demo.observe import Observations, Observer
from demo.outputs import write_outputs
from demo.records import Tail
from demo.running import add_options, bring_up, on_cluster
from demo.scenario import Scenario, ScenarioError
from steersman.api.analysis import SequentialJudge
from steersman.api.modeldeployment import Analysis
from steersman.core.analysis.budget import part

REDRAW_SECONDS = 0.25
LOAD_START_SECONDS = 60.0


class LoadError(Exception):
    """The load generator did not start or ended by itself."""


class Phases:
    """How long each part of the demo took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a part and say when it is done."""
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began
        self._say(f"{name}: {self.seconds[name]:.1f} s")


class Load:
    """The load generator's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self._process.returncode is None

    async def begin(self) -> None:
        """Send from now on. Raises LoadError when it did not get ready in time."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        try:
            said = await asyncio.wait_for(self._process.stdout.readline(), LOAD_START_SECONDS)
        except TimeoutError:
            said = b""
        if said != b"ready\n":
            raise LoadError("The load generator did not get ready.")
        self._process.stdin.write(b"begin\n")
        await self._process.stdin.drain()

    async def end(self) -> None:
        """Stop sending, and wait until every request is written down. Raises LoadError when that went wrong."""
        if self._process.returncode is not None:
            raise LoadError(f"The load generator ended by itself with exit code {self._process.returncode}.")
        assert self._process.stdin is not None
        self._process.stdin.close()
        said = (await self._process.communicate())[0].decode()
        if self._process.returncode or not said.startswith("sent "):
            raise LoadError(f"The load generator lost records: {said.strip() or 'it said nothing'}.")


@asynccontextmanager
async def load(url: str, rate: float, output: Path) -> AsyncIterator[Load]:
    """The load generator, getting ready; it is ended in any case."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo.load", "--url", url, "--rate", str(rate), "--output", str(output)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
        start_new_session=True,  # Ctrl-C is for this process, which then ends the load
    )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def play(
    target: Cluster, options: argparse.Namespace, story: Story, seen: Observations, phases: Phases, data: Path
) -> Scenario:
    """Play the scenario under load, with the view kept up to date."""
    kubectl = ["kubectl", *(["--context", target.context] if target.context else [])]
    os.environ.update(target.env)
    gateway, mlflow = target.gateway_url, target.mlflow_url
    observer = Observer(kubectl, seen)
    scenario = Scenario(kubectl, mlflow, gateway, observer, seen, story.say)
    await observer.start()
    redrawing = asyncio.create_task(_redraw(story))
    try:
        async with load(gateway, options.rate, data / "requests.jsonl") as users:
            story.title = "v1: the first deployment"
            with phases.phase("v1 deployed"):
                await scenario.deploy_first()
            await users.begin()
            for title, name, chapter in (
                ("v2: a better model, by canary", "v2 by canary", scenario.release_good),
                ("v3: a model with a bug, by canary", "v3 rolled back", scenario.release_bad),
                ("v4: the bug repaired, by blue-green", "v4 by blue-green", scenario.release_blue_green),
            ):
                story.title = title
                with phases.phase(name):
                    await chapter()
            await users.end()
    finally:
        redrawing.cancel()
        await observer.stop()
        seen.save(data / "observations.json")
    return scenario


async def _redraw(story: Story) -> None:
    while True:
        story.update(time.time())
        await asyncio.sleep(REDRAW_SECONDS)


def read_judge(target: Cluster) -> SequentialJudge:
    """The judge of failed requests as the operator asks it: of the chart's template, with its part of the rollout's alpha."""
    found = []
    for reference in TEMPLATES:
        template = target.get("clusteranalysistemplates.steersman.dev", reference["name"])
        found += [metric["sequential"] for metric in template["spec"]["metrics"] if "sequential" in metric]
    judge = SequentialJudge.model_validate(found[0])
    return judge.model_copy(update={"alpha": part(judge.alpha, Analysis().alpha, len(found))})


def run(target: Cluster, options: argparse.Namespace, console: Console, story: Story, phases: Phases) -> int:
    """Install, play, report and check on a cluster that is up."""
    data: Path = options.output / "demo-report.data"
    data.mkdir(parents=True, exist_ok=True)
    for left_over in data.iterdir():
        left_over.unlink()
    with phases.phase("operator installed, models registered"), ThreadPoolExecutor() as pool:
        registering = pool.submit(lambda: register_models(target.mlflow_url, story.say))
        install_operator(target)
        models = registering.result()
    seen = Observations()
    story.observe(seen)
    story.follow(Tail(data / "requests.jsonl"))
    live = story.show() if console.is_terminal else contextlib.nullcontext()
    try:
        with live:
            scenario = asyncio.run(play(target, options, story, seen, phases, data))
    finally:
        story.end()
    facts: dict[str, Any] = {
        "models": models,
        "actions": [asdict(action) for action in scenario.actions],
        "judge": read_judge(target).to_wire(),
        "rate": options.rate,
        "phases": phases.seconds,
    }
    (data / "run.json").write_text(json.dumps(facts, indent=1))
    with phases.phase("report written"):
        report = write_outputs(data, options.output)
    return _verdict(report, console, options.output)


def _verdict(report: dict[str, Any], console: Console, output: Path) -> int:
    promises = check(report)
    console.print()
    for promise in promises:
        mark = "[bold green]kept    [/]" if promise.kept else "[bold red]NOT KEPT[/]"
        console.print(mark, f"{promise.name}: [dim]{promise.found}[/]", highlight=False, soft_wrap=True)
    rollback = report["rollback"]
    if rollback and rollback["secondsFromFirstBadResponse"] is not None:
        console.print(
            f"\nFrom v{BAD_VERSION}'s first bad response to 100 % on stable: {rollback['secondsFromFirstBadResponse']:.1f} s; "
            f"{report['requests']['failed']} of {report['requests']['sent']} requests failed.",
            highlight=False,
        )
    console.print(f"See {output / 'demo-report.html'}, .png and .json.", highlight=False)
    return 0 if all(promise.kept for promise in promises) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    add_options(parser, "steersman-demo", rate=80.0)
    options = parser.parse_args(arguments)
    if not options.rate > 0:
        parser.error("the rate must be above 0")
    console = Console()
    story = Story(console)
    phases = Phases(story.say)

    def up() -> Cluster:
        with phases.phase("cluster up"):
            return bring_up(options)

    errors = (ClusterError, InstallationError, ScenarioError, LoadError, subprocess.SubprocessError)
    return on_cluster(options, console, up, lambda target: run(target, options, console, story, phases), *errors)


if __name__ == "__main__":
    sys.exit(main())
