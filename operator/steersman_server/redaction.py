"""Keeping credentials out of messages."""

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_USER_INFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s'\"]*@")
_QUERY = re.compile(r"(?P<url>[a-zA-Z][a-zA-Z0-9+.-]*://[^\s?'\"<>]+)\?[^\s'\"<>)]+")
_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|ACCESS_KEY|USERNAME")


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return `text` without the user information and query of URLs (where signatures are), without the values of the
    variables of `environment` (default: the process's) whose name says that they are credentials, and without the
    passwords of the URLs in it.
    """
    text = _USER_INFO.sub(r"\g<scheme>***@", text)
    text = _QUERY.sub(r"\g<url>?***", text)
    for name, value in (os.environ if environment is None else environment).items():
        secret = value if _SECRET_NAME.search(name) else _password(value)
        if len(secret) >= 4:  # what is shorter would tear words apart
            text = text.replace(secret, "***")
    return text


def _password(value: str) -> str:
    try:
        return (urlsplit(value).password or "") if "://" in value else ""
    except ValueError:
        return ""
