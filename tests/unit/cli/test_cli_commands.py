import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import steersman
from steersman.cli.main import main
from steersman.ports import ApiError, NotFound
from unit.cli import samples
from unit.cli.conftest import Run
from unit.cli.in_memory import InMemoryClient

OTHER = samples.canary(metadata={"name": "churn", "namespace": "sales"})


def test_get_lists_the_namespace(run: Run) -> None:
    client = InMemoryClient(samples.healthy(), OTHER)
    result = run(client, "get")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == ["NAME", "fraud"]
    assert client.closed


def test_get_one_and_all(run: Run) -> None:
    client = InMemoryClient(samples.healthy(), OTHER)
    assert "churn" in run(client, "get", "churn", "-n", "sales", "--context", "prod").out
    assert client.context == "prod"
    everything = run(client, "get", "-A").out.splitlines()
    assert [line.split()[:2] for line in everything] == [["NAMESPACE", "NAME"], ["risk", "fraud"], ["sales", "churn"]]


def test_get_wide_is_never_wrapped_nor_cut(run: Run) -> None:
    out = run(InMemoryClient(samples.quarantined()), "get", "-o", "wide").out
    assert len(out.splitlines()) == 2
    assert "Version 8 failed and is quarantined; version 7 serves all traffic" in out


def test_get_json_and_yaml_are_the_objects_as_stored(run: Run) -> None:
    client = InMemoryClient(samples.healthy(), OTHER)
    one = json.loads(run(client, "get", "fraud", "-o", "json").out)
    expected = samples.healthy()
    del expected["metadata"]["managedFields"]
    assert one == expected
    listed = yaml.safe_load(run(client, "get", "-A", "-o", "yaml").out)
    assert (listed["kind"], len(listed["items"])) == ("List", 2)
    assert yaml.safe_load(run(client, "status", "fraud", "-n", "risk", "-o", "yaml").out) == expected


def test_json_and_yaml_escape_what_a_terminal_would_obey(run: Run) -> None:
    hostile = "\x1b[2J\x9b31m\u202e"
    client = InMemoryClient(samples.healthy(status={"message": hostile}))
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        out = run(client, "get", "fraud", "-o", form).out
        assert all(" " <= character <= "~" or character == "\n" for character in out)
        assert load(out)["status"]["message"] == hostile


def test_get_says_when_there_is_nothing(run: Run) -> None:
    result = run(InMemoryClient(), "get")
    assert (result.code, result.out) == (0, "")
    assert result.err == "No ModelDeployments in namespace risk.\n"
    assert json.loads(run(InMemoryClient(), "get", "-o", "json").out)["items"] == []


def test_get_shows_the_others_when_one_cannot_be_understood(run: Run) -> None:
    result = run(InMemoryClient(samples.healthy(), samples.healthy(metadata={"name": "odd"}, spec={"model": 3})), "get")
    assert result.code == 1
    assert "fraud" in result.out
    assert "ModelDeployment odd cannot be understood" in result.err


def test_status_shows_events(run: Run) -> None:
    result = run(InMemoryClient(samples.canary(), events=samples.EVENTS), "status", "fraud")
    assert result.code == 0
    assert "WeightSet" in result.out
    assert not any(line != line.rstrip() for line in result.out.splitlines())
    assert result.err == ""


def test_status_without_permission_for_events_shows_the_rest(run: Run) -> None:
    client = InMemoryClient(samples.canary())
    client.events_failure = ApiError(403, "events is forbidden")
    result = run(client, "status", "fraud")
    assert result.code == 0
    assert "Rollout" in result.out
    assert "the events cannot be read: events is forbidden" in result.err


@pytest.mark.parametrize(
    ("manifest", "code"), [(samples.healthy(), 0), (samples.quarantined(), 1), (samples.canary(), 2)]
)
def test_status_exit_code(run: Run, manifest: samples.Manifest, code: int) -> None:
    assert run(InMemoryClient(manifest), "status", "fraud", "--exit-code").code == code
    assert run(InMemoryClient(manifest), "status", "fraud").code == 0


def test_fields_of_a_newer_operator_are_left_out_and_named(run: Run) -> None:
    manifest = samples.canary()
    manifest["status"]["conditions"].append(samples.condition("Blessed", "True", "ByThePope"))
    manifest["status"]["rollout"]["analysis"]["stage"] = "lunar"
    manifest["status"]["novelty"] = {"deep": 1}
    result = run(InMemoryClient(manifest), "status", "fraud")
    assert result.code == 0
    assert "▶ pause 5m" in result.out
    assert "status.rollout.analysis.stage" in result.err
    assert "status.conditions.5" in result.err


def test_history(run: Run) -> None:
    client = InMemoryClient(samples.quarantined())
    table = run(client, "history", "fraud").out.splitlines()
    assert len(table) == 4
    assert "Aborted" in table[1]
    entries = json.loads(run(client, "history", "fraud", "-o", "json").out)
    assert [entry["outcome"] for entry in entries] == ["Aborted", "Promoted", "Promoted"]
    assert entries[0]["startedAt"] == samples.ago(140)
    empty = run(InMemoryClient(samples.unresolved()), "history", "fraud")
    assert (empty.code, empty.out, empty.err) == (0, "", "No rollout of fraud has ended yet.\n")


def test_colours_leave_no_blanks_at_the_end_of_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = run(InMemoryClient(samples.quarantined()), "history", "fraud").out.splitlines()
    assert any("\x1b[" in line for line in table)
    assert not any(re.search(r"\s(\x1b\[[0-9;]*m)*$", line) for line in table)


