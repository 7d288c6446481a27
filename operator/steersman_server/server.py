"""The process: uvicorn around the application, from listening at once to a stop that loses no request."""

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import uvicorn

from steersman_server import termination
from steersman_server.app import App, Phase
from steersman_server.settings import ServerSettings
from steersman_server.startup import StartupError, make_ready

_logger = logging.getLogger(__name__)


class ModelServer(uvicorn.Server):
    """A uvicorn server that drains before it stops.

    On SIGTERM a ready server goes on answering for a while with /ready at 503 and ``Connection: close``, so that
    endpoints and proxies let go of it; then it stops listening and lets requests in flight finish. A second signal, or
    a signal before the model is ready, skips the wait.
    """

    def __init__(self, app: App, settings: ServerSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=settings.access_log,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=settings.keep_alive_seconds,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )
        self._app = app
        self._drain_seconds = settings.drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve_model(self, settings: ServerSettings) -> int:
        """Serve until a signal or a failed start; return the exit code."""
        self._loop = asyncio.get_running_loop()
        # MLflow's scoring server predicts in the loop's default executor.
        self._loop.set_default_executor(ThreadPoolExecutor(settings.threads, thread_name_prefix="predict"))
        exit_code = 0

        async def start() -> None:
            nonlocal exit_code
            try:
                await make_ready(self._app, settings)
            except StartupError as error:
                exit_code = error.exit_code
                termination.report(str(error))
                self.should_exit = True

        starting = asyncio.create_task(start())
        try:
            await self.serve()
        finally:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
        return exit_code

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal, stop on the second; not recorded by uvicorn, which would raise it again."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._app.phase is Phase.READY:
            _logger.info("Draining", extra={"fields": {"seconds": self._drain_seconds}})
            asyncio.get_running_loop().call_later(self._drain_seconds, self._stop)
        else:
            self.should_exit = True
        self._app.enter(Phase.DRAINING, "the server is stopping")


def run(settings: ServerSettings) -> int:
    """Serve until told to stop; return the exit code.

    The event loop is left as it is: closing it would wait for predictions that did not finish in time.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(ModelServer(App(settings), settings).serve_model(settings))
