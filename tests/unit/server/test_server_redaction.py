"""Credentials in messages."""

import pytest

from steersman_server.redaction import redact


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("get http://user:pw@mlflow:5000/api failed", "get http://***@mlflow:5000/api failed"),
        ("postgresql://u:p@ss@db/x", "postgresql://***@db/x"),
        ("https://token@host", "https://***@host"),
        ("at 'https://b.s3.test/k?X-Amz-Signature=abc&X=1' now", "at 'https://b.s3.test/k?***' now"),
        ("models:/fraud@champion", "models:/fraud@champion"),
        ("models:/fraud/7 from http://mlflow:5000", "models:/fraud/7 from http://mlflow:5000"),
        ("http://mlflow/a mailto:x@y", "http://mlflow/a mailto:x@y"),
    ],
)
def test_urls(text: str, redacted: str) -> None:
    assert redact(text, {}) == redacted


def test_values_of_credentials_in_the_environment() -> None:
    environment = {"MLFLOW_TRACKING_TOKEN": "t0ken-value", "MLFLOW_TRACKING_PASSWORD": "", "MODEL_NAME": "fraud"}
    assert redact("Bearer t0ken-value for fraud", environment) == "Bearer *** for fraud"


def test_password_of_a_url_in_the_environment() -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://ada:p4ssword@mlflow:5000", "BROKEN": "http://[x@y"}
    assert redact("refused p4ssword of ada", environment) == "refused *** of ada"
