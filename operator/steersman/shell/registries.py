"""Polling of model registries: one question per registry and selector, however many ModelDeployments ask it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from steersman.api.conditions import REGISTRY_TROUBLE, Reason
from steersman.core.snapshot import Problem, RegistryAnswer
from steersman.ports import (
    ApiError,
    KubeClient,
    ModelRegistryClient,
    NotFound,
    RegistryCredentials,
    RegistryError,
    VersionSelector,
)
from steersman.shell.aliases import CONFIRM_SECONDS, Alias, AliasWatch
from steersman.shell.queue import Key

logger = logging.getLogger(__name__)

CREDENTIALS_SECONDS = 300.0
"""How long credentials are kept before the Secret is read again; a refusal reads it again at once."""


@dataclass(frozen=True)
class RegistrySource:
    """A registry as a ModelDeployment means it."""

    namespace: str
    """Of the ModelRegistry; empty for the operator's default."""
    name: str
    url: str
    secret_name: str | None = None
    interval: float = 15.0
    """Seconds between two questions."""


_Server = tuple[str, tuple[str, str] | None, float]
"""URL, the Secret with the credentials, interval."""


def _server(source: RegistrySource) -> _Server:
    secret = (source.namespace, source.secret_name) if source.secret_name is not None else None
    return source.url, secret, source.interval


Question = tuple[RegistrySource, VersionSelector]
Answer = RegistryAnswer | Problem
ResultListener = Callable[[RegistrySource, Problem | None], None]
Observer = Callable[[str, float], None]

RESOLVING = Problem(Reason.RESOLVING, "the registry was not asked yet")


