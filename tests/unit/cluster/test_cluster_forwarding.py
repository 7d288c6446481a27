"""Connections are carried byte for byte, in both directions, however they end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster.forwarding import Forwarder, SocketMaker


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that answers each piece it gets, and says goodbye after the end of its input."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write(b"bye")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def carried(echo: int) -> AsyncIterator[int]:
    forwarder = Forwarder(SocketMaker(None), "127.0.0.1", echo)
    yield await forwarder.listen()
    forwarder.close()


async def test_what_is_sent_comes_back(carried: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", carried)
    for number in range(50):
        writer.write(b"%05d" % number)
        assert await reader.readexactly(5) == b"%05d" % number
    writer.close()


async def test_one_direction_may_end_before_the_other(carried: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", carried)
    writer.write(b"hello")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"hellobye"
    writer.close()


async def test_much_is_carried_whole(carried: int) -> None:
    sent = bytes(range(256)) * 16384  # 4 MiB, more than the buffers on the way
    reader, writer = await asyncio.open_connection("127.0.0.1", carried)

    async def send() -> None:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    got = await asyncio.wait_for(reader.read(), 20)
    await sending
    assert got == sent + b"bye"
    writer.close()


async def test_many_connections_at_once(carried: int) -> None:
    async def one(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", carried)
        writer.write(b"%d" % number)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    answers = await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(200))), 20)
    assert answers == [b"%dbye" % number for number in range(200)]


async def test_connections_do_not_pile_up(carried: int) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", carried)
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) <= before + 1


async def test_a_refused_connection_is_reset() -> None:
    unused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    forwarder = Forwarder(SocketMaker(None), "127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", await forwarder.listen())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    forwarder.close()


async def test_a_port_that_is_taken_is_refused(echo: int) -> None:
    forwarder = Forwarder(SocketMaker(None), "127.0.0.1", 1)
    with pytest.raises(OSError, match="address already in use"):
        await forwarder.listen(echo)
