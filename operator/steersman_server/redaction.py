"""Keeping credentials out of messages."""

import os
import re
from collections.abc import Mapping

_USER_INFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s'\"]*@")
_QUERY = re.compile(r"(?P<url>[a-zA-Z][a-zA-Z0-9+.-]*://[^\s?'\"<>]+)\?[^\s'\"<>)]+")
_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|ACCESS_KEY|USERNAME")


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return `text` without the user information and query of URLs (where signatures are), and without the values of
    the variables of `environment` (default: the process's) whose name says that they are credentials.
    """
    text = _USER_INFO.sub(r"\g<scheme>***@", text)
    text = _QUERY.sub(r"\g<url>?***", text)
    for name, value in (os.environ if environment is None else environment).items():
        if len(value) >= 4 and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return text