class RegistryPoller:
    """Asks registries and remembers their latest answers."""

    def __init__(
        self,
        registry: ModelRegistryClient,
        client: KubeClient,
        enqueue: Callable[[Key], None],
        on_result: ResultListener,
        observe: Observer,
        patience: float = 1.0,
    ) -> None:
        """`on_result` hears of each answer of a registry, with its trouble or None; `observe` gets (outcome, seconds).

        `patience` is how long the first answer to a question is worth waiting for, in seconds.
        """
        self._registry = registry
        self._client = client
        self._enqueue = enqueue
        self._on_result = on_result
        self._observe = observe
        self._askers: dict[Question, set[Key]] = {}
        self._asked: dict[Key, Question] = {}
        self._answers: dict[Question, Answer] = {}
        self._tasks: dict[Question, asyncio.Task[None]] = {}
        self._credentials: dict[tuple[str, str], tuple[float, RegistryCredentials]] = {}
        self._aliases: dict[_Server, tuple[AliasWatch, asyncio.Task[None]]] = {}
        self._questions: Counter[_Server] = Counter()
        self._patience = patience
        self._begun: dict[Question, float] = {}
        """When each question was first asked, on the event loop's clock."""

    def answer(self, key: Key, source: RegistrySource, selector: VersionSelector) -> Answer:
        """The latest answer; from now on the question is asked regularly, until the key asks another or is dropped."""
        question = (source, selector)
        if self._asked.get(key) != question:
            self.drop(key)
            self._asked[key] = question
            self._askers.setdefault(question, set()).add(key)
            if question not in self._tasks:
                self._questions[_server(source)] += 1
                self._begun[question] = asyncio.get_running_loop().time()
                self._tasks[question] = asyncio.create_task(self._poll(question), name=f"poll {selector.model}")
        return self._answers.get(question, RESOLVING)

    def worth_waiting(self, key: Key) -> float | None:
        """How many seconds more the first answer to the key's question is worth waiting for; None when it is there, or late."""
        question = self._asked.get(key)
        if question is None or question in self._answers:
            return None
        left = self._begun[question] + self._patience - asyncio.get_running_loop().time()
        return left if left > 0 else None

    def drop(self, key: Key) -> None:
        """The key asks no more."""
        question = self._asked.pop(key, None)
        if question is None:
            return
        self._askers[question].discard(key)
        if not self._askers[question]:
            del self._askers[question]
            self._answers.pop(question, None)
            del self._begun[question]
            self._tasks.pop(question).cancel()
            self._leave(_server(question[0]))

    def _leave(self, server: _Server) -> None:
        self._questions[server] -= 1
        if not self._questions[server]:
            del self._questions[server]
            _, searching = self._aliases.pop(server, (None, None))
            if searching is not None:
                searching.cancel()

    @property
    def questions(self) -> int:
        """How many questions are asked regularly."""
        return len(self._tasks)

    async def close(self) -> None:
        """Stop asking."""
        tasks = [*self._tasks.values(), *(searching for _, searching in self._aliases.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self, question: Question) -> None:
        source, selector = question
        while True:
            started = asyncio.get_running_loop().time()
            try:
                answer = await self._ask(question)
            except Exception:
                logger.exception("asking registry %s failed in an unexpected way", source.name or "default")
                answer = Problem(
                    Reason.REGISTRY_ERROR, "asking the registry failed in an unexpected way: see the operator's log"
                )
            outcome = answer.reason if isinstance(answer, Problem) else Reason.RESOLVED
            self._observe(str(outcome), asyncio.get_running_loop().time() - started)
            trouble = answer if isinstance(answer, Problem) and answer.reason in REGISTRY_TROUBLE else None
            self._on_result(source, trouble)
            if self._answers.get(question) != answer:
                self._answers[question] = answer
                for key in self._askers.get(question, ()):
                    self._enqueue(key)
            if selector.alias is not None and isinstance(answer, RegistryAnswer):
                await self._watch(source).until_due((selector.model, selector.alias), answer.version)
            elif selector.version is not None and isinstance(answer, RegistryAnswer):
                # What a number names never changes; only the version can be deleted.
                await asyncio.sleep(max(source.interval, CONFIRM_SECONDS) * random.uniform(0.9, 1.1))  # noqa: S311
            else:
                await asyncio.sleep(source.interval * random.uniform(0.9, 1.1))  # noqa: S311

    def _watch(self, source: RegistrySource) -> AliasWatch:
        """The one watch of a registry's aliases, however many namespaces name the registry."""
        server = _server(source)
        if server not in self._aliases:

            async def search(wanted: Collection[Alias]) -> Mapping[Alias, str]:
                credentials = await self.read_credentials(source.namespace, source.secret_name)
                return await self._registry.aliases(source.url, credentials, wanted)

            watch = AliasWatch(search, source.interval, lambda seconds: self._observe(str(Reason.RESOLVED), seconds))
            self._aliases[server] = watch, asyncio.create_task(watch.run(), name=f"aliases of {source.url}")
        return self._aliases[server][0]

    async def _ask(self, question: Question) -> Answer:
        source, selector = question
        try:
            credentials = await self.read_credentials(source.namespace, source.secret_name)
            found = await self._registry.resolve(source.url, credentials, selector)
        except RegistryError as error:
            if error.reason == Reason.REGISTRY_UNAUTHORIZED and source.secret_name is not None:
                self._credentials.pop((source.namespace, source.secret_name), None)
            return Problem(error.reason, str(error))
        return RegistryAnswer(found.version, found.model_id, found.run_id)

    async def read_credentials(self, namespace: str, secret_name: str | None) -> RegistryCredentials | None:
        """A registry's credentials; None when it has none. Raises RegistryError."""
        if secret_name is None:
            return None
        where, now = (namespace, secret_name), asyncio.get_running_loop().time()
        known = self._credentials.get(where)
        if known is not None and now - known[0] < CREDENTIALS_SECONDS:
            return known[1]
        try:
            secret = await self._client.get("v1", "Secret", namespace, secret_name)
        except NotFound:
            raise RegistryError(
                Reason.CREDENTIALS_NOT_FOUND,
                f"there is no Secret {secret_name!r} in namespace {namespace!r}",
            ) from None
        except ApiError as error:
            raise RegistryError(
                Reason.CREDENTIALS_NOT_FOUND, f"Secret {secret_name!r} could not be read (HTTP {error.status})"
            ) from None
        credentials = _credentials(secret.get("data") or {}, secret_name)
        self._credentials[where] = (now, credentials)
        return credentials


def _credentials(data: dict[str, str], name: str) -> RegistryCredentials:
    def value(key: str) -> str | None:
        try:
            return base64.b64decode(data[key], validate=True).decode().strip() if key in data else None
        except (binascii.Error, UnicodeDecodeError):
            raise RegistryError(Reason.CREDENTIALS_NOT_FOUND, f"key {key!r} of Secret {name!r} is not text") from None

    credentials = RegistryCredentials(value("username"), value("password"), value("token"))
    if credentials.token is None and (credentials.username is None or credentials.password is None):
        raise RegistryError(
            Reason.CREDENTIALS_NOT_FOUND, f"Secret {name!r} needs the keys username and password, or token"
        )
    return credentials
