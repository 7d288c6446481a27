"""Delivery by apprise, to real servers on this machine; and that an address is told nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from steersman.adapters.notify import targets
from steersman.adapters.notify.schemas import DEFAULT_SCHEMAS, NEVER, refusal
from steersman.adapters.notify.targets import AppriseSender
from steersman.core.notifications import Words
from steersman.ports import NotificationError

WORDS = Words("fraud: Promoted", "fraud-v2-a has all traffic <b>&", "success")
MARK = "Mark3rOfTheSecret"


@dataclass
class Web:
    """A server that notes what it is sent."""

    status: int = 200
    location: str = ""
    delay: float = 0.0
    port: int = 0
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.got.append((self.path, dict(self.headers), body))
            time.sleep(made.delay)
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            made.got.append((f"GET {self.path}", {}, b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.port = server.server_port
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
async def sender() -> Any:
    made = AppriseSender()
    yield made
    await made.close()


async def test_a_webhook_gets_title_body_and_severity(web: Web, sender: AppriseSender) -> None:
    await sender.send(f"json://user:{MARK}@127.0.0.1:{web.port}/hook?+X-Team=risk", WORDS)
    ((path, headers, body),) = web.got
    sent = json.loads(body)
    assert path.rstrip("/") == "/hook"
    assert (sent["title"], sent["message"], sent["type"]) == (WORDS.title, WORDS.body, "success")
    assert headers["X-Team"] == "risk"
    assert headers["Authorization"].startswith("Basic ")


async def test_slack_gets_what_its_incoming_webhooks_take(
    web: Web, sender: AppriseSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, markup made harmless."""
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{web.port}/services")
    await sender.send("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23models", WORDS)
    ((path, _, body),) = web.got
    assert path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    text = body.decode()
    assert "&lt;b&gt;&amp;" in text
    assert "<b>" not in text
    assert "fraud: Promoted" in text


async def test_mattermost_gets_its_webhook(web: Web, sender: AppriseSender) -> None:
    await sender.send(f"mmost://127.0.0.1:{web.port}/3ccdd113474722377935511fc85d3dd4", WORDS)
    ((path, _, body),) = web.got
    assert path == "/hooks/3ccdd113474722377935511fc85d3dd4"
    assert "has all traffic" in json.loads(body)["text"]


