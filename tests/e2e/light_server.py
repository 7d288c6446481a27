"""A model server that starts at once: any container may serve, and most tests are about rollouts, not about models.

It runs in the operator's image (Python, aiohttp and prometheus-client), from a ConfigMap. The behaviour of each model version
comes from the file /app/behaviour.json: {"3": {"fail": 0.2, "ready": false, "startup": 3, "delay": 0.1}}.
"""

import asyncio
import json
import os
import random
import signal
import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

VERSION = os.environ["MODEL_VERSION"]
with open("/app/behaviour.json") as file:  # noqa: PTH123
    BEHAVIOUR = json.load(file).get(VERSION, {})
REQUESTS = Counter("steersman_requests", "Requests", ["code"])
SECONDS = Histogram("steersman_request_duration_seconds", "Duration", buckets=(0.1, 0.5, 2.5))
for code in ("200", "500"):
    REQUESTS.labels(code)
draining = False
STARTED = time.monotonic()


async def invoke(request: web.Request) -> web.Response:
    with SECONDS.time():
        await asyncio.sleep(BEHAVIOUR.get("delay", 0))
        status = 500 if random.random() < BEHAVIOUR.get("fail", 0) else 200
    REQUESTS.labels(str(status)).inc()
    headers = {"x-steersman-model-version": VERSION} | ({"connection": "close"} if draining else {})
    if status == 500:
        headers["x-injected"] = "1"  # no proxy says so: whoever counts lost requests can tell them apart
    return web.Response(status=status, text=VERSION, headers=headers)


async def get_worse(request: web.Request) -> web.Response:
    """From now on this process fails this share of its requests: what a changed world does to a model."""
    BEHAVIOUR["fail"] = float(request.query["fail"])
    return web.Response(headers={"x-steersman-model-version": VERSION})


async def ready(_: web.Request) -> web.Response:
    started = time.monotonic() - STARTED >= BEHAVIOUR.get("startup", 0)
    return web.Response(status=200 if BEHAVIOUR.get("ready", True) and started and not draining else 503)


async def metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def main() -> None:
    global draining
    app = web.Application()
    app.add_routes([web.get("/ready", ready), web.get("/metrics", metrics)])
    app.add_routes([web.post("/get-worse", get_worse), web.route("*", "/{path:.*}", invoke)])
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=3900, shutdown_timeout=10)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 8080).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    draining = True
    await asyncio.sleep(3)
    await runner.cleanup()


asyncio.run(main())
