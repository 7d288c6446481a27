"""Answering POST /feedback."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from steersman_server import feedback
from steersman_server.body import BodyTooLargeError, ClientDisconnectedError, discard_rest, read_body
from steersman_server.feedback import FeedbackError
from steersman_server.quality import Quality, TooManyRevisionsError
from steersman_server.reply import Receive, Reply, Scope


class FeedbackEndpoint:
    """Counts feedback in a thread of its own: predictions have theirs, and probes are answered meanwhile."""

    def __init__(self, quality: Quality) -> None:
        self._quality = quality
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feedback")

    async def respond(self, scope: Scope, receive: Receive) -> Reply:
        """Answer one request."""
        if scope["method"] != "POST":
            return Reply.error(405, "BAD_REQUEST", "Send feedback by POST.")
        try:
            body = await read_body(scope, receive, feedback.MAX_BYTES)
        except BodyTooLargeError as error:
            if error.unread:
                await discard_rest(scope, receive)
            too_large = f"The body is larger than {feedback.MAX_BYTES} bytes."
            return replace(Reply.error(413, "BAD_REQUEST", too_large), close=True)
        except ClientDisconnectedError:
            return Reply(499)
        # The first import of River takes a second or two.
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._count, body)

    def _count(self, body: bytes) -> Reply:
        try:
            given = feedback.parse(body)
            revision, task = self._quality.count(given)
        except FeedbackError as error:
            return Reply.error(400, "INVALID_PARAMETER_VALUE", str(error))
        except TooManyRevisionsError as error:
            return Reply.error(429, "RESOURCE_EXHAUSTED", str(error))
        counted = {"counted": len(given.pairs), "skipped": given.skipped}
        return Reply.json(200, {**counted, "predicted_by": revision, "task": task})
