"""What goes wrong for a reason that the user can do something about."""

from __future__ import annotations

from steersman.ports import ApiError, NotFound


class UserError(Exception):
    """Shown as one line on stderr, with what to do on the next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = 1


def explained(error: ApiError | NotFound) -> UserError:
    """An answer of the API server as the user's problem, with what to do."""
    if isinstance(error, NotFound):
        if "is Steersman installed" in str(error):
            return UserError(str(error), "install it with Helm, or choose the right cluster with --context")
        return UserError(str(error), "see what there is: steersman get -A")
    if error.status == 0 and "kubeconfig" in str(error):
        return UserError(str(error), "kubectl must work with the same file and context: kubectl config get-contexts")
    hints = {
        0: "see that the cluster is reachable: kubectl cluster-info (choose another one with --context)",
        401: "log in to the cluster again; kubectl must work with the same kubeconfig and context",
        403: "ask for the ClusterRole view (to look) or edit (to act) in that namespace",
        409: "it changed at the same moment: say it again",
        429: "the API server is busy: say it again in a moment",
    }
    default = "the API server is in trouble: kubectl get --raw /readyz" if error.status >= 500 else ""
    return UserError(str(error), hints.get(error.status, default))
