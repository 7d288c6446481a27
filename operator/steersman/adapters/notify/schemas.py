"""Which services notifications may go to, and what of an apprise URL is refused.

Apprise knows more than is safe in an operator that several teams share: the local desktop, syslog, D-Bus, files of its own
machine as templates, keys and attachments.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

DEFAULT_SCHEMAS: Final = (
    *("slack", "workflow", "workflows", "discord", "gchat", "webex", "wxteams", "zulip", "tgram"),
    *("mmost", "mmosts", "rocket", "rockets", "matrix", "matrixs"),
    *("mailto", "mailtos"),
    *("pagerduty", "opsgenie", "victorops", "incidentio", "ilert"),
    *("ntfy", "ntfys", "gotify", "gotifys", "pover"),
    *("json", "jsons", "form", "forms", "xml", "xmls"),
)
"""Schemas that are allowed by default."""

NEVER: Final = frozenset(
    {
        *("syslog", "rsyslog", "dbus", "qt", "glib", "kde", "gio", "gnome", "macosx", "windows", "growl", "blink1"),
        *("smpp", "smpps", "mqtt", "mqtts", "amqp", "amqps", "irc", "ircs", "xmpp", "xmpps"),
        *("fcm", "vapid"),
    }
)
"""Schemas that no setting allows: of the local machine, of long-lived connections, or with keys in local files."""

_SCHEMA = re.compile(r"^([a-z0-9]{1,32})://", re.IGNORECASE)
_READS_FILES: Final = frozenset(
    {"template", "tokens", "keyfile", "subfile", "attach", "attach-as", "pgp", "pgpkey", "pem"}
)
"""Parameters that name a file, or another URL to be read."""
_LIMIT: Final = 8192


def refusal(url: str, allowed: frozenset[str]) -> str | None:
    """Why this URL is not used; None when it may be. Says nothing of what stands in it but its schema."""
    if len(url) > _LIMIT or not url.isprintable() or " " in url:
        return "the Secret's key does not hold one apprise URL"
    found = _SCHEMA.match(url)
    if found is None:
        return "the Secret's key does not hold an apprise URL: it begins with a schema, such as slack:// or mailtos://"
    schema = found[1].lower()
    if schema in NEVER or schema not in allowed:
        # A word that nobody knows as a schema may be a part of the secret.
        known = schema if schema in NEVER or schema in DEFAULT_SCHEMAS else "this"
        return f"{known} is not a schema that the operator allows for notifications"
    try:
        names = {name.lower().lstrip("+-:") for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    except ValueError:
        return "the Secret's key does not hold an apprise URL that can be read"
    if forbidden := sorted(names & _READS_FILES):
        return f"the parameter {forbidden[0]} of an apprise URL is not allowed: it reads files"
    return None