async def test_teams_gets_an_adaptive_card(web: Web, sender: AppriseSender, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    asked: list[str] = []

    def post(url: str, **arguments: Any) -> requests.Response:
        asked.append(url)
        return requests.request(  # noqa: S113  apprise gives one
            "POST", f"http://127.0.0.1:{web.port}/teams", **arguments
        )

    monkeypatch.setattr("apprise.plugins.workflows.requests.post", post)
    await sender.send(f"workflows://prod-1.westeurope.logic.azure.com:443/{'a' * 32}/{MARK}", WORDS)
    assert asked and asked[0].startswith("https://prod-1.westeurope.logic.azure.com")
    ((_, _, body),) = web.got
    (card,) = json.loads(body)["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "has all traffic" in json.dumps(card)


class _Smtp(StreamRequestHandler):
    """As much of RFC 5321 as a client that sends one message needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                data = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    data += line
                self.server.got.append(data)  # type: ignore[attr-defined]
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


async def test_an_e_mail_has_one_subject_and_a_plain_body(sender: AppriseSender) -> None:
    server = ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    server.got = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        port = server.server_address[1]
        await sender.send(f"mailto://127.0.0.1:{port}/?from=ops@example.org&to=team@example.org&mode=insecure", WORDS)
    finally:
        server.shutdown()
        server.server_close()
    mail = message_from_bytes(server.got[0])  # type: ignore[attr-defined]
    assert str(make_header(decode_header(mail["Subject"]))) == WORDS.title
    assert "team@example.org" in mail["To"]
    assert b"has all traffic" in server.got[0]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- what is not done


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("syslog://", "syslog is not a schema"),
        ("dbus://", "dbus is not a schema"),
        ("apprise://host/x", "this is not a schema"),
        (f"{MARK}://host", "this is not a schema"),
        (MARK, "begins with a schema"),
        ("json://a json://b", "one apprise URL"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template=/etc/passwd", "parameter template"),
        ("workflows://h/w/s?Template=file:///etc/passwd", "parameter template"),
        ("mailto://u:p@example.org?pgp=yes&pgpkey=/etc/passwd", "parameter pgp"),
        ("json://h?attach=file:///etc/passwd", "parameter attach"),
        ("json://169.254.169.254/latest", "169.254.169.254 is an address that the operator does not ask"),
        ("json://[fe80::1]/x", "fe80::1 is an address"),
        ("json://[::ffff:169.254.169.254]/x", "169.254.169.254 is an address"),
        ("json://2852039166/x", "its name stands for an address that the operator does not ask"),
        ("gotify://0xA9FEA9FE/tokentokentoke", "its name stands for an address"),
        ("mailto://u:p@example.org?smtp=169.254.169.254&to=a@example.org", "169.254.169.254"),
        ("slack://nonsense", "apprise does not understand the URL"),
    ],
)
async def test_urls_that_are_refused(url: str, said: str, sender: AppriseSender) -> None:
    with pytest.raises(NotificationError, match=said) as caught:
        await sender.send(url, WORDS)
    assert caught.value.hopeless
    assert MARK.lower() not in str(caught.value).lower()


def test_every_allowed_schema_is_known_to_apprise_and_none_of_them_is_dangerous() -> None:
    from apprise.manager_plugins import NotificationManager

    known = set(NotificationManager().schemas())
    assert set(DEFAULT_SCHEMAS) <= known
    assert not NEVER & set(DEFAULT_SCHEMAS)
    assert all(refusal(f"{schema}://x", frozenset(NEVER)) is not None for schema in NEVER)


async def test_a_name_that_stands_for_a_metadata_service_is_refused_and_not_told(
    sender: AppriseSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, port: object) -> list[Any]:
        return [(2, 1, 6, "", ("203.0.113.7", 0)), (2, 1, 6, "", ("169.254.169.254", 0))]

    monkeypatch.setattr(targets.socket, "getaddrinfo", look_up)
    with pytest.raises(NotificationError, match="stands for an address") as caught:
        await sender.send(f"json://{MARK}.example.org/x", WORDS)
    assert "169.254" not in str(caught.value)
    assert MARK.lower() not in str(caught.value).lower()


def test_a_matrix_server_cannot_send_the_message_elsewhere() -> None:
    made: Any = targets._target("matrixs://user:pass@matrix.example.org/%23room?discovery=yes")
    assert made.discovery is False
    assert made.redirects is False


def test_an_operator_that_sends_nothing_does_not_load_apprise() -> None:
    code = "import sys, steersman.shell.app; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_redirect_is_not_followed_whatever_the_url_says(web: Web, sender: AppriseSender) -> None:
    web.status, web.location = 302, f"http://127.0.0.1:{web.port}/elsewhere"
    with pytest.raises(NotificationError, match="HTTP 302"):
        await sender.send(f"json://127.0.0.1:{web.port}/hook?redirect=yes", WORDS)
    assert [path for path, _, _ in web.got] == ["/hook"]


async def test_a_server_that_hangs_holds_up_neither_the_loop_nor_the_others(
    web: Web, sender: AppriseSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "SOCKET_SECONDS", 0.3)
    web.delay = 1.0
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticking = asyncio.create_task(tick())
    started = time.monotonic()
    with pytest.raises(NotificationError):
        await sender.send(f"json://127.0.0.1:{web.port}/hook?rto=3600&retry=5&wait=60", WORDS)
    ticking.cancel()
    assert time.monotonic() - started < 3.0
    assert ticks > 5
    assert len(web.got) == 1


async def test_a_namespace_whose_servers_hang_holds_up_no_other(
    web: Web, sender: AppriseSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "SEND_SECONDS", 0.2)
    web.delay = 1.0
    url = f"json://127.0.0.1:{web.port}/hook"
    for said in ("not taken within",) * 3:
        with pytest.raises(NotificationError, match=said):
            await sender.send(url, WORDS, "bad")
    assert len(web.got) == targets.OWNERS_THREADS, (
        "its third had no turn, although nobody waits for the first two any more"
    )
    web.delay = 0.0
    for owner in ("good", ""):
        await sender.send(url, WORDS, owner)
    assert len(web.got) == targets.OWNERS_THREADS + 2


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_a_secret_gets_into_no_log_and_no_error(
    status: int, web: Web, sender: AppriseSender, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the operator's log at DEBUG: a handler of the root. (caplog also listens where nothing reaches the root.)
    root = logging.getLogger()
    handler = logging.StreamHandler()
    root.addHandler(handler)
    monkeypatch.setattr(root, "level", logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "apprise", "requests"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
        logging.getLogger(name).manager._clear_cache()  # type: ignore[attr-defined]
    logging.getLogger("steersman").debug("the log works")
    web.status = status
    errors = []
    for url in (
        f"json://user:{MARK}@127.0.0.1:{web.port}/{MARK}?+X-Key={MARK}",
        f"mmost://127.0.0.1:{web.port}/{MARK}{'3' * 20}",
        f"json://user:{MARK}@127.0.0.1:1/{MARK}",
        f"json://{MARK}.invalid/{MARK}",
    ):
        try:
            await sender.send(url, WORDS)
        except NotificationError as error:
            errors.append(str(error))
    root.removeHandler(handler)
    out = capfd.readouterr()
    everything = "\n".join([out.out, out.err, *errors])
    assert "the log works" in everything
    assert MARK.lower() not in everything.lower()
    assert len(errors) == (2 if status == 200 else 4)
    if status != 200:
        assert errors[0] == f"the service answered HTTP {status}"
