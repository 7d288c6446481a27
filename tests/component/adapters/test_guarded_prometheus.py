"""The Prometheus provider against a real server with basic authentication and TLS in both directions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.component.adapters.processes import free_port

from cluster.binaries import Binaries
from cluster.certificates import CertificateFolder
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.core.analysis.model import MetricQuery, Over, Part, Sample, Series, Source
from steersman.ports import AccessRefused, MetricError, Secrets

PASSWORD = "a-long-password"
HASH = "$2b$05$abcdefghijklmnopqrstuuLjrm7vL7hts70kt.SnShIOHbr1tdDPu"
"""Its bcrypt hash."""


class Guarded:
    """The server, and what a template and its Secrets say of it."""

    def __init__(self, url: str, folder: CertificateFolder) -> None:
        self.url = url
        self.login = {"username": b"steersman", "password": PASSWORD.encode()}
        self.certificates = {
            "ca.crt": folder.certificate("ca").read_bytes(),
            "tls.crt": folder.certificate("client").read_bytes(),
            "tls.key": folder.key("client").read_bytes(),
        }

    async def ask(
        self,
        text: str = "vector(0.5)",
        *,
        login: dict[str, bytes] | None = None,
        certificates: dict[str, bytes] | None = None,
        over: Over | None = None,
        tls: dict[str, Any] | None = None,
    ) -> tuple[Sample, ...] | tuple[Series, ...]:
        settings = {
            "address": self.url,
            "credentials": {"secretName": "login"},
            "tls": {"secretName": "tls"} if tls is None else tls,
        }
        now = time.time()
        query = MetricQuery("t/m", Part.VALUE, Source("prometheus", json.dumps(settings), "ns"), text, now, over)
        known = {
            "login": self.login if login is None else login,
            "tls": self.certificates if certificates is None else certificates,
        }
        provider = PrometheusProvider("http://127.0.0.1:9")
        try:
            if over is not None:
                return await provider.query_range(query, Secrets("ns", known))
            return await provider.query(query, Secrets("ns", known))
        finally:
            await provider.close()


@pytest.fixture(scope="module")
def guarded(prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory, port = tmp_path_factory.mktemp("guarded-prometheus"), free_port()
    folder = CertificateFolder(Path(directory))
    authority = folder.authority("ca", "test authority")
    folder.issue("server", authority, "prometheus", addresses=["127.0.0.1"])
    folder.issue("client", authority, "steersman")
    # JSON is YAML.
    (directory / "prometheus.yml").write_text(json.dumps({"global": {"scrape_interval": "1s"}}))
    web = {
        "tls_server_config": {
            "cert_file": str(folder.certificate("server")),
            "key_file": str(folder.key("server")),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": str(folder.certificate("ca")),
        },
        "basic_auth_users": {"steersman": HASH},
    }
    (directory / "web.yml").write_text(json.dumps(web))
    command = [
        prometheus_binaries["prometheus"],
        f"--config.file={directory}/prometheus.yml",
        f"--web.config.file={directory}/web.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    made = Guarded(f"https://127.0.0.1:{port}", folder)
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        asyncio.run(_ready(made, process, directory / "log"))
        yield made
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _ready(server: Guarded, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            await server.ask()
        except MetricError as error:
            if process.poll() is not None or time.monotonic() > end:
                said = await asyncio.to_thread(log.read_text)
                raise RuntimeError(f"{error}\n{said[-3000:]}") from error
            await asyncio.sleep(0.2)
        else:
            return


async def test_an_answer_with_password_and_certificates(guarded: Guarded) -> None:
    (sample,) = await guarded.ask()
    assert isinstance(sample, Sample) and sample.value == 0.5


async def test_values_over_time(guarded: Guarded) -> None:
    now = time.time()
    (series,) = await guarded.ask("time()", over=Over(now - 60, 15.0))
    assert isinstance(series, Series)
    assert [value for _, value in series.points] == pytest.approx([now - 60, now - 45, now - 30, now - 15, now], abs=1)
    assert [moment for moment, _ in series.points] == pytest.approx([value for _, value in series.points], abs=0.01)


async def test_a_wrong_password_is_a_refusal(guarded: Guarded) -> None:
    with pytest.raises(AccessRefused, match=r"refused access \(HTTP 401\)") as caught:
        await guarded.ask(login={"username": b"steersman", "password": b"wrong-password"})
    assert "wrong-password" not in str(caught.value)


async def test_a_server_that_cannot_be_trusted(guarded: Guarded) -> None:
    only_client = {key: value for key, value in guarded.certificates.items() if key != "ca.crt"}
    with pytest.raises(MetricError, match=r"cannot reach Prometheus at https://127.0.0.1:.*certificate"):
        await guarded.ask(certificates=only_client)
    skipping = {"secretName": "tls", "insecureSkipVerify": True}
    (sample,) = await guarded.ask(certificates=only_client, tls=skipping)
    assert isinstance(sample, Sample) and sample.value == 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tls.crt": None, "tls.key": None}, "cannot reach Prometheus"),
        ({"tls.key": None}, "the certificates in Secret 'tls' cannot be used"),
        ({"tls.key": b"-----BEGIN PRIVATE KEY-----\nMIIE\n"}, "the certificates in Secret 'tls' cannot be used"),
        ({"ca.crt": b"no certificate"}, "the certificates in Secret 'tls' cannot be used"),
    ],
)
async def test_certificates_that_do_not_do(guarded: Guarded, change: dict[str, bytes | None], said: str) -> None:
    changed = {**guarded.certificates, **change}
    with pytest.raises(MetricError, match=said) as caught:
        await guarded.ask(certificates={key: value for key, value in changed.items() if value is not None})
    assert "MIIE" not in str(caught.value)
