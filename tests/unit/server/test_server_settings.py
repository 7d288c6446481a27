"""Settings from the environment."""

from pathlib import Path

import pytest

from steersman.core.pod.template import WARM_UP_REQUESTS
from steersman_server.settings import ServerSettings, SettingsError, available_cpus


def test_defaults() -> None:
    settings = ServerSettings.from_environment({})
    assert (settings.model_dir, settings.port, settings.max_body_bytes) == (Path("/model"), 8080, 16 * 1024**2)
    assert settings.drain_seconds == 5
    assert settings.warm_up_requests == 1
    assert settings.keep_alive_seconds > 3600, "longer than Envoy keeps an idle upstream connection"
    assert 4 <= settings.threads <= 32
    assert not settings.access_log


def test_what_the_operator_sets_is_what_the_server_reads() -> None:
    assert ServerSettings.from_environment({WARM_UP_REQUESTS: "25"}).warm_up_requests == 25


def test_values() -> None:
    settings = ServerSettings.from_environment(
        {"PORT": "9000", "THREADS": "2", "DRAIN_SECONDS": "0.5", "ACCESS_LOG": "True", "LOG_LEVEL": "debug", "HOST": ""}
    )
    assert (settings.port, settings.threads, settings.drain_seconds) == (9000, 2, 0.5)
    assert (settings.access_log, settings.log_level, settings.host) == (True, "DEBUG", "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("THREADS", "0"),
        ("THREADS", "1.5"),
        ("MAX_BODY_BYTES", "-1"),
        ("WARM_UP_REQUESTS", "0"),
        ("WARM_UP_REQUESTS", "10001"),
        ("DRAIN_SECONDS", "nan"),
        ("DRAIN_SECONDS", "soon"),
        ("ACCESS_LOG", "maybe"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ServerSettings.from_environment({name: value})


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1), ("", None)]
)
def test_cpus_are_those_of_the_cgroup_quota(tmp_path: Path, quota: str, cpus: int | None) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    unlimited = available_cpus(tmp_path / "absent")
    assert available_cpus(tmp_path / "cpu.max") == (cpus or unlimited)
