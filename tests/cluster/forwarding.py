"""Carries TCP connections from a loopback port here to an address in a cluster's network namespace.

A socket stays in the namespace in which it was made. So one thread enters the cluster's namespace and makes the
outgoing sockets; everything else happens in the event loop.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import cast

CLONE_NEWNET = 0x40000000
CONNECT_TIMEOUT = 10.0
"""Seconds that the far side may take to accept a connection."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter_network(process: int) -> None:
    """Move the calling thread into the network namespace of `process`."""
    descriptor = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, f"cannot enter the network namespace of process {process}: {os.strerror(code)}")
    finally:
        os.close(descriptor)


class SocketMaker:
    """Makes TCP sockets in the network namespace of a process, or in this one."""

    def __init__(self, process: int | None) -> None:
        self._thread = (
            ThreadPoolExecutor(1, "namespace", initializer=enter_network, initargs=(process,)) if process else None
        )

    async def make(self) -> socket.socket:
        """A TCP socket that is not connected yet and does not block."""
        if self._thread is None:
            return _new_socket()
        return await asyncio.get_running_loop().run_in_executor(self._thread, _new_socket)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)


def _new_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _reset(transport: asyncio.Transport) -> None:
    """End a connection by a reset, as its client would see it end if nothing stood between."""
    carried = transport.get_extra_info("socket")
    if carried is not None and carried.fileno() >= 0:
        carried.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Half(asyncio.Protocol):
    """One side of a carried connection: what it receives, its peer sends."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Half | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.peer is None or self.peer.transport is None or self.peer.transport.is_closing():
            return False
        if self.peer.ended:  # both directions are done: closing flushes what is still to be sent
            self.peer.transport.close()
            return False
        self.peer.transport.write_eof()
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is None or self.peer.transport is None:
            return
        if exc is None:
            self.peer.transport.close()
        else:
            _reset(self.peer.transport)

    def pause_writing(self) -> None:
        other = self.peer.transport if self.peer is not None else None
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self.peer.transport if self.peer is not None else None
        if other is not None and not other.is_closing():
            other.resume_reading()


class _Accepted(_Half):
    """The side that a client opened: reads nothing until the far side is connected."""

    def __init__(self, forwarder: Forwarder) -> None:
        super().__init__()
        self._forwarder = forwarder

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast(asyncio.Transport, transport).pause_reading()
        self._forwarder.begin(self)


class Forwarder:
    """One listening port and the address that its connections are carried to."""

    def __init__(self, sockets: SocketMaker, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._sockets = sockets
        self._server: asyncio.Server | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    async def listen(self, port: int = 0) -> int:
        """Listen on 127.0.0.1:`port` (0: a free one) and return the port. OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Accepted(self), "127.0.0.1", port, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    def begin(self, near: _Half) -> None:
        """Connect the far side for a connection that was just accepted."""
        task = asyncio.get_running_loop().create_task(self._connect(near))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, near: _Half) -> None:
        assert near.transport is not None
        loop = asyncio.get_running_loop()
        made = await self._sockets.make()
        try:
            await asyncio.wait_for(loop.sock_connect(made, (self.host, self.port)), CONNECT_TIMEOUT)
            far = _Half()
            far.peer, near.peer = near, far
            await loop.create_connection(lambda: far, sock=made)
        except (OSError, TimeoutError):
            made.close()
            _reset(near.transport)
            return
        if near.transport.is_closing():
            if far.transport is not None:
                far.transport.close()
            return
        near.transport.resume_reading()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
