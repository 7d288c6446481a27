"""A forecast as a picture."""

from __future__ import annotations

from pathlib import Path

from steersman.cli.errors import UserError
from steersman.core.foresight.forecast import Forecast

FORMATS = (".png", ".svg")


def check(path: Path) -> None:
    """Raise UserError when nothing can be drawn into such a file."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"--plot: {path.name} does not end with {' or '.join(FORMATS)}")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UserError("--plot needs matplotlib", "pip install 'steersman[plot]'") from error


def save(found: Forecast, path: Path) -> None:
    """Draw the share of rollouts that are rolled back, and what it costs, over the candidate's rate of failures. Raises UserError."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    rates = [seen.rate for seen in found.curve]
    above.plot(rates, [seen.aborted for seen in found.curve], marker="o", color="tab:green")
    for power, rate in found.smallest:
        if rate is not None:
            above.plot([rate], [power], marker="D", color="black")
            above.annotate(f"{power:.0%} at {rate:.2%}", (rate, power), textcoords="offset points", xytext=(8, -4))
    above.axvline(
        found.scenario.stable, color="tab:blue", linestyle=":", label=f"stable fails {found.scenario.stable:.2%}"
    )
    above.set(ylim=(-0.03, 1.03), ylabel="rollouts that are rolled back", title=_title(found))
    above.yaxis.set_major_formatter(PercentFormatter(1.0))
    above.legend(loc="lower right", frameon=False)
    below.plot(rates, [seen.failed for seen in found.curve], marker="o", color="tab:red")
    below.set(
        xscale="log",
        xlabel="share of the candidate's requests that fail",
        ylabel="failed requests (mean)",
        ylim=(0, None),
    )
    below.xaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (above, below):
        axes.grid(alpha=0.3)
    try:
        figure.savefig(path)
    except OSError as error:
        raise UserError(f"--plot: {path} cannot be written: {error.strerror or error}") from error


def _title(found: Forecast) -> str:
    # A dollar sign would begin a formula.
    name = found.name.replace("$", r"\$")
    return f"{name}: {found.scenario.timeline.seconds:.0f} s at {found.scenario.per_second:g} requests/s"
