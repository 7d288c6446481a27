"""The likelihood ratio that a candidate fails more often, as an e-process that may be looked at any time.

Of F failures in a time in which the candidate received the share w of the requests, each falls on the candidate with
probability at most w when it fails no more often than stable does. When its odds of failing are r times as great, that
probability is q = r w / (1 - w + r w). So k failures of the candidate have the likelihood ratio

    (q / w)^k ((1 - q) / (1 - w))^(F - k)  =  r^k / (1 + (r - 1) w)^F.

Its mean under "no worse" is at most 1, so a product over looks, and the mean of such products over several r, is a
nonnegative supermartingale that starts at 1 (an e-process). By Ville's inequality (J. Ville, Etude critique de la
notion de collectif, 1939) the probability that it ever exceeds 1/alpha is at most alpha, whatever the number of looks.
Mixing over alternatives: H. Robbins, Statistical methods related to the law of the iterated logarithm, Annals of
Mathematical Statistics 41 (1970). Survey: A. Ramdas, P. Grunwald, V. Vovk, G. Shafer, Game-theoretic statistics and
safe anytime-valid inference, Statistical Science 38 (2023).

The same formula serves n requests with k failures against a highest rate p: put n for F and p for w.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ODDS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""The alternatives that are mixed with equal weight: how many times greater the candidate's odds of failing are."""

CAP = 1e12
"""The greatest evidence that is reported; the logarithms themselves are not capped."""


def start() -> list[float]:
    """Logarithms of the likelihood ratios before the first look."""
    return [0.0] * len(ODDS)


def look(hits: float, trials: float, share: float) -> list[float]:
    """Logarithms per alternative of `hits` of `trials` where each is a hit with probability at most `share`.

    Counts are clamped to 0 <= hits <= trials. A share of 0 or 1 tells nothing.
    """
    if not 0.0 < share < 1.0:
        return start()
    trials = max(0.0, trials)
    hits = min(max(0.0, hits), trials)
    return [hits * math.log(odds) - trials * math.log1p((odds - 1.0) * share) for odds in ODDS]


def mixture(logs: Sequence[float]) -> float:
    """The mean likelihood ratio over the alternatives, at most CAP."""
    if not logs:
        return 1.0
    greatest = max(logs)
    log_mean = greatest + math.log(math.fsum(math.exp(log - greatest) for log in logs) / len(logs))
    return math.exp(min(log_mean, math.log(CAP)))
