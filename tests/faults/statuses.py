"""Answers as the API server writes them when it refuses or fails: metav1.Status (k8s.io/apimachinery/pkg/api/errors)."""

from __future__ import annotations

from typing import Any

from faults.requestinfo import RequestInfo

_MEANINGS = {
    410: ("Expired", "The resourceVersion for the provided watch is too old."),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted duration"),
}


def status(code: int, request: RequestInfo, retry_after: int | None = None) -> dict[str, Any]:
    """The body of an answer with this code: 409 or one of 410, 429, 500, 503, 504."""
    details: dict[str, Any] = {"name": request.name, "kind": request.resource}
    if request.group:
        details["group"] = request.group
    if code == 409:
        reason = "Conflict"
        what = f"{request.resource}.{request.group}" if request.group else request.resource
        message = (
            f'Operation cannot be fulfilled on {what} "{request.name}": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
    else:
        reason, message = _MEANINGS[code]
    if retry_after is not None:
        details["retryAfterSeconds"] = retry_after
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }
