"""Delivery by apprise, in a few threads of its own: apprise is synchronous, and a server that hangs must hold up nobody else.

Nothing that apprise, requests or urllib3 log gets anywhere: their lines hold addresses, which are secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from steersman.adapters.http import ForbiddenAddress, check_address
from steersman.adapters.notify.schemas import DEFAULT_SCHEMAS, refusal
from steersman.core.notifications.note import Words
from steersman.ports import NotificationError

if TYPE_CHECKING:
    from apprise import NotifyBase

THREADS: Final = 8
"""Messages that are sent at the same time for all namespaces; the operator's own targets have threads beside these."""
OWNERS_THREADS: Final = 2
"""Messages that are sent at the same time for one namespace."""
SOCKET_SECONDS: Final = 5.0
"""To connect, and between two answers; whatever the URL says."""
SEND_SECONDS: Final = 30.0
"""After which a message counts as not delivered. Its thread, and its owner's turn, are free again when its sockets give up: a server that answers
a byte every 4 s holds them for long.
"""
_STATUS = re.compile(r"\berror=(\d{3})\b")


class AppriseSender:
    """Implements steersman.ports.NotificationSender."""

    def __init__(self, schemas: Iterable[str] = DEFAULT_SCHEMAS) -> None:
        """`schemas` are those that are allowed."""
        self._allowed = frozenset(schema.lower() for schema in schemas)
        # Threads are started when they are needed.
        self._namespaces = ThreadPoolExecutor(THREADS, thread_name_prefix="notify")
        self._own = ThreadPoolExecutor(OWNERS_THREADS, thread_name_prefix="notify-own")
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def send(self, url: str, words: Words, owner: str = "") -> None:
        """Deliver to an apprise URL, which is a secret; see the port. Raises NotificationError."""
        if (why := refusal(url, self._allowed)) is not None:
            raise NotificationError(why, hopeless=True)
        turns = self._turns.setdefault(owner, asyncio.Semaphore(OWNERS_THREADS))
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await turns.acquire()
                await asyncio.wrap_future(self._submit(turns, url, words, self._namespaces if owner else self._own))
        except TimeoutError:
            raise NotificationError(f"it was not taken within {SEND_SECONDS:g} s") from None

    def _submit(self, turns: asyncio.Semaphore, url: str, words: Words, threads: ThreadPoolExecutor) -> Future[None]:
        """The turn ends with the thread's work, not with the patience of who waits for it."""
        loop = asyncio.get_running_loop()

        def over(_: Future[None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(turns.release)

        sending = threads.submit(_deliver, url, words)
        sending.add_done_callback(over)
        return sending

    async def close(self) -> None:
        """Begin no more; what is under way ends by its own time limit."""
        for threads in (self._namespaces, self._own):
            threads.shutdown(wait=False, cancel_futures=True)


def _deliver(url: str, words: Words) -> None:
    """In a thread. Raises NotificationError."""
    # Costs 45 MB and half a second, which who sends no notifications does not pay.
    from apprise import NotifyFormat, NotifyType

    _quieten()
    _seen.status = None
    try:
        target = _target(url)
        if target is None:
            raise NotificationError(
                "apprise does not understand the URL: see its page about this service", hopeless=True
            )
        _check_host(target)
        type_ = {"success": NotifyType.SUCCESS, "warning": NotifyType.WARNING}.get(words.severity, NotifyType.INFO)
        taken = target.notify(body=words.body, title=words.title, notify_type=type_, body_format=NotifyFormat.TEXT)
    except (NotificationError, ForbiddenAddress) as error:
        raise error if isinstance(error, NotificationError) else NotificationError(str(error), hopeless=True) from None
    except Exception as error:
        # Its text may hold the address.
        raise NotificationError(f"apprise gave up ({type(error).__name__})") from None
    if not taken:
        status = _seen.status
        said = f"the service answered HTTP {status}" if status else "the service cannot be reached, or refuses"
        raise NotificationError(said, hopeless=status in ("401", "403", "404"))


def _target(url: str) -> NotifyBase | None:
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    asset = AppriseAsset(
        app_id="Steersman",
        app_desc="Steersman",
        app_url="",
        plugin_paths=[],
        storage_mode=PersistentStoreMode.MEMORY,
        secure_logging=True,
        async_mode=False,
        allow_templates=False,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        default_service_retry=0,
    )
    made: Any = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if made is None:
        return None
    # What the URL says of them could hold a thread for hours, or send the secret on to another host.
    made.redirects = False
    made.retry = 0
    made.socket_connect_timeout = made.socket_read_timeout = SOCKET_SECONDS
    # Matrix: the server would name another one.
    made.discovery = False
    target: NotifyBase = made
    return target


def _check_host(target: NotifyBase) -> None:
    """Refuse addresses that are no service's, such as a cloud's metadata. Raises ForbiddenAddress."""
    for host in {getattr(target, "host", None), getattr(target, "smtp_host", None)}:
        if not host or not isinstance(host, str):
            continue
        host = host.strip("[]")
        check_address(host)
        with contextlib.suppress(OSError, UnicodeError):
            for *_, address in socket.getaddrinfo(host, None):
                _check_found(str(address[0]))


def _check_found(address: str) -> None:
    try:
        check_address(address)
    except ForbiddenAddress:
        # Not what the name stands for: that is the inside of somebody's network.
        raise NotificationError(
            "its name stands for an address that the operator does not ask", hopeless=True
        ) from None


_seen = threading.local()


class _OnlyStatus(logging.Handler):
    """Of everything that apprise logs keeps the HTTP status alone."""

    def emit(self, record: logging.LogRecord) -> None:
        found = _STATUS.search(record.getMessage())
        if found is not None:
            _seen.status = found[1]


_LOGGERS: Final = ("apprise", "requests", "urllib3")


def _quieten() -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.propagate:
            logger.propagate = False
            logger.handlers = [_OnlyStatus() if name == "apprise" else logging.NullHandler()]
            logger.setLevel(logging.WARNING)
