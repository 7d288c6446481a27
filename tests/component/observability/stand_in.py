"""Pages that a Prometheus scrapes: the metrics of drift and ground truth as their contract has them, with known distributions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OBSERVED = {"10.0": 0.5, "20.0": 0.3, "+Inf": 0.2, "(missing)": 0.0}
REFERENCE = {"10.0": 0.25, "20.0": 0.25, "+Inf": 0.5, "(missing)": 0.0}


def page(seconds: int) -> str:
    """After so many seconds: 100 observations in each."""
    column = 'column="amount",role="feature",kind="numeric"'
    lines = ["# TYPE steersman_profile_observations_total counter"]
    lines += [
        f'steersman_profile_observations_total{{{column},bin="{bound}"}} {round(100 * seconds * share)}'
        for bound, share in OBSERVED.items()
    ]
    lines += ["# TYPE steersman_profile_reference_ratio gauge"]
    lines += [
        f'steersman_profile_reference_ratio{{{column},bin="{bound}"}} {share}' for bound, share in REFERENCE.items()
    ]
    by = 'predicted_by="contract-v1-a"'
    lines += [
        "# TYPE steersman_profile_reference_rows gauge",
        'steersman_profile_reference_rows{column="amount",role="feature"} 1000',
        "# TYPE steersman_feedback_total counter",
        f'steersman_feedback_total{{{by},outcome="correct"}} {9 * seconds}',
        f'steersman_feedback_total{{{by},outcome="wrong"}} {seconds}',
        "# TYPE steersman_feedback_class_total counter",
        f'steersman_feedback_class_total{{{by},class="fraud",count="true_positive"}} {6 * seconds}',
        f'steersman_feedback_class_total{{{by},class="fraud",count="false_positive"}} {2 * seconds}',
        f'steersman_feedback_class_total{{{by},class="fraud",count="false_negative"}} {4 * seconds}',
        "# TYPE steersman_feedback_absolute_error histogram",
        f'steersman_feedback_absolute_error_bucket{{{by},le="+Inf"}} {10 * seconds}',
        f"steersman_feedback_absolute_error_count{{{by}}} {10 * seconds}",
        f"steersman_feedback_absolute_error_sum{{{by}}} {20 * seconds}",
        "# TYPE steersman_feedback_squared_error_total counter",
        f"steersman_feedback_squared_error_total{{{by}}} {90 * seconds}",
        "# TYPE steersman_concept_drift_total counter",
        f'steersman_concept_drift_total{{{by},detector="adwin"}} {seconds}',
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def running() -> Iterator[str]:
    """Serve the page; gives host and port."""
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page(int(time.monotonic() - began)).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