def test_version(run: Run) -> None:
    assert run(InMemoryClient(), "version").out == f"steersman {steersman.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["get", "nope"], "no ModelDeployment 'nope' in namespace 'risk'", "steersman get -A"),
        (["status", "nope"], "no ModelDeployment 'nope'", "steersman get -A"),
        (["watch", "nope"], "no ModelDeployment 'nope'", "steersman get -A"),
        (["promote", "nope"], "no ModelDeployment 'nope'", "steersman get -A"),
        (["history", "nope"], "no ModelDeployment 'nope'", "steersman get -A"),
        (["get", "fraud", "-A"], "a NAME and -A do not go together", "-n"),
        (["watch", "--until", "healthy"], "--until needs a NAME", "which"),
        (["watch", "fraud", "--timeout", "5m"], "--timeout needs --until", "--until healthy"),
        (["watch", "fraud", "--until", "ended", "--timeout", "soon"], "'soon' is not a duration", ""),
        (["watch", "fraud", "--until", "doom"], "'doom' is not one of 'healthy', 'ended'", "watch --help"),
        (["get", "-o", "xml"], "'xml' is not one of 'table', 'wide', 'json', 'yaml'", "get --help"),
        (["promote"], "Missing argument 'NAME'", "promote --help"),
        (["get", "--nonsense"], "No such option: --nonsense", "get --help"),
        (["gte"], "No such command 'gte'", "steersman --help"),
    ],
)
def test_user_errors_are_one_line_and_what_to_do(run: Run, words: list[str], message: str, hint: str) -> None:
    result = run(InMemoryClient(samples.healthy()), *words)
    assert result.code == 1
    assert result.out == ""
    first, *rest = result.err.splitlines()
    assert first.startswith("Error: ")
    assert message in first
    assert len(rest) == (1 if hint else 0)
    assert hint in "".join(rest)
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (ApiError(0, "https://10.0.0.1:6443 does not answer"), "kubectl cluster-info"),
        (ApiError(0, "no kubeconfig found at /nowhere"), "kubectl config get-contexts"),
        (ApiError(401, "Unauthorized"), "log in"),
        (ApiError(403, "modeldeployments is forbidden"), "ClusterRole view"),
        (ApiError(500, "etcd is sad"), "kubectl get --raw /readyz"),
        (NotFound("the cluster does not serve ModelDeployment; is Steersman installed in this cluster?"), "Helm"),
    ],
)
def test_what_the_api_server_says_comes_with_what_to_do(run: Run, error: Exception, hint: str) -> None:
    result = run(error, "get")
    assert result.code == 1
    first, second = result.err.splitlines()
    assert first == f"Error: {error}"
    assert hint in second


def test_a_defect_is_one_line_and_shows_its_trace_with_debug(run: Run) -> None:
    result = run(RuntimeError("bo\x1b[31mom"), "get", "-n", "risk")
    assert result.code == 1
    assert result.err == (
        "Error: unexpected RuntimeError: boom\n"
        "  → this is a defect of steersman; to see where: steersman --debug get -n risk\n"
    )
    with pytest.raises(RuntimeError, match="bo"):
        run(RuntimeError("boom"), "get", "--debug")


def test_an_error_from_the_cluster_cannot_reach_the_terminal_raw(run: Run) -> None:
    result = run(ApiError(403, "\x1b]0;x\x07[red]no[/red]\nnext"), "get")
    assert result.err.splitlines()[0] == "Error: [red]no[/red] next"


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    root = Path(steersman.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", "import sys; from steersman.cli.main import main; sys.exit(main())", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "HOME": "/nonexistent", **environment},
    )


def test_help_loads_none_of_what_only_the_work_needs() -> None:
    script = (
        "import sys\nfrom steersman.cli.main import main\nmain(['watch', '--help'])\n"
        "print(*(m for m in ('kubernetes', 'aiohttp', 'kopf', 'rich', 'steersman.api') if m in sys.modules))"
    )
    root = Path(steersman.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root)}
    )
    assert "--until" in done.stdout
    assert done.stdout.splitlines()[-1] == ""


def test_without_a_kubeconfig_the_process_says_so_and_exits_1() -> None:
    done = command("get")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no kubeconfig found at /nonexistent/.kube/config")
    assert len(done.stderr.splitlines()) == 2


def test_a_kubeconfig_that_is_no_kubeconfig(tmp_path: Path) -> None:
    broken = tmp_path / "config"
    broken.write_text("}{")
    done = command("get", KUBECONFIG=str(broken))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_reader_that_leaves_ends_it_as_a_signal_would() -> None:
    root = Path(steersman.__file__).parents[1]
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; {sys.executable} -m steersman.cli.main --help | sleep 0; echo ${{PIPESTATUS[0]}}",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root)},
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")  # 0 when the reader was slower to leave


def test_output_into_a_broken_pipe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: object, **__: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("steersman.cli.commands.look.print_view", leave)
    assert run(InMemoryClient(samples.healthy()), "get").code == 141


def test_as_a_kubectl_plugin_it_calls_itself_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/kubectl-steersman", "gte"])
    assert main() == 1
    assert "see kubectl steersman --help" in capsys.readouterr().err


def test_no_words_at_all_show_the_help(run: Run) -> None:
    result = run(InMemoryClient())
    assert result.code == 0
    assert "Usage: steersman" in result.out
