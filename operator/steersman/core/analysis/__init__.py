"""Analysis: which queries are due, what their answers mean, and whether the rollout may go on.

`bind` makes metrics of templates and arguments, `begin` starts an analysis, `due` names the queries to send, `advance`
folds their answers into the status, `verdict` reads it, and `weight_changed` starts the count of requests anew.
"""

from steersman.core.analysis.assess import advance, begin, weight_changed
from steersman.core.analysis.binding import BindingError, bind
from steersman.core.analysis.schedule import due
from steersman.core.analysis.verdict import verdict

__all__ = ["BindingError", "advance", "begin", "bind", "due", "verdict", "weight_changed"]
