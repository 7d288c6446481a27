"""The counting expression and escaped arguments, evaluated by Prometheus' own engine on made-up series."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.binaries import Binaries
from steersman.core.analysis.promql import count_since, quote, render

pytestmark = pytest.mark.usefixtures("promtool")

PROMTOOL: list[str] = []
"""Path of promtool, once the fixture has found or built it."""


@pytest.fixture(scope="module")
def promtool(prometheus_binaries: Binaries) -> None:
    """Prometheus' own tool, of the version that the test clusters run."""
    PROMTOOL[:] = [str(prometheus_binaries["promtool"])]


Expectation = tuple[str, str, dict[str, float]]
"""Time of evaluation, expression, and the expected value per revision."""


def series(labels: str, values: str) -> dict[str, str]:
    """One sample every 15 s from 0 s, in promtool's notation: `0+10x4` is 0 10 20 30 40, `_` a missing sample."""
    return {"series": f'requests_total{{namespace="risk",{labels}}}', "values": values}


def evaluate(directory: Path, given: list[dict[str, str]], tests: list[dict[str, Any]]) -> None:
    """Fail with promtool's account of every difference."""
    plan = directory / "plan.yaml"
    test = {"interval": "15s", "input_series": given, "promql_expr_test": tests}
    # JSON is YAML, and leaves no doubt about quoting.
    plan.write_text(json.dumps({"evaluation_interval": "15s", "tests": [test]}))
    done = subprocess.run(
        [PROMTOOL[0], "test", "rules", str(plan)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def expect(directory: Path, given: list[dict[str, str]], *expectations: Expectation) -> None:
    evaluate(
        directory,
        given,
        [
            {
                "eval_time": time,
                "expr": expression,
                "exp_samples": [
                    {"labels": f'{{namespace="risk", steersman_dev_revision="{revision}"}}', "value": value}
                    for revision, value in expected.items()
                ],
            }
            for time, expression, expected in expectations
        ],
    )


def counted(time: str, window: int, **expected: float) -> Expectation:
    return time, count_since("requests_total", window), expected


POD = 'steersman_dev_revision="v1",pod="a"'


def test_pods_are_summed_by_namespace_and_revision(tmp_path: Path) -> None:
    given = [
        series('steersman_dev_revision="v1",pod="a",code="200"', "0+10x20"),
        series('steersman_dev_revision="v1",pod="b",code="200"', "5000+7x20"),
        series('steersman_dev_revision="v2",pod="c",code="200"', "0+1.5x20"),
    ]
    expect(tmp_path, given, counted("2m", 15, v1=17, v2=1.5), counted("2m", 60, v1=68, v2=6))


def test_a_time_without_requests_counts_zero(tmp_path: Path) -> None:
    expect(tmp_path, [series(POD, "40x20")], counted("2m", 15, v1=0))


def test_a_new_pods_counter_counts_whole(tmp_path: Path) -> None:
    given = [series(POD, "_x4 7+5x20")]
    expect(tmp_path, given, counted("45s", 15), counted("1m", 15, v1=7), counted("75s", 15, v1=5))


def test_the_first_failure_of_a_kind_counts(tmp_path: Path) -> None:
    given = [series(POD + ',code="200"', "0+10x20"), series(POD + ',code="500"', "_x4 1 1 3")]
    failures = count_since('requests_total{code=~"5.."}', 15)
    looks = [("45s", {}), ("1m", {"v1": 1.0}), ("75s", {"v1": 0.0}), ("90s", {"v1": 2.0})]
    expect(tmp_path, given, *((time, failures, expected) for time, expected in looks))


@pytest.mark.parametrize("end", ["stale", "_"])
def test_the_last_requests_of_a_vanished_pod_count_once(tmp_path: Path, end: str) -> None:
    # Its last sample is 40 at 60 s.
    given = [series(POD, f"0+10x4 {end} _x100")]
    expect(
        tmp_path,
        given,
        counted("75s", 30, v1=10),
        counted("75s", 15, v1=0),
        counted("5m", 285, v1=40 - 10),
        counted("20m", 15),
    )


@pytest.mark.parametrize("gap", ["stale _x2", "_x3"])
def test_what_happened_in_a_gap_counts_when_it_ends_and_nothing_counts_twice(tmp_path: Path, gap: str) -> None:
    # 40 at 60 s, no samples at 75 s, 90 s and 105 s (a failed scrape, or Prometheus restarted), 100 at 120 s.
    given = [series(POD, f"0+10x4 {gap} 100+10x20")]
    expect(
        tmp_path,
        given,
        counted("60s", 15, v1=10),
        counted("75s", 15, v1=0),
        counted("105s", 15, v1=0),
        counted("120s", 15, v1=60),
        counted("135s", 15, v1=10),
        counted("135s", 120, v1=100),
    )


def test_without_memory_a_gap_would_count_a_pods_whole_history_again(tmp_path: Path) -> None:
    plain = "sum by (namespace, steersman_dev_revision) ((x - x offset 15s >= 0) or x)".replace("x", "requests_total")
    plain = plain.replace("offset", " offset ").replace("  ", " ")
    expect(tmp_path, [series(POD, "5000+10x4 stale 5060+10x20")], ("90s", plain, {"v1": 5060}))
    expect(tmp_path, [series(POD, "5000+10x4 stale 5060+10x20")], counted("90s", 15, v1=20))


def test_after_a_restart_of_its_process_a_counter_counts_from_zero(tmp_path: Path) -> None:
    # 40 at 60 s, then 3 at 75 s.
    given = [series(POD, "0+10x4 3+10x20")]
    expect(tmp_path, given, counted("75s", 15, v1=3), counted("90s", 15, v1=10), counted("90s", 30, v1=13))


def test_adjoining_windows_add_up_whatever_their_lengths(tmp_path: Path) -> None:
    values = [0, 3, 3, 9, 40, 41, 41, 100, 101, 150, 151, 151, 152, 200, 230, 231, 260, 300, 301, 400, 400]
    moments, covered = [2, 3, 7, 8, 12, 13, 14, 20], 1
    expectations = []
    for moment in moments:
        increments = values[moment] - values[covered]
        expectations.append(counted(f"{moment * 15}s", (moment - covered) * 15, v1=increments))
        covered = moment
    assert sum(expected["v1"] for _, _, expected in expectations) == 400 - 3
    expect(tmp_path, [series(POD, " ".join(map(str, values)))], *expectations)


def test_looks_between_scrapes_add_up_too(tmp_path: Path) -> None:
    expect(
        tmp_path,
        [series(POD, "0+10x20")],
        counted("59s", 20, v1=10),
        counted("61s", 2, v1=10),
        counted("74s", 13, v1=0),
        counted("80s", 6, v1=10),
    )


@pytest.mark.parametrize(
    "value",
    [
        '"',
        "\\",
        '\\"',
        'a"} or vector(9) or x{a="',
        "two\nlines",
        "`'#",
        "\u0001\u2028",
        "größe 日本",
        "{{args.b}}",
        ".*",
    ],
)
def test_prometheus_reads_an_escaped_argument_as_that_very_value(tmp_path: Path, value: str) -> None:
    given = [
        {"series": f'x{{a="{quote(value)}"}}', "values": "1"},
        {"series": 'x{a="another"}', "values": "2"},
    ]
    expression = render('sum(x{a="{{args.a}}"})', {"args.a": value})
    evaluate(tmp_path, given, [{"eval_time": "0s", "expr": expression, "exp_samples": [{"labels": "{}", "value": 1}]}])
