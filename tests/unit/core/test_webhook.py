"""Deliveries of webhooks: what is taken for one, by hostile input too."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.webhooks.constants import WEBHOOK_DELIVERY_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER
from mlflow.webhooks.delivery import _generate_hmac_signature

from steersman.core.webhook import (
    DELIVERY_ID,
    SIGNATURE,
    TIMESTAMP,
    TOLERANCE,
    Envelope,
    News,
    Replays,
    Result,
    is_signed,
    is_timely,
    read_envelope,
    read_news,
)

NOW = 1_700_000_000.0
SECRET = b"a-secret-of-enough-bytes"
BODY = json.dumps({"entity": "model_version_alias", "action": "created", "data": {"name": "fraud"}}).encode()


def sign(body: bytes = BODY, delivery: str = "d-1", timestamp: str = "1700000000", secret: bytes = SECRET) -> str:
    signed = f"{delivery}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def headers(**changes: str) -> dict[str, str]:
    made = {DELIVERY_ID: "d-1", TIMESTAMP: "1700000000", SIGNATURE: sign()}
    return made | {{"id": DELIVERY_ID, "at": TIMESTAMP, "signature": SIGNATURE}[key]: v for key, v in changes.items()}


def envelope(**changes: str) -> Envelope:
    found = read_envelope(headers(**changes))
    assert found is not None
    return found


def test_what_mlflow_signs_is_taken() -> None:
    assert (WEBHOOK_DELIVERY_ID_HEADER, WEBHOOK_TIMESTAMP_HEADER, WEBHOOK_SIGNATURE_HEADER) == (
        DELIVERY_ID,
        TIMESTAMP,
        SIGNATURE,
    )
    text = '{"data": {"name": "mod\\u00e8le \u00fc"}}'
    signature = _generate_hmac_signature(SECRET.decode(), "d-1", "1700000000", text)
    assert is_signed(envelope(signature=signature), text.encode(), [SECRET])


def test_everything_that_is_signed_counts() -> None:
    assert is_signed(envelope(), BODY, [SECRET])
    assert not is_signed(envelope(id="d-2"), BODY, [SECRET])
    assert not is_signed(envelope(at="1700000001"), BODY, [SECRET])
    assert not is_signed(envelope(), BODY + b" ", [SECRET])
    assert not is_signed(envelope(), BODY, [SECRET + b"x"])
    assert not is_signed(envelope(), BODY, [])
    assert not is_signed(envelope(signature=sign(secret=b"")), BODY, [SECRET])


def test_one_of_several_signatures_is_enough() -> None:
    assert is_signed(envelope(signature=f"{sign(secret=b'old')} {sign()}"), BODY, [SECRET])
    assert is_signed(envelope(), BODY, [b"another", SECRET])


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": "x" * 129},
        {"id": "d\n1"},
        {"id": "d\u00e9"},
        {"at": ""},
        {"at": "-1"},
        {"at": "1e9"},
        {"at": "nan"},
        {"at": "1700000000.5"},
        {"at": "\u0661\u0667"},
        {"at": "9" * 13},
        {"signature": ""},
        {"signature": "v1"},
        {"signature": "v1,"},
        {"signature": "v2," + "A" * 43 + "="},
        {"signature": "v1," + "A" * 44 + "=="},
        {"signature": "v1," + "!" * 44},
        {"signature": "v1," + "\u00e9" * 44},
    ],
)
def test_what_is_no_delivery(changes: dict[str, str]) -> None:
    assert read_envelope(headers(**changes)) is None


@given(st.text(max_size=200), st.text(max_size=30), st.text(max_size=300), st.binary(max_size=200))
def test_nothing_unsigned_is_taken(delivery: str, timestamp: str, signature: str, body: bytes) -> None:
    found = read_envelope({DELIVERY_ID: delivery, TIMESTAMP: timestamp, SIGNATURE: signature})
    assert found is None or not is_signed(found, body, [SECRET])


@given(st.integers(0, 5), st.integers(0, 255), st.integers(0, 10_000))
def test_a_changed_signature_is_wrong(_: int, value: int, place: int) -> None:
    digest = bytearray(base64.b64decode(sign().partition(",")[2]))
    was, digest[place % 32] = digest[place % 32], value
    changed = envelope(signature=f"v1,{base64.b64encode(bytes(digest)).decode()}")
    assert is_signed(changed, BODY, [SECRET]) == (was == value)


def test_deliveries_are_of_now() -> None:
    for seconds, timely in ((0, True), (TOLERANCE, True), (-TOLERANCE, True), (TOLERANCE + 1, False), (-301, False)):
        assert is_timely(envelope(), NOW + seconds) is timely
    assert not is_timely(envelope(at="0"), NOW)
    assert not is_timely(envelope(at="9" * 12), NOW)


@pytest.mark.parametrize(
    ("document", "news"),
    [
        ({"entity": "model_version", "action": "created", "data": {"name": "fraud", "version": "1"}}, News("fraud")),
        ({"entity": "registered_model", "action": "created", "data": {"name": "a b's"}}, News("a b's")),
        ({"entity": "prompt", "action": "created", "data": {"name": "fraud"}}, News(None)),
        ({"entity": "something", "data": {}}, News(None)),
        ({"entity": "model_version", "data": {}}, None),
        ({"entity": "model_version", "data": {"name": ""}}, None),
        ({"entity": "model_version", "data": {"name": "x" * 257}}, None),
        ({"entity": "model_version", "data": {"name": ["fraud"]}}, None),
        ({"entity": "model_version", "data": "name"}, None),
        ({"entity": ["model_version"], "data": {"name": "fraud"}}, None),
        ({"data": {"name": "fraud"}}, None),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_what_a_delivery_is_about(document: Any, news: News | None) -> None:
    assert read_news(json.dumps(document).encode()) == news


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"entity": NaN}'])
def test_bodies_that_do_not_read(body: bytes) -> None:
    assert read_news(body) is None


def test_a_delivery_is_taken_once() -> None:
    replays, here, there = Replays(most=2), ("risk", "mlflow"), ("shop", "mlflow")
    assert replays.refusal(here, envelope(), NOW) is None
    replays.accepted(here, envelope())
    assert replays.refusal(here, envelope(), NOW + TOLERANCE) is Result.REPLAYED
    assert replays.refusal(there, envelope(), NOW) is None, "registries have nothing to do with each other"
    replays.accepted(here, envelope(id="d-2"))
    assert replays.refusal(here, envelope(id="d-3"), NOW) is Result.TOO_MANY
    assert replays.refusal(here, envelope(id="d-3"), NOW + TOLERANCE + 1) is None, "older ones are stale by now"
    replays.accepted(here, envelope(id="d-3"))
    replays.forget(here, envelope(id="d-3"))
    assert replays.refusal(here, envelope(id="d-3"), NOW) is None


def test_an_id_is_remembered_for_as_long_as_its_time_is_good() -> None:
    replays, registry = Replays(), ("", "")
    early = envelope(at=str(int(NOW + TOLERANCE)))
    replays.accepted(registry, early)
    last = NOW + 2 * TOLERANCE
    assert is_timely(early, last) and replays.refusal(registry, early, last) is Result.REPLAYED
    assert not is_timely(early, last + 1)
