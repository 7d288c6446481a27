"""`python -m benchmarks.profile`: what counting into a model's profile costs the server, beside the same server without it.

Both are asked in turn, in one process and in random order, through the whole of MLflow's scoring server; no network is between. What is measured is CPU time of the process, the median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from steersman_server import model
from steersman_server.app import App
from steersman_server.reply import JSON, call, request_scope
from steersman_server.settings import ServerSettings

COLUMNS = (5, 20, 50)
ROWS = (1, 100, 10_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="of each server and size; default 200")
    arguments = parser.parse_args()
    print("| columns | rows | without, ms | with, ms | counting, ms | /metrics, ms | series |")
    print("|---|---|---|---|---|---|---|")
    for columns in COLUMNS:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_measure(Path(folder) / "model", columns, arguments.requests))


async def _measure(folder: Path, columns: int, requests: int) -> None:
    frame = _save(folder, columns)
    apps = {}
    for counting in (False, True):
        apps[counting] = App(ServerSettings(profile=counting))
        apps[counting].model_loaded(model.load(folder, with_profile=counting), 0.0)
    for rows in ROWS:
        part = frame.iloc[:rows]
        body = json.dumps({"dataframe_split": json.loads(part.to_json(orient="split", index=False))}).encode()
        taken: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(max(20, requests // max(1, rows // 100))):
            for counting in random.sample((False, True), 2):
                began = time.process_time()
                scope = request_scope("POST", "/invocations", {"content-type": JSON})
                reply = await call(apps[counting], scope, body)
                taken[counting].append(time.process_time() - began)
                if reply.status != 200:
                    raise SystemExit(reply.body.decode())
        without, with_it = (statistics.median(taken[counting]) * 1000 for counting in (False, True))
        page, scrape = await _scrape(apps[True])
        series = sum(not line.startswith(b"#") for line in page.splitlines())
        figures = f"{without:.2f} | {with_it:.2f} | {with_it - without:.2f} | {scrape:.1f} | {series}"
        print(f"| {columns} | {rows} | {figures} |", flush=True)


async def _scrape(app: App) -> tuple[bytes, float]:
    taken = []
    for _ in range(20):
        began = time.process_time()
        reply = await call(app, request_scope("GET", "/metrics"), b"")
        taken.append(time.process_time() - began)
    return reply.body, statistics.median(taken) * 1000


def _save(folder: Path, columns: int):  # type: ignore[no-untyped-def] # a pandas frame
    """A model that does next to nothing, with a profile: half of its columns are numbers, half are text."""
    import mlflow
    import numpy
    import pandas

    from steersman.profile import build_profile
    from steersman_profile.format import PATH, dump

    class Constant(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return numpy.zeros(len(model_input))

    rng = numpy.random.default_rng(1)
    kinds = numpy.array([f"kind {number}" for number in range(20)])
    frame = pandas.DataFrame(
        {
            f"c{number}": rng.normal(size=max(ROWS)) if number % 2 else kinds[rng.integers(0, 20, max(ROWS))]
            for number in range(columns - 1)
        }
    )
    signature = mlflow.models.infer_signature(frame, numpy.zeros(1))
    mlflow.pyfunc.save_model(folder, python_model=Constant(), signature=signature, pip_requirements=[])
    (folder / PATH).parent.mkdir()
    (folder / PATH).write_text(dump(build_profile(frame, prediction=numpy.zeros(len(frame)), task="regression")))
    return frame


if __name__ == "__main__":
    main()
