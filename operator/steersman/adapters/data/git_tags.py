"""Tags of a git repository by the smart HTTP protocol, without git: https://git-scm.com/docs/http-protocol."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from steersman.adapters.transport import Request, Transport, header_value
from steersman.api.retraining import GitTag
from steersman.core.retraining.triggers import natural
from steersman.ports import MetricError, Secrets

TIMEOUT: Final = 15.0
_TAGS: Final = b"refs/tags/"
_PEELED: Final = b"^{}"
SHOWN_DIGITS: Final = 12


class GitTags:
    """Implements steersman.ports.DataSource: the highest tag that matches, as `name@commit`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def look(self, settings: str, secrets: Secrets) -> str | None:
        """The highest tag and what it points to; None without any. Raises MetricError."""
        wanted = GitTag.model_validate_json(settings)
        url = f"{wanted.url.partition('?')[0].rstrip('/')}/info/refs?service=git-upload-pack"
        headers = {"Accept": "application/x-git-upload-pack-advertisement", **_authorization(wanted, secrets)}
        answer = await self._transport.fetch(
            Request(
                "git",
                url,
                TIMEOUT,
                headers=headers,
                tls=self._transport.tls(wanted.tls, secrets),
                too_large="the repository has too many refs",
            )
        )
        if answer.status != 200:
            raise MetricError(f"git at {answer.shown} answered HTTP {answer.status}: is the URL that of a repository?")
        try:
            tags = dict(_tags(answer.body))
        except ValueError:
            raise answer.malformed() from None
        found = [name for name in tags if fnmatchcase(name, wanted.pattern)]
        if not found:
            return None
        highest = max(found, key=lambda name: (natural(name), name))
        return f"{highest}@{tags[highest][:SHOWN_DIGITS]}"


def _authorization(wanted: GitTag, secrets: Secrets) -> dict[str, str]:
    if wanted.credentials is None:
        return {}
    name = wanted.credentials.secret_name
    # Git servers take a token as the password of any user.
    token = secrets.optional(name, "token")
    user, password = ("git", token) if token is not None else (secrets.text(name, "username"), None)
    pair = f"{user}:{password if password is not None else secrets.text(name, 'password')}"
    return {"Authorization": f"Basic {b64encode(header_value(pair, name).encode()).decode()}"}


def _tags(body: bytes) -> Iterator[tuple[str, str]]:
    """Name and commit of each tag; of an annotated one what it points to. Raises ValueError for anything but an advertisement."""
    lines = list(_lines(body))
    if not lines or lines[0].strip() != b"# service=git-upload-pack":
        raise ValueError
    for line in lines[1:]:
        commit, _, ref = line.rstrip(b"\n").partition(b"\0")[0].partition(b" ")
        if ref.startswith(_TAGS):
            # An annotated tag is followed by what it points to, which replaces it.
            yield ref.removeprefix(_TAGS).removesuffix(_PEELED).decode(errors="replace"), commit.decode("ascii")


def _lines(body: bytes) -> Iterator[bytes]:
    """The payloads of pkt-lines; flushes are left out. Raises ValueError."""
    position = 0
    while position < len(body):
        length = int(body[position : position + 4], 16)
        if length == 0:
            position += 4
            continue
        if length < 4 or position + length > len(body):
            raise ValueError
        yield body[position + 4 : position + length]
        position += length
