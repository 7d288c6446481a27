"""Errands of retraining in the background: pipelines are begun and followed, data is looked at, the registry is asked."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steersman.api.retraining import ModelTag
from steersman.api.retraining_actions import Target
from steersman.core.naming import content_hash
from steersman.core.retraining.model import (
    Answer,
    AskNewest,
    Began,
    Begin,
    Cancel,
    Errand,
    Follow,
    Look,
    Order,
    Registry,
    RunState,
)
from steersman.ports import (
    DataSource,
    MetricError,
    ModelRegistryClient,
    Pipeline,
    PipelineError,
    RegistryCredentials,
    RegistryError,
    Secrets,
)
from steersman.shell.queue import Key
from steersman.shell.retraining_settings import quiet, secrets_of_look, secrets_of_order
from steersman.shell.secret_reader import SecretReader, censored

logger = logging.getLogger(__name__)

Observer = Callable[[str, str], None]
ReadCredentials = Callable[[str, str | None], Awaitable[RegistryCredentials | None]]

POLL_SECONDS: Final = 10.0
LONGEST_POLL: Final = 120.0
"""Between questions for a run that cannot be followed."""
TOLD_AFTER: Final = 3
"""Questions in a row that failed before that is told."""
FINDS: Final = 4
"""Looks for a run that may have begun."""
AT_ONCE: Final = 50
"""Errands that speak with a server at the same time."""
_UNEXPECTED: Final = "it failed in an unexpected way: see the operator's log"


class RetrainingDesk:
    """Runs errands, and keeps the answers until a reconcile has recorded them.

    What an errand is about is in the status before it is run. A request to begin that may have been sent before, by a process
    that is no more, is not sent again unless the target can tell that it is the same.
    """

    def __init__(
        self,
        pipelines: Mapping[Target, Pipeline],
        sources: Mapping[str, DataSource],
        registry: ModelRegistryClient,
        read_credentials: ReadCredentials,
        secrets: SecretReader,
        enqueue: Callable[[Key], None],
        may_write: Callable[[], bool],
        observe: Observer = lambda what, result: None,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`may_write` says whether this process leads: nobody else begins anything. `observe` gets a target or source and what came of it."""
        self._pipelines = pipelines
        self._sources = sources
        self._registry = registry
        self._read_credentials = read_credentials
        self._secrets = secrets
        self._enqueue = enqueue
        self._may_write = may_write
        self._observe = observe
        self._poll_seconds = poll_seconds
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._pending: dict[Key, dict[Errand, asyncio.Task[None]]] = defaultdict(dict)
        self._answers: dict[Key, dict[Errand, Answer]] = defaultdict(dict)
        self._cancelling: set[asyncio.Task[None]] = set()

    def answers(self, key: Key) -> tuple[Answer, ...]:
        """Answers that are not recorded yet."""
        return tuple(self._answers[key].values()) if key in self._answers else ()

    def submit(self, key: Key, errands: Sequence[Errand]) -> None:
        """Run what is neither under way nor answered, and end what is not wanted any more."""
        pending = self._pending.get(key, {})
        for errand, task in list(pending.items()):
            # What is being begun is never broken off: its answer is needed.
            if errand not in errands and not isinstance(errand, Begin):
                task.cancel()
                del pending[errand]
        for errand in errands:
            if isinstance(errand, Cancel):
                task = asyncio.create_task(self._cancel(errand), name=f"cancel {errand.order.key}")
                self._cancelling.add(task)
                task.add_done_callback(self._cancelling.discard)
            elif errand not in self._pending[key] and errand not in self._answers[key]:
                task = asyncio.create_task(self._run(key, errand), name=f"retraining {type(errand).__name__}")
                self._pending[key][errand] = task
        for kept in (self._pending, self._answers):
            if key in kept and not kept[key]:
                del kept[key]

    def recorded(self, key: Key, answers: Sequence[Answer]) -> None:
        """These answers are in the status now."""
        kept = self._answers.get(key, {})
        for answer in answers:
            if kept.get(answer.errand) is answer:
                del kept[answer.errand]

    def drop(self, key: Key) -> None:
        """The ModelDeployment is gone."""
        for task in self._pending.pop(key, {}).values():
            task.cancel()
        self._answers.pop(key, None)

    async def close(self) -> None:
        """End what is under way."""
        tasks = [task for tasks in self._pending.values() for task in tasks.values()] + list(self._cancelling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, errand: Errand) -> None:
        if isinstance(errand, Follow):
            # It tells more than once.
            await self._follow(key, errand)
            return
        try:
            answer = await self._answer(errand)
        except Exception:
            logger.exception("an errand of retraining failed in an unexpected way")
            began = Began.UNKNOWN if isinstance(errand, Begin) else None
            answer = Answer(errand, began=began, error=_UNEXPECTED)
        self._pending[key].pop(errand, None)
        self._tell(key, answer)

    def _tell(self, key: Key, answer: Answer) -> None:
        self._answers[key][answer.errand] = answer
        self._enqueue(key)

    async def _answer(self, errand: Errand) -> Answer:
        if isinstance(errand, Begin):
            answer = await self._begin(errand)
            self._observe(errand.order.target, str(answer.began).replace(" ", "_"))
            return answer
        if isinstance(errand, Look):
            answer = await self._look(errand)
            self._observe(errand.kind, "failed" if answer.error else "answered")
            return answer
        if isinstance(errand, AskNewest):
            try:
                return Answer(errand, value=await self._newest(errand.registry))
            except RegistryError as error:
                return Answer(errand, error=str(error))
        raise TypeError(f"not an errand: {errand}")

    async def _begin(self, errand: Begin) -> Answer:
        order, pipeline = errand.order, self._pipelines[errand.order.target]
        try:
            secrets = await self._read(order)
        except MetricError as error:
            # Nothing was sent now. Something may have been sent before, and then is looked for again.
            surely = errand.fresh or pipeline.repeatable
            return Answer(errand, began=Began.NOT_YET if surely else Began.UNKNOWN, error=str(error))
        if not self._may_write():
            return Answer(errand, began=Began.NOT_YET, error="this replica of the operator does not lead")
        if not errand.fresh and not pipeline.repeatable:
            return await self._find(errand, pipeline, secrets, "the operator was restarted meanwhile")
        try:
            async with self._turns:
                return Answer(errand, began=Began.YES, run=quiet(await pipeline.start(order, secrets), secrets))
        except PipelineError as error:
            if error.access:
                self._secrets.forget(secrets)
            said = censored(str(error), secrets)
            if error.began != Began.UNKNOWN:
                return Answer(errand, began=error.began, error=said, again_after=error.again_after)
            if pipeline.repeatable:
                return Answer(errand, began=Began.NOT_YET, error=said, again_after=error.again_after)
            return await self._find(errand, pipeline, secrets, said)

    async def _find(self, errand: Begin, pipeline: Pipeline, secrets: Secrets, why: str) -> Answer:
        """A run that may have begun."""
        for number in range(FINDS):
            if number:
                await asyncio.sleep(self._poll_seconds / 2)
            try:
                async with self._turns:
                    found = await pipeline.find(errand.order, secrets)
            except PipelineError as error:
                why = f"{why}; {censored(str(error), secrets)}" if number == FINDS - 1 else why
                continue
            if found is not None:
                return Answer(errand, began=Began.YES, run=quiet(found, secrets))
        return Answer(errand, began=Began.UNKNOWN, error=why)

    async def _follow(self, key: Key, errand: Follow) -> None:
        pipeline, known, failures = self._pipelines[errand.order.target], errand.known, 0
        pause = self._poll_seconds
        while True:
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311
            pause = self._poll_seconds
            try:
                secrets = await self._read(errand.order)
                try:
                    async with self._turns:
                        # The ref may become another one: that of a build, after that of its place in a queue.
                        run = quiet(await pipeline.state(errand.order, known.ref, secrets), secrets)
                except PipelineError as error:
                    if error.access:
                        self._secrets.forget(secrets)
                    raise MetricError(censored(str(error), secrets)) from error
            except MetricError as error:
                failures += 1
                cause = error.__cause__
                asked = cause.again_after if isinstance(cause, PipelineError) else 0.0
                pause = max(asked, min(LONGEST_POLL, self._poll_seconds * 2 ** min(failures, 8)))
                said = f"it cannot be followed now: {error}"
                if failures >= TOLD_AFTER and known.message != said:
                    known = replace(known, message=said)
                    self._tell(key, Answer(errand, run=known))
                continue
            except Exception:
                logger.exception("a pipeline's run could not be followed for an unexpected reason")
                pause = LONGEST_POLL
                continue
            failures = 0
            run = replace(run, ref=run.ref or known.ref, url=run.url or known.url)
            if run != known:
                known = run
                self._tell(key, Answer(errand, run=run))
            if run.state != RunState.RUNNING:
                self._observe(errand.order.target, str(run.state))
                return

    async def _cancel(self, errand: Cancel) -> None:
        try:
            secrets = await self._read(errand.order)
            if self._may_write():
                await self._pipelines[errand.order.target].cancel(errand.order, errand.ref, secrets)
                self._observe(errand.order.target, "cancelled")
        except (PipelineError, MetricError) as error:
            logger.warning("%s could not be cancelled: %s", errand.order.key, type(error).__name__)

    async def _look(self, errand: Look) -> Answer:
        try:
            if errand.kind == "modelTag":
                return Answer(errand, value=await self._model_tag(errand))
            secrets = await self._secrets.read(errand.namespace, secrets_of_look(errand))
        except (MetricError, RegistryError) as error:
            return Answer(errand, error=str(error))
        try:
            async with self._turns:
                return Answer(errand, value=await self._sources[errand.kind].look(errand.settings, secrets))
        except MetricError as error:
            self._secrets.forget(secrets)
            return Answer(errand, error=censored(str(error), secrets))

    async def _model_tag(self, errand: Look) -> str | None:
        registry = errand.registry
        if registry is None:
            raise MetricError("the ModelDeployment's registry is not known")
        tag = ModelTag.model_validate_json(errand.settings)
        credentials = await self._read_credentials(registry.namespace, registry.secret_name)
        found = await self._registry.model_tag(registry.url, credentials, registry.model, tag.key)
        # A long value counts as a whole, and is kept in part.
        return found if found is None or len(found) <= 200 else f"{found[:180]}… ({content_hash(found)})"

    async def _newest(self, registry: Registry) -> str | None:
        credentials = await self._read_credentials(registry.namespace, registry.secret_name)
        return await self._registry.newest(registry.url, credentials, registry.model)

    async def _read(self, order: Order) -> Secrets:
        return await self._secrets.read(order.namespace, secrets_of_order(order))
