"""Tags of a git repository over HTTP, and resources whose content changes. info-refs.bin is what `git upload-pack` 2.x advertises."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters.data.git_tags import GitTags
from steersman.adapters.data.http_resource import HASHED_BYTES, HttpContent
from steersman.adapters.transport import Transport
from steersman.ports import AccessRefused, MetricError, Secrets

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
ADVERTISED = (Path(__file__).parent / "info-refs.bin").read_bytes()
NONE = Secrets()


def settings(url: str, **more: Any) -> str:
    return json.dumps({"url": url, "pattern": "data-*"} | more)


async def tags(serve: Serve, body: bytes, pattern: str = "data-*", status: int = 200) -> str | None:
    async def git(request: web.Request) -> web.Response:
        assert request.path_qs == "/data.git/info/refs?service=git-upload-pack"
        return web.Response(body=body, status=status)

    transport = Transport()
    try:
        return await GitTags(transport).look(settings(f"{await serve(git)}/data.git/", pattern=pattern), NONE)
    finally:
        await transport.close()


async def test_the_highest_tag_counts_and_an_annotated_one_for_what_it_points_to(serve: Serve) -> None:
    refs = {
        line[4:].split(b"\0")[0].split(b" ")[1].strip(): line[4:44].decode()
        for line in ADVERTISED.split(b"\n")
        if b"refs/tags" in line
    }
    assert await tags(serve, ADVERTISED) == f"data-11@{refs[b'refs/tags/data-11^{}'][:12]}"
    assert refs[b"refs/tags/data-11"] != refs[b"refs/tags/data-11^{}"]
    assert await tags(serve, ADVERTISED, "data-[0-9]") == f"data-9@{refs[b'refs/tags/data-9'][:12]}"
    assert await tags(serve, ADVERTISED, "nothing-*") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"0000",
        b"zzzz",
        ADVERTISED[:100],
        b"0002",
        b"ffff" + b"x",
        b"001e# service=git-receive-pack\n0000",
    ],
)
async def test_what_is_no_advertisement_is_said(body: bytes, serve: Serve) -> None:
    with pytest.raises(MetricError, match="but not as git does"):
        await tags(serve, body)


async def test_a_url_that_is_no_repository(serve: Serve) -> None:
    with pytest.raises(MetricError, match="HTTP 404: is the URL that of a repository"):
        await tags(serve, b"", status=404)
    with pytest.raises(AccessRefused):
        await tags(serve, b"", status=401)


@pytest.mark.parametrize(
    ("secret", "pair"),
    [({"token": b"t0ken"}, "git:t0ken"), ({"username": b"me", "password": b"pass"}, "me:pass")],
)
async def test_git_gets_credentials_as_a_password(secret: dict[str, bytes], pair: str, serve: Serve) -> None:
    seen = []

    async def git(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(body=ADVERTISED)

    transport = Transport()
    wanted = settings(f"{await serve(git)}/data.git", credentials={"secretName": "s"})
    await GitTags(transport).look(wanted, Secrets("risk", {"s": secret}))
    assert seen == [f"Basic {base64.b64encode(pair.encode()).decode()}"]
    await transport.close()


async def test_content_is_compared_and_not_what_the_server_says_of_it(serve: Serve) -> None:
    body, asked = b"outs:\n- md5: a1\n", []

    async def resource(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(body=body, headers={"ETag": f'"{len(asked)}"'})

    transport, url = Transport(), await serve(resource)
    source = HttpContent(transport)
    first = await source.look(settings(f"{url}/x.dvc"), NONE)
    assert first is not None and first.startswith("sha256:")
    assert await source.look(settings(f"{url}/x.dvc"), NONE) == first
    body = b"outs:\n- md5: b2\n"
    assert await source.look(settings(f"{url}/x.dvc"), NONE) != first
    assert asked == ["HEAD", "GET"] * 3
    await transport.close()


async def test_of_a_large_resource_the_etag_is_taken(serve: Serve) -> None:
    tag, asked = '"one"', []

    async def resource(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(body=b"x" * (HASHED_BYTES + 1), headers={"ETag": tag})

    transport, url = Transport(), await serve(resource)
    source = HttpContent(transport)
    first = await source.look(settings(url), NONE)
    assert first is not None and first.startswith("etag:") and asked == ["HEAD"]
    tag = '"two"'
    assert await source.look(settings(url), NONE) != first
    await transport.close()


async def test_a_resource_that_is_not_there_or_knows_no_head(serve: Serve) -> None:
    async def gone(_: web.Request) -> web.Response:
        return web.Response(status=404)

    async def without_head(request: web.Request) -> web.Response:
        return web.Response(status=405 if request.method == "HEAD" else 200, body=b"x")

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=503)

    transport = Transport()
    source = HttpContent(transport)
    assert await source.look(settings(await serve(gone)), NONE) is None
    assert await source.look(settings(await serve(without_head)), NONE) is not None
    with pytest.raises(MetricError, match="HTTP 503"):
        await source.look(settings(await serve(broken)), NONE)
    await transport.close()
