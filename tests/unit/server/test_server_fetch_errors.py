"""What the exceptions of MLflow and requests mean."""

import errno

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED

from steersman_server.fetch_errors import Reason, classify


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} for url", response=response)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__context__ = cause
    return error


DOWNLOAD = "The following failures occurred while downloading one or more artifacts from x:\n##### File MLmodel #####\n"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.ConnectionError("refused"), Reason.UNREACHABLE),
        (requests.ReadTimeout("slow"), Reason.UNREACHABLE),
        (caused(MlflowException("API request failed"), requests.ConnectionError("name")), Reason.UNREACHABLE),
        (caused(MlflowException("API"), requests.exceptions.RetryError("too many 503 errors")), Reason.UNREACHABLE),
        (answered(502), Reason.UNREACHABLE),
        (MlflowException(DOWNLOAD + "Connection broken: IncompleteRead(3 bytes read)"), Reason.UNREACHABLE),
        (answered(401), Reason.UNAUTHORIZED),
        (answered(403), Reason.UNAUTHORIZED),
        (MlflowException("no", error_code=PERMISSION_DENIED), Reason.UNAUTHORIZED),
        (MlflowException("API request to endpoint /x failed with error code 401 != 200"), Reason.UNAUTHORIZED),
        (MlflowException(DOWNLOAD + "403 Client Error: Forbidden for url: http://x"), Reason.UNAUTHORIZED),
        (answered(404), Reason.NOT_FOUND),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Model Version"}), Reason.NOT_FOUND),
        (
            RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "Registered model alias x not found."}),
            Reason.NOT_FOUND,
        ),
        (FileNotFoundError(errno.ENOENT, "gone"), Reason.NOT_FOUND),
        (OSError(errno.ENOSPC, "full"), Reason.DISK_FULL),
        (OSError(errno.EDQUOT, "quota"), Reason.DISK_FULL),
        (MlflowException(DOWNLOAD + "[Errno 28] No space left on device"), Reason.DISK_FULL),
        (ModuleNotFoundError("No module named 'boto3'"), Reason.UNSUPPORTED),
        (MlflowException("Not a proper models:/ URI", error_code=INVALID_PARAMETER_VALUE), Reason.CONFIGURATION),
        (PermissionError(errno.EACCES, "denied"), Reason.OTHER),
        (ValueError(), Reason.OTHER),
    ],
)
def test_reason(error: Exception, reason: Reason) -> None:
    assert classify(error).reason is reason


def test_message_is_one_short_line() -> None:
    message = str(classify(ValueError("a\n" * 5000)))
    assert "\n" not in message
    assert len(message) < 700
    assert str(classify(ValueError())) == "ValueError"


def test_exit_codes_differ() -> None:
    codes = [reason.exit_code for reason in Reason]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes
