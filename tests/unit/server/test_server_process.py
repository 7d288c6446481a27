"""The server as a process of its own, over real connections."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

OPERATOR = Path(__file__).parents[3] / "operator"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Server:
    """A server process and what it writes."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    termination_log: Path

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = self.connection()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                assert self.get("/live")[0] == 200
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while self.get("/ready")[0] != 200:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)


def start(tmp_path: Path, model_dir: Path, **environment: str) -> Server:
    port = free_port()
    log, termination_log = tmp_path / "log", tmp_path / "termination-log"
    termination_log.touch()
    own = {"MODEL_DIR": str(model_dir), "HOST": "127.0.0.1", "PORT": str(port), "PYTHONPATH": str(OPERATOR)}
    own |= {"TERMINATION_LOG": str(termination_log), "HOME": str(tmp_path)} | environment
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "steersman_server"], env=os.environ | own, cwd=tmp_path, stdout=out, stderr=out
        )
    return Server(process, port, log, termination_log)


@pytest.fixture
def server(tmp_path: Path, picky_dir: Path) -> Iterator[Server]:
    limits = {"THREADS": "3", "DRAIN_SECONDS": "1", "SHUTDOWN_SECONDS": "2", "MAX_BODY_BYTES": "1000"}
    server = start(tmp_path, picky_dir, ACCESS_LOG="true", **limits)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def body(value: float) -> str:
    return json.dumps({"dataframe_split": {"columns": ["x"], "data": [[value]]}})


def post(connection: http.client.HTTPConnection, value: float) -> http.client.HTTPResponse:
    connection.request("POST", "/invocations", body(value), {"Content-Type": "application/json"})
    return connection.getresponse()


def test_life_of_a_server(server: Server) -> None:
    """One process for all of it: starting one takes seconds."""
    server.wait_until_it_listens()
    status, page = server.get("/ready")
    assert (status, json.loads(page)["reason"]) == (503, "Loading"), "it listens before the model is loaded"
    assert b"steersman_model_ready 0.0" in server.get("/metrics")[1]
    server.wait_until_ready()

    # One connection serves many requests, and a body without announced length is limited too.
    connection = server.connection()
    for value in (1.0, 100.0, 2.0):
        response = post(connection, value)
        response.read()
        assert response.status == (500 if value == 100.0 else 200)
        assert response.getheader("Connection") is None
    connection.request("POST", "/invocations", iter([b"x" * 600] * 3), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (413, "close")
    response.read()
    assert json.loads(post(connection, 3.0).read()) == {"predictions": [6.0]}, (
        "the client can go on, on a new connection"
    )

    # All three threads at work: the fourth request waits for one, and probes answer all the while.
    answered: list[float] = []
    begun = time.monotonic()

    def slow() -> None:
        own = server.connection()
        assert post(own, 3600.0).status == 200
        answered.append(time.monotonic() - begun)
        own.close()

    clients = [threading.Thread(target=slow) for _ in range(4)]
    for client in clients:
        client.start()
    time.sleep(0.2)
    probe = time.monotonic()
    assert server.get("/ready")[0] == 200
    assert b"steersman_requests_in_progress 4.0" in server.get("/metrics")[1]
    assert time.monotonic() - probe < 0.4
    for client in clients:
        client.join()
    assert max(answered) >= 1.2 > min(answered)

    # SIGTERM: still answering, not ready, connections let go, the request in flight finished, exit code 0 in spite of
    # a prediction that does not end.
    endless = server.connection()
    endless.request("POST", "/invocations", body(63000.0), {"Content-Type": "application/json"})
    in_flight: list[int] = []
    long_request = threading.Thread(target=lambda: in_flight.append(post(server.connection(), 5000.0).status))
    long_request.start()
    time.sleep(0.2)
    stopped = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.get("/ready")[0] == 503
    response = post(connection, 4.0)
    assert (response.status, response.getheader("Connection")) == (200, "close")
    assert json.loads(response.read()) == {"predictions": [8.0]}
    assert server.process.wait(10) == 0
    assert 2.9 <= time.monotonic() - stopped < 6, "draining, and then the time limit of the endless prediction"
    endless.close()
    long_request.join()
    assert in_flight == [200]

    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    messages = [line["message"] for line in lines]
    assert {"Model loaded", "Ready", "The model failed", "Draining"} <= set(messages)
    assert any("POST /invocations" in message for message in messages), "ACCESS_LOG=true"
    assert server.termination_log.read_text() == ""
    assert sorted(path.name for path in server.log.parent.iterdir()) == ["log", "termination-log"], "it writes no files"


def test_sigterm_while_loading_stops_at_once(tmp_path: Path, picky_dir: Path) -> None:
    server = start(tmp_path, picky_dir, DRAIN_SECONDS="60")
    try:
        server.wait_until_it_listens()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
    finally:
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize(
    ("environment", "exit_code", "message"),
    [
        ({}, 3, "model failed to load: no MLmodel file"),
        ({"THREADS": "many"}, 2, "THREADS must be a whole number, got 'many'"),
    ],
)
def test_failures_end_the_process_and_say_why(
    tmp_path: Path, environment: dict[str, str], exit_code: int, message: str
) -> None:
    server = start(tmp_path, tmp_path / "nothing", **environment)
    assert server.process.wait(20) == exit_code
    assert server.termination_log.read_text().startswith(message)
    assert "\n" not in server.termination_log.read_text()
    assert message in server.log.read_text()


def test_a_port_that_is_taken_ends_the_process(tmp_path: Path, picky_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = start(tmp_path, picky_dir, PORT=str(taken.getsockname()[1]))
        assert server.process.wait(20) == 1
    assert "address already in use" in server.log.read_text()
    assert server.termination_log.read_text().startswith("cannot listen on 127.0.0.1:")
