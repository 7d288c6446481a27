"""``python -m steersman_server.fetch``: download a model into a directory; the pod's init container.

Environment: MODEL_URI (see `steersman_server.stores`: ``models:/<name>/<version>``, ``s3://``, ``gs://``, ``https://``,
``pvc://``, ``oci://``, or any artifact URI that MLflow knows), MODEL_DIR (default /model), MLFLOW_TRACKING_URI and whatever
else the store's library reads, such as MLFLOW_TRACKING_TOKEN, and `steersman_server.fetch_settings`.

The model ends up in ``MODEL_DIR/model``, whole or not at all: it is downloaded beside it and renamed. A second run for
the same URI downloads nothing, so a URI has to stand for one thing; an alias does not.

A failure is one line on standard error and in the pod's termination log; exit codes are those of
`steersman_server.fetch_errors.Reason`.
"""

import gc
import hashlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from steersman_server import logs, pickles, stores, termination
from steersman_server.cache import Cache
from steersman_server.defaults import set_defaults
from steersman_server.digest import SOURCE_FILE
from steersman_server.fetch_errors import FetchError, Reason, classify
from steersman_server.fetch_settings import FetchSettings, PicklePolicy
from steersman_server.model import MLMODEL
from steersman_server.redaction import redact
from steersman_server.stores.order import Budget, Order

_logger = logging.getLogger("steersman_server.fetch")

_TEMPORARY = ".fetch-"
_WHERE = (
    "MLFLOW_TRACKING_URI",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "MLFLOW_S3_ENDPOINT_URL",
    "STORAGE_EMULATOR_HOST",
)
"""Variables without which a URI does not say where the model comes from."""


def fetch(uri: str, model_dir: Path, settings: FetchSettings | None = None) -> Path:
    """Make ``model_dir/model`` (`FetchSettings.target`) the model at `uri` and return that path.

    Raises `FetchError`; what was in ``model_dir/model`` is then still there.
    """
    settings = settings or FetchSettings()
    target = model_dir / settings.target
    source = _hashed(*filter(None, (uri, settings.sha256, settings.subpath)))
    if _source(target) == source:
        _logger.info("The model is already there", extra={"fields": {"directory": str(target)}})
        return target
    temporary = None
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        for left_over in model_dir.glob(f"{_TEMPORARY}*"):  # of a fetch that was killed
            shutil.rmtree(left_over)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=model_dir))
        downloaded = _obtain(uri, temporary / "new", settings) / settings.subpath
        if not downloaded.is_dir():
            raise FetchError(Reason.NOT_FOUND, f"the download has no folder {settings.subpath}")
        if settings.mlflow and not (downloaded / MLMODEL).is_file():
            raise FetchError(Reason.NOT_A_MODEL, f"there is no {MLMODEL} file; is it a model that MLflow logged?")
        _judge_pickles(downloaded, settings.pickle)
        (downloaded / SOURCE_FILE).unlink(missing_ok=True)
        (downloaded / SOURCE_FILE).write_text(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(temporary / "old")
        downloaded.rename(target)
    except OSError as error:
        raise classify(error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _source(target: Path) -> str | None:
    try:
        return (target / SOURCE_FILE).read_text()  # written when everything else was there
    except OSError:
        return None


def _obtain(uri: str, destination: Path, settings: FetchSettings) -> Path:
    destination.mkdir()
    if settings.cache is None:
        return _download(uri, destination, settings)
    where = [f"{name}={os.environ.get(name, '')}" for name in _WHERE]
    key = _hashed(uri, settings.version, settings.sha256, *where)
    return Cache(settings.cache).obtain(key, destination, lambda directory: _download(uri, directory, settings))


def _download(uri: str, destination: Path, settings: FetchSettings) -> Path:
    budget = Budget(settings.max_bytes, settings.max_files)
    try:
        return stores.download(Order(uri, destination, settings.sha256, budget))
    except Exception as error:
        raise classify(error) from error


def _judge_pickles(directory: Path, policy: PicklePolicy) -> None:
    found = pickles.find(directory) if policy is not PicklePolicy.ALLOW else []
    if not found:
        return
    listed = ", ".join(map(str, found[:5])) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    if policy is PicklePolicy.REFUSE:
        raise FetchError(Reason.PICKLE, f"loading a pickle runs code of whoever made it, and PICKLE=refuse: {listed}")
    message = "The model has pickles: loading them runs code of whoever made it"
    _logger.warning(message, extra={"fields": {"files": listed}})


def _needs_tracking_server(uri: str) -> bool:
    return uri.startswith(("models:/", "runs:/", "mlflow-artifacts:/"))


def main() -> int:
    """Fetch as the environment says; return the exit code."""
    logs.configure(os.environ.get("LOG_LEVEL", "INFO").upper())
    uri = os.environ.get("MODEL_URI", "")
    model_dir = Path(os.environ.get("MODEL_DIR") or "/model")
    started = time.perf_counter()
    try:
        if not uri:
            raise FetchError(Reason.CONFIGURATION, "MODEL_URI is not set")
        if _needs_tracking_server(uri) and not os.environ.get("MLFLOW_TRACKING_URI"):
            raise FetchError(Reason.CONFIGURATION, "MLFLOW_TRACKING_URI is not set")
        target = fetch(uri, model_dir, FetchSettings.from_environment())
    except FetchError as error:
        server = os.environ.get("MLFLOW_TRACKING_URI", "")
        origin = f"{uri} from {server}" if server and _needs_tracking_server(uri) else uri
        message = f"{error.reason.word}: cannot fetch {origin or 'a model'}: {error}"
        termination.report(redact(message))
        return error.reason.exit_code
    seconds = round(time.perf_counter() - started, 3)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    fields = {"uri": redact(uri), "directory": str(target), "bytes": size, "seconds": seconds}
    _logger.info("Model fetched", extra={"fields": fields})
    return 0


if __name__ == "__main__":
    gc.disable()
    # The first process of a container ignores SIGTERM unless it has a handler. What is half downloaded can stay.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    set_defaults()
    # A download needs none of these, MLflow runs without them (mlflow-skinny does not have them), and importing them
    # takes as long as importing the rest of MLflow.
    sys.modules.update(dict.fromkeys(("numpy", "pandas", "pyarrow", "scipy")))  # type: ignore[arg-type]
    exit_code = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(exit_code)  # not sys.exit: download threads may still be waiting for a server
