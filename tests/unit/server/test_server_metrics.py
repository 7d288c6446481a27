"""The metrics page."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from steersman_server.app import App
from steersman_server.metrics import EXCEPTION_TYPES, Metrics

from .conftest import get, predict


def test_codes_start_at_zero_so_that_a_rate_sees_the_first_error() -> None:
    metrics = Metrics()
    for code in ("200", "400", "500"):
        assert metrics.registry.get_sample_value("steersman_requests_total", {"code": code}) == 0
    assert metrics.registry.get_sample_value("steersman_model_ready") == 0


def test_exception_types_are_bounded() -> None:
    metrics = Metrics()
    for number in range(EXCEPTION_TYPES + 5):
        metrics.exception(f"Error{number}")
    metrics.exception("Error0")

    def count(name: str) -> float | None:
        return metrics.registry.get_sample_value("steersman_exceptions_total", {"type": name})

    assert (count("Error0"), count("Error19"), count("Error20"), count("other")) == (2, 1, None, 5)


async def test_page_parses_in_both_formats_and_names_the_contract(picky_app: App) -> None:
    await predict(picky_app, 1.0)
    plain = await get(picky_app, "/metrics")
    families = {family.name: family for family in parse(plain.body.decode())}
    assert {
        "steersman_requests",
        "steersman_request_duration_seconds",
        "steersman_requests_in_progress",
        "steersman_predictions",
        "steersman_model_info",
        "steersman_model_load_seconds",
        "steersman_model_ready",
        "process_resident_memory_bytes",
    } <= set(families)
    (info,) = families["steersman_model_info"].samples
    assert info.labels == {"name": "picky", "version": "7", "flavor": "python_function"}
    assert families["steersman_model_load_seconds"].samples[0].value == 1.5
    buckets = [s.labels["le"] for s in families["steersman_request_duration_seconds"].samples if "le" in s.labels]
    assert (buckets[0], buckets[-2:]) == ("0.001", ["30.0", "+Inf"])
    openmetrics = await get(picky_app, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert dict(openmetrics.headers)[b"content-type"].startswith(b"application/openmetrics-text")
    assert "steersman_requests" in {family.name for family in parse_openmetrics(openmetrics.body.decode())}
    assert b"_created" not in openmetrics.body
