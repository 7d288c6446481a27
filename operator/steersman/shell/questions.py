"""Questions of plans that take a while: what the registry knows of a version, and what pods answer to golden requests."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from steersman.api.conditions import Reason
from steersman.core.gates.facts import Missing, Needs, Unknown, VersionFacts
from steersman.core.gates.golden import NONE, Exchange, Exchanges, SamplesError, parse_samples
from steersman.core.gates.questions import Answer, Answers, FactsQuestion, GoldenQuestion, LineageQuestion, Question
from steersman.ports import ModelRegistryClient, RegistryError, Replay, ReplayError
from steersman.shell.credentials import RegistrySecrets
from steersman.shell.queue import Key
from steersman.shell.registries import RegistrySource

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 15.0
"""Until golden requests that were not answered are sent again."""
LINEAGE_AGAIN_SECONDS: Final = 600.0
"""Until a version whose lineage could not be read is asked for again."""
LINEAGES_AT_ONCE: Final = 2
"""Lineages that are read at the same time, so that an operator that begins with many versions leaves its registry time for the rest."""
MAX_SAMPLES_BYTES: Final = 1024 * 1024


class QuestionDesk:
    """Asks what plans ask, in the background, for as long as they ask it."""

    def __init__(
        self,
        registry: ModelRegistryClient,
        secrets: RegistrySecrets,
        replay: Replay,
        enqueue: Callable[[Key], None],
        again: float = AGAIN_SECONDS,
    ) -> None:
        """`again` is in seconds."""
        self._registry = registry
        self._secrets = secrets
        self._replay = replay
        self._enqueue = enqueue
        self._again = again
        self._lineages = asyncio.Semaphore(LINEAGES_AT_ONCE)
        self._sources: dict[Key, RegistrySource] = {}
        self._tasks: dict[Key, dict[Question, asyncio.Task[None]]] = defaultdict(dict)
        self._answers: dict[Key, dict[Question, Answer]] = defaultdict(dict)

    def answers(self, key: Key, source: RegistrySource) -> Answers:
        """The answers so far; another registry is asked anew."""
        if self._sources.get(key) != source:
            self.drop(key)
            self._sources[key] = source
        return dict(self._answers[key]) if key in self._answers else {}

    def submit(self, key: Key, questions: Sequence[Question]) -> None:
        """Ask these from now on, and no others."""
        for question in [asked for asked in self._tasks.get(key, ()) if asked not in questions]:
            self._tasks[key].pop(question).cancel()
            self._answers[key].pop(question, None)
        source = self._sources.get(key)
        if source is None:
            return
        for question in questions:
            if question not in self._tasks[key]:
                work = self._run(key, source, question)
                self._tasks[key][question] = asyncio.create_task(work, name=f"question of {key[0]}/{key[1]}")

    def drop(self, key: Key) -> None:
        """Nobody asks for this key any more."""
        for task in self._tasks.pop(key, {}).values():
            task.cancel()
        self._answers.pop(key, None)
        self._sources.pop(key, None)

    async def close(self) -> None:
        """Cancel what is under way."""
        tasks = [task for tasks in self._tasks.values() for task in tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._replay.close()

    async def _run(self, key: Key, source: RegistrySource, question: Question) -> None:
        answer: Answer | None = None
        while True:
            before = answer
            answer = await self._ask(key, source, question, before)
            if answer != before:
                self._answers[key][question] = answer
                self._enqueue(key)
            if _is_final(question, answer):
                return
            pauses = {FactsQuestion: source.interval, GoldenQuestion: self._again}
            pause = pauses.get(type(question), LINEAGE_AGAIN_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311

    async def _ask(self, key: Key, source: RegistrySource, question: Question, before: Answer | None) -> Answer:
        try:
            if isinstance(question, FactsQuestion):
                return await self._facts(source, question, before)
            if isinstance(question, LineageQuestion):
                async with self._lineages:
                    return await self._read(source, question, Needs(run=True))
            return await self._golden(key, source, question)
        except RegistryError as error:
            if error.reason == Reason.REGISTRY_UNAUTHORIZED:
                self._secrets.forget(source.namespace, source.secret_name)
            if error.reason == Reason.VERSION_NOT_FOUND:
                return Missing(str(error))
            return Unknown(str(error))
        except Exception:
            logger.exception("a question could not be asked")
            return Unknown("it could not be asked in an unexpected way: see the operator's log")

    async def _facts(self, source: RegistrySource, question: FactsQuestion, before: Answer | None) -> Answer:
        known = before if isinstance(before, VersionFacts) else None
        needs = question.needs if known is None else still_needed(question.needs, known)
        read = await self._read(source, question, needs)
        return read if known is None else _with_known(read, known, needs)

    async def _read(
        self, source: RegistrySource, question: FactsQuestion | LineageQuestion, needs: Needs
    ) -> VersionFacts:
        credentials = await self._secrets.read(source.namespace, source.secret_name)
        return await self._registry.facts(source.url, credentials, question.model, question.version, needs)

    async def _golden(self, key: Key, source: RegistrySource, question: GoldenQuestion) -> Answer:
        credentials = await self._secrets.read(source.namespace, source.secret_name)
        where = (source.url, credentials, question.model, question.version, question.samples)
        text = await self._registry.file(*where, MAX_SAMPLES_BYTES)
        if text is None:
            return Missing(
                f"the version's artifact has no file {question.samples}: log the model with an input example"
            )
        try:
            samples = parse_samples(text)
        except SamplesError as error:
            return Missing(f"{question.samples}: {error}")
        exchanges = []
        try:
            for sample in samples:
                how = (question.path, sample.body, question.timeout)
                candidate = await self._replay.send(key[0], question.candidate, *how)
                stable = NONE
                if question.stable is not None:
                    stable = await self._replay.send(key[0], question.stable, *how)
                exchanges.append(Exchange(candidate, stable, sample.expected))
        except ReplayError as error:
            return Unknown(str(error))
        return Exchanges(tuple(exchanges))


def _is_final(question: Question, answer: Answer) -> bool:
    """Whether asking again would tell nothing new."""
    if isinstance(question, FactsQuestion):
        return False
    return not isinstance(answer.run if isinstance(answer, VersionFacts) else answer, Unknown)


def still_needed(needs: Needs, known: VersionFacts) -> Needs:
    """What must be read again: runs and tags change, files of an artifact do not."""
    return Needs(
        run=needs.run,
        model_file=needs.model_file and isinstance(known.model_file, Missing | Unknown),
        python=needs.python and isinstance(known.python_version, Missing | Unknown),
        requirements=needs.requirements and isinstance(known.requirements, Missing | Unknown),
        digests=frozenset(path for path in needs.digests if isinstance(known.digests.get(path), Unknown | None)),
    )


def _with_known(read: VersionFacts, known: VersionFacts, asked: Needs) -> VersionFacts:
    return replace(
        read,
        model_file=read.model_file if asked.model_file or asked.python else known.model_file,
        python_version=read.python_version if asked.python else known.python_version,
        requirements=read.requirements if asked.requirements else known.requirements,
        digests={**known.digests, **read.digests},
    )
