"""Which provider is taken, and what the ones that need others' programs ask of these."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster import __main__, kind, providers
from cluster.cache import KIT
from cluster.commands import run, stream
from cluster.errors import BuildFailed, ClusterError, MissingRequirement
from cluster.existing import ExistingCluster, image_name
from cluster.images import MLFLOW, OPERATOR
from cluster.namespaces import alive
from cluster.options import Options
from cluster.progress import Progress, duration


def test_auto_takes_an_existing_cluster_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEERSMAN_KUBE_CONTEXT", raising=False)
    assert providers.choose_provider("auto", Options(), kind_usable=lambda: False) == "embedded"
    assert providers.choose_provider("auto", Options(), kind_usable=lambda: True) == "kind"
    assert providers.choose_provider("auto", Options(context="mine"), kind_usable=lambda: True) == "existing"
    monkeypatch.setenv("STEERSMAN_KUBE_CONTEXT", "mine")
    assert providers.choose_provider("auto", Options(), kind_usable=lambda: True) == "existing"


def test_a_named_provider_is_taken_without_looking() -> None:
    def fail() -> bool:
        raise AssertionError

    assert providers.choose_provider("embedded", Options(context="mine"), kind_usable=fail) == "embedded"


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(MissingRequirement, match="no provider 'minikube'; the providers are auto, existing, kind"):
        providers.choose_provider("minikube", Options())


@pytest.mark.parametrize(
    ("working", "usable", "asked"),
    [
        ((), False, ["kind version"]),
        (("kind version",), False, ["kind version", "docker info"]),
        (("kind version", "docker info", "docker image"), True, ["kind version", "docker info", "docker image"]),
        (
            ("kind version", "docker info", "docker pull"),
            True,
            ["kind version", "docker info", "docker image", "docker pull"],
        ),
        (
            ("kind version", "docker info"),
            False,
            ["kind version", "docker info", "docker image", "docker pull"],
        ),
    ],
)
def test_kind_needs_its_program_docker_and_the_image(working: tuple[str, ...], usable: bool, asked: list[str]) -> None:
    seen: list[str] = []

    def attempt(command: list[str], timeout: float = 0) -> bool:
        seen.append(" ".join(command[:2]))
        return seen[-1] in working

    assert kind.usable(attempt) is usable
    assert seen == asked


def test_a_program_that_is_missing_or_hangs_does_not_succeed() -> None:
    assert not kind.succeeds(["/no/such/program"])
    assert not kind.succeeds(["sleep", "5"], timeout=0.05)
    assert not kind.succeeds(["false"])
    assert kind.succeeds(["true"])


def test_docker_builds_with_the_start_image_as_argument() -> None:
    command = kind.build_command(MLFLOW, "steersman/mlflow-runtime:dev")
    assert command[:4] == ["docker", "build", "--tag", "steersman/test-mlflow:dev"]
    assert "RUNTIME_IMAGE=steersman/mlflow-runtime:dev" in command
    assert command[-1] == str(MLFLOW.context)
    assert "BASE_IMAGE=python:3.13" in kind.build_command(OPERATOR, "python:3.13")


def test_an_existing_cluster_pulls_from_the_registry_that_is_named() -> None:
    assert (
        image_name("registry.example/team/", "steersman/operator:dev") == "registry.example/team/steersman/operator:dev"
    )


def test_without_a_registry_it_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEERSMAN_IMAGE_PREFIX", raising=False)
    cluster = ExistingCluster(Options(context="mine"), (Path("kubectl"), Path("helm")))
    with pytest.raises(
        MissingRequirement, match=r"has to pull the image steersman/operator:dev.*STEERSMAN_IMAGE_PREFIX"
    ):
        cluster.build_source(OPERATOR)


# ---------------------------------------------------------------- the command line


def test_a_failure_is_one_line_without_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["up", "--name", "Not_A_Name"]) == 1
    written = capsys.readouterr().err
    assert "error: 'Not_A_Name' cannot name a cluster" in written
    assert "Traceback" not in written


def test_unknown_images_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["up", "--images", "operator,nothing"])
    assert "no such images: nothing" in capsys.readouterr().err


# ---------------------------------------------------------------- other programs


def test_a_programs_failure_carries_its_last_words() -> None:
    with pytest.raises(BuildFailed, match=r"Building failed \(exit code 2\)\.\n    last words"):
        run(["sh", "-c", "echo last words >&2; exit 2"], error=BuildFailed, explain="Building failed")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ClusterError, match="'/no/such' was not found"):
        run(["/no/such"])
    with pytest.raises(ClusterError, match="'/no/such' was not found"):
        stream(["/no/such"], lambda _: None)


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(ClusterError, match=r"took longer than 0\.05 s"):
        run(["sleep", "5"], timeout=0.05)


def test_output_is_handed_on_line_by_line_and_logged(tmp_path: Path) -> None:
    seen: list[str] = []
    stream(["printf", "a\nb\n"], seen.append, log=tmp_path / "log")
    assert seen == ["a", "b"]
    assert (tmp_path / "log").read_text() == "a\nb\n"


# ---------------------------------------------------------------- progress


class _Stream:
    def __init__(self, terminal: bool) -> None:
        self.text = ""
        self._terminal = terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return self._terminal


def _work(stream: _Stream) -> None:
    now = [0.0]
    progress = Progress(stream, clock=lambda: now[0])  # type: ignore[arg-type]
    with progress.step("Building") as step:
        for done in range(1, 61):
            now[0] += 1.0
            step.update(done, 60, "packages")


def test_a_log_gets_a_few_whole_lines() -> None:
    stream = _Stream(terminal=False)
    _work(stream)
    assert "\r" not in stream.text
    assert "\x1b" not in stream.text
    lines = stream.text.splitlines()
    assert len(lines) == 6
    assert lines[1] == "[  15.0] Building: 15/60 packages, about 45.0 s left"
    assert lines[-1] == "[  60.0] Building: 1 min 00 s"


def test_a_terminal_gets_one_line_rewritten() -> None:
    stream = _Stream(terminal=True)
    _work(stream)
    assert stream.text.count("\n") == 1
    assert stream.text.endswith("\x1b[2K[  60.0] Building: 1 min 00 s\n")


@pytest.mark.parametrize(("seconds", "text"), [(4.21, "4.2 s"), (60, "1 min 00 s"), (185.4, "3 min 05 s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_build_ends_with_a_killed_kit(tmp_path: Path) -> None:
    """Nobody would wait for it or use what it makes."""
    code = "import sys; from cluster.commands import stream\n"
    code += "stream(['sh', '-c', 'echo $$; exec sleep 300'], lambda line: print(line, flush=True))"
    kit = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(KIT.parent)},
    )
    with kit:
        assert kit.stdout is not None
        build = int(kit.stdout.readline())
        kit.kill()
        kit.wait()
    deadline = time.monotonic() + 10
    while alive(build):
        assert time.monotonic() < deadline
        time.sleep(0.02)
