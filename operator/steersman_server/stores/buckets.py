"""What S3 and Google Cloud Storage have in common: a bucket, and objects whose names begin alike."""

from steersman_server.fetch_errors import FetchError, Reason


def split(uri: str) -> tuple[str, str]:
    """``s3://bucket/some/path/`` -> ``bucket``, ``some/path``. Raises FetchError: there is no bucket."""
    scheme, _, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")  # names of objects are taken as they are: nothing in them is escaped
    if not bucket or "@" in bucket:
        raise FetchError(Reason.CONFIGURATION, f"write {scheme}://<bucket>/<path>, without a login")
    return bucket, path.strip("/")


def below(key: str, prefix: str) -> str | None:
    """The object's name below the prefix; empty for the object of that very name, None for one that only begins alike."""
    if key.endswith("/"):  # stands for a folder
        return None
    if not prefix:
        return key
    if key == prefix:
        return ""
    return key.removeprefix(prefix + "/") if key.startswith(prefix + "/") else None
