"""A web server on loopback that answers what a test gives it, and remembers what it was asked."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_short: bool = False


class FileServer(http.server.ThreadingHTTPServer):
    """`answer` is called with the path and the headers of each request."""

    def __init__(self, answer: Callable[[str, Mapping[str, str]], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[tuple[str, str | None]] = []
        """Path and authorization of each request."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        answer = self.server.answer(self.path, self.headers)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + (10 if answer.cut_short else 0)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = answer.cut_short

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving(
    answer: Callable[[str, Mapping[str, str]], Answer], certificate: tuple[Path, Path] | None = None
) -> Iterator[FileServer]:
    """Serve while the context lasts; with a certificate and its key by TLS."""
    server = FileServer(answer)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
