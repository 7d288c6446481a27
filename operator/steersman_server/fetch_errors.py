"""Why a model could not be fetched, in words and exit codes that say whom to ask."""

import errno
import re
from collections.abc import Iterator
from enum import Enum


class Reason(Enum):
    """Why a fetch failed: the word that the message starts with, and the exit code."""

    OTHER = ("failed", 1)
    CONFIGURATION = ("bad configuration", 2)
    UNREACHABLE = ("unreachable", 10)
    UNAUTHORIZED = ("unauthorized", 11)
    NOT_FOUND = ("not found", 12)
    NOT_A_MODEL = ("no MLmodel", 13)
    DISK_FULL = ("disk full", 14)
    UNSUPPORTED = ("unsupported store", 15)
    DIGEST = ("wrong digest", 16)
    UNSAFE = ("unsafe content", 17)
    PICKLE = ("pickle refused", 18)
    TOO_LARGE = ("too large", 19)

    def __init__(self, word: str, exit_code: int) -> None:
        self.word = word
        self.exit_code = exit_code


class FetchError(Exception):
    """The model could not be fetched, for `reason`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def classify(error: BaseException) -> FetchError:
    """Return what `error`, raised by a store's library or below it, means."""
    if isinstance(error, FetchError):
        return error
    chain = list(_chain(error))
    # MLflow downloads files in threads and passes their exceptions on as text only.
    text = " ".join(str(link) for link in chain)
    return FetchError(_reason(chain, text), _one_line(str(error) or type(error).__name__))


def _reason(chain: list[BaseException], text: str) -> Reason:
    import requests

    if any(isinstance(link, OSError) and link.errno in {errno.ENOSPC, errno.EDQUOT} for link in chain):
        return Reason.DISK_FULL
    if re.search(r"No space left on device|Disk quota exceeded", text):
        return Reason.DISK_FULL
    for status in (*map(_status, chain), _status_in(text)):
        if status in {401, 403}:
            return Reason.UNAUTHORIZED
        if status == 404:
            return Reason.NOT_FOUND
        if status is not None and (status >= 500 or status == 429):
            return Reason.UNREACHABLE
    unreachable = requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError
    if any(isinstance(link, (*unreachable, requests.exceptions.RetryError)) for link in chain):
        return Reason.UNREACHABLE
    if re.search(r"Max retries exceeded|Connection broken|Connection refused|timed out", text):
        return Reason.UNREACHABLE
    if any(isinstance(link, FileNotFoundError | NotADirectoryError) for link in chain):
        return Reason.NOT_FOUND
    if re.search(r"not found|does not exist|No such", text, re.IGNORECASE):
        return Reason.NOT_FOUND
    if any(isinstance(link, ImportError) for link in chain) or "Could not find a registered artifact repo" in text:
        return Reason.UNSUPPORTED
    if any(getattr(link, "error_code", None) == "INVALID_PARAMETER_VALUE" for link in chain):
        return Reason.CONFIGURATION
    return Reason.OTHER


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status code that `error` stands for, if it is one that a server sent."""
    response = getattr(error, "response", None)
    if isinstance(status := getattr(response, "status_code", None), int):
        return status
    match getattr(error, "error_code", None):
        case "UNAUTHENTICATED" | "CUSTOMER_UNAUTHORIZED":
            return 401
        case "PERMISSION_DENIED":
            return 403
        case "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND" | "ENDPOINT_NOT_FOUND":
            return 404
    return None  # MLflow's INTERNAL_ERROR is also its default for what no server said


def _status_in(text: str) -> int | None:
    found = re.search(r"\b([45]\d\d) (?:Client|Server) Error\b|error code ([45]\d\d)\b|too many ([45]\d\d) error", text)
    return int(next(filter(None, found.groups()))) if found else None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 600 else line[:600] + " ..."
