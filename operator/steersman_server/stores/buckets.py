"""What S3 and Google Cloud Storage have in common: a bucket, and objects whose names begin alike."""

from urllib.parse import unquote, urlsplit

from steersman_server.fetch_errors import FetchError, Reason


def split(uri: str) -> tuple[str, str]:
    """``s3://bucket/some/path/`` -> ``bucket``, ``some/path``. Raises FetchError: there is no bucket."""
    url = urlsplit(uri)
    if not url.netloc or "@" in url.netloc:
        raise FetchError(Reason.CONFIGURATION, f"write {url.scheme}://<bucket>/<path>, without a login")
    return url.netloc, unquote(url.path).strip("/")


def below(key: str, prefix: str) -> str | None:
    """The object's name below the prefix; empty for the object of that very name, None for one that only begins alike."""
    if key.endswith("/"):  # stands for a folder
        return None
    if not prefix:
        return key
    if key == prefix:
        return ""
    return key.removeprefix(prefix + "/") if key.startswith(prefix + "/") else None
