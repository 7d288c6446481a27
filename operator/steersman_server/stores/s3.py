"""``s3://bucket/path``: every object below the path, or one object, which is unpacked if it is an archive.

Environment: what boto3 reads (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, a web identity, ...),
and AWS_ENDPOINT_URL for a store other than Amazon's; MLFLOW_S3_ENDPOINT_URL stands for it too.
"""

import logging
import os
from pathlib import Path, PurePosixPath
from typing import Any

from steersman_server import digest
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import buckets, unpack
from steersman_server.stores.order import Order, inside

PAGE = 1000
"""Objects that the store lists at once; it gives no more."""


def download(order: Order) -> Path:
    """Download the objects; boto3 retries each and checks the checksums that the store has."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = buckets.split(order.uri)
    try:
        return _download(_client(), bucket, prefix, order)
    except (BotoCoreError, ClientError) as error:
        raise _meaning(error) from error


def _download(client: Any, bucket: str, prefix: str, order: Order) -> Path:
    files: dict[str, str] = {}
    for page in client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
    ):
        for found in page.get("Contents", ()):
            name = buckets.below(found["Key"], prefix)
            if name is not None:
                order.budget.add_file()
                order.budget.add_bytes(found["Size"])
                files[name] = found["Key"]
    if not files:
        raise FetchError(Reason.NOT_FOUND, f"there is no object below s3://{bucket}/{prefix}")
    if "" in files:  # an object of that very name
        file = order.destination.with_name("download")
        client.download_file(bucket, files[""], str(file))
        if order.sha256:
            digest.check(order.sha256, digest.file_digest(file), "the object")
        return unpack.deliver(file, PurePosixPath(prefix).name, order)
    for name, key in files.items():
        client.download_file(bucket, key, str(inside(order.destination, name)))
    if order.sha256:
        digest.check(order.sha256, digest.tree_digest(order.destination), "the objects")
    return order.destination


def _client() -> Any:
    from boto3.session import Session
    from botocore.config import Config

    logging.getLogger("botocore").setLevel(logging.WARNING)  # says at each start where the credentials are from
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL")
    endpoint = next((os.environ[name] for name in names if os.environ.get(name)), None)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=10,
        read_timeout=60,
        # Another store than Amazon's rarely has a DNS name for each bucket.
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    if endpoint and not region:
        region = "us-east-1"
    return Session().client("s3", endpoint_url=endpoint, region_name=region, config=config)


def _meaning(error: Exception) -> FetchError:
    from botocore import exceptions as known

    if isinstance(error, known.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        said = f"the store answers {status} {code}"
        if status in {401, 403}:
            return FetchError(Reason.UNAUTHORIZED, f"{said}: check the credentials and what they may read")
        if status == 404:
            return FetchError(Reason.NOT_FOUND, said)
        return FetchError(Reason.UNREACHABLE if status >= 500 or status == 429 else Reason.OTHER, said)
    if isinstance(error, known.NoCredentialsError | known.PartialCredentialsError | known.TokenRetrievalError):
        return FetchError(Reason.UNAUTHORIZED, "there are no AWS credentials: give AWS_ACCESS_KEY_ID and the like")
    if isinstance(error, known.HTTPClientError | known.ConnectionError | known.IncompleteReadError):
        return FetchError(Reason.UNREACHABLE, f"the store does not answer: {type(error).__name__}")
    return FetchError(Reason.CONFIGURATION, f"{type(error).__name__}: {error}")
