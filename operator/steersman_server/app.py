"""The server's ASGI application: probes and metrics at once, the model's own routes when it is loaded."""

from dataclasses import replace
from enum import StrEnum
from urllib.parse import quote

from steersman_server.feedback_endpoint import FeedbackEndpoint
from steersman_server.invocations import Invocations
from steersman_server.metrics import Metrics
from steersman_server.model import LoadedModel
from steersman_server.quality import Quality
from steersman_server.reply import Application, Receive, Reply, Scope, Send, call, header
from steersman_server.settings import ServerSettings


class Phase(StrEnum):
    """Where the server is in its life; only in READY does /ready answer 200."""

    LOADING = "Loading"
    SMOKE = "SmokeRequest"
    READY = "Ready"
    DRAINING = "Draining"
    FAILED = "Failed"


class App:
    """Routes: /live, /ready and /metrics; /feedback; /invocations, /ping, /health and /version of MLflow's scoring server."""

    def __init__(self, settings: ServerSettings) -> None:
        self.metrics = Metrics()
        self.phase = Phase.LOADING
        self.message = "importing MLflow and loading the model"
        self.invocations: Invocations | None = None
        self._settings = settings
        self._feedback: FeedbackEndpoint | None = None
        self._scoring: Application | None = None
        self._identity = _identity(settings)

    def enter(self, phase: Phase, message: str) -> None:
        """Go to `phase`; `message` is what /ready says beside it. DRAINING is final."""
        if self.phase is Phase.DRAINING:
            return
        self.phase, self.message = phase, message
        self.metrics.ready.set(phase is Phase.READY)

    def model_loaded(self, model: LoadedModel, seconds: float) -> Invocations:
        """Answer the model's own routes from now on; `seconds` is how long loading took."""
        settings = self._settings
        self.metrics.load_seconds.set(seconds)
        self.metrics.model_info.labels(settings.model_name, settings.model_version, model.flavor).set(1)
        if model.profile is not None:
            self.metrics.profile.use(model.profile)
        if model.profile_error is not None:
            self.metrics.profile.unreadable(model.profile_error)
        if settings.feedback:
            quality = Quality(
                self.metrics.registry, settings.steersman_revision, model.profile, settings.feedback_error_buckets
            )
            self._feedback = FeedbackEndpoint(quality)
        self._scoring = model.application
        self.invocations = Invocations(model.application, self.metrics, settings.max_body_bytes)
        return self.invocations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        reply = await self._respond(scope, receive)
        reply.headers.extend(self._identity)
        if self.phase is Phase.DRAINING:
            reply = replace(reply, close=True)
        await reply.send(send)

    async def _respond(self, scope: Scope, receive: Receive) -> Reply:
        match scope["path"]:
            case "/live":
                return Reply.json(200, {"live": True})
            case "/ready":
                return self._ready()
            case "/metrics":
                page, content_type = self.metrics.exposition(header(scope, b"accept") or "")
                return Reply.of(200, page, content_type)
            case "/invocations":
                if self.invocations is None:
                    return self._unavailable()
                return await self.invocations.respond(scope, receive)
            case "/feedback" if self._settings.feedback:
                if self._feedback is None:
                    return self._unavailable()
                return await self._feedback.respond(scope, receive)
            case "/ping" | "/health" | "/version":
                if self._scoring is None:
                    return self._unavailable()
                return await call(self._scoring, scope, b"")
        return Reply.error(404, "ENDPOINT_NOT_FOUND", "No such path.")

    def _ready(self) -> Reply:
        ready = self.phase is Phase.READY
        return Reply.json(200 if ready else 503, {"ready": ready, "reason": self.phase, "message": self.message})

    def _unavailable(self) -> Reply:
        return Reply.error(503, "TEMPORARILY_UNAVAILABLE", f"{self.phase}: {self.message}")


def _identity(settings: ServerSettings) -> list[tuple[bytes, bytes]]:
    """Response headers that tell a client which model version and revision answered it; what cannot stand in a header is escaped."""
    named = {
        "x-steersman-model": settings.model_name,
        "x-steersman-model-version": settings.model_version,
        "x-steersman-revision": settings.steersman_revision,
    }
    return [(key.encode(), quote(value, safe=" /:@").encode()) for key, value in named.items() if value]
