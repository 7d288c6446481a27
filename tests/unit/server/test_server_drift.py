"""Detectors of concept drift: soon after a shift, and quiet without one.

The numbers of samples are stated in docs/reference/quality.md.
"""

from collections.abc import Iterable

import numpy
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steersman_server.drift import CALIBRATION, DETECTORS, ErrorStream

SHIFT_AT = 1000


def fired(errors: Iterable[float], regression: bool = False) -> dict[str, list[int]]:
    """At which errors each detector fires."""
    stream = ErrorStream(regression)
    found: dict[str, list[int]] = {name: [] for name in DETECTORS}
    for number, error in enumerate(errors):
        for name in stream.add(float(error)):
            found[name].append(number)
    return found


def wrong(rng: numpy.random.Generator, share: float, count: int) -> numpy.ndarray:
    return (rng.random(count) < share).astype(float)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5])
def test_quiet_on_a_hundred_streams_without_a_shift(share: float) -> None:
    rng = numpy.random.default_rng(20)
    for _ in range(100):
        assert fired(wrong(rng, share, 2000)) == {"adwin": [], "page_hinkley": []}


@pytest.mark.parametrize("kind", ["normal", "exponential", "integers"])
def test_quiet_on_a_hundred_streams_of_absolute_errors(kind: str) -> None:
    rng = numpy.random.default_rng(21)
    draw = {
        "normal": lambda: numpy.abs(rng.normal(0, 300, 2000)),
        "exponential": lambda: rng.exponential(0.01, 2000),
        "integers": lambda: numpy.abs(rng.poisson(5, 2000) - 5),
    }[kind]
    for _ in range(100):
        assert fired(draw(), regression=True) == {"adwin": [], "page_hinkley": []}


@pytest.mark.parametrize(("share", "within"), [(0.02, 400), (0.1, 400), (0.3, 500)])
def test_a_rise_of_wrong_labels_by_a_fifth_is_found(share: float, within: int) -> None:
    rng = numpy.random.default_rng(22)
    for _ in range(20):
        found = fired([*wrong(rng, share, SHIFT_AT), *wrong(rng, share + 0.2, within)])
        assert all(at[0] >= SHIFT_AT for at in found.values()), found


@pytest.mark.parametrize(("times", "within"), [(2.0, 400)])
def test_doubled_errors_are_found_whatever_their_unit(times: float, within: int) -> None:
    rng = numpy.random.default_rng(23)
    for unit in (1e-6, 1.0, 1e6):
        errors = unit * numpy.abs(rng.normal(size=SHIFT_AT + within))
        errors[SHIFT_AT:] *= times
        found = fired(errors, regression=True)
        assert all(at[0] >= SHIFT_AT for at in found.values()), found


def test_an_improvement_is_no_drift_and_what_follows_is_judged_anew() -> None:
    rng = numpy.random.default_rng(24)
    better = [*wrong(rng, 0.5, 1000), *wrong(rng, 0.05, 2000)]
    assert fired(better) == {"adwin": [], "page_hinkley": []}
    assert fired([*better, *wrong(rng, 0.5, 400)])["adwin"][0] >= 3000


def test_after_a_drift_the_new_state_is_usual() -> None:
    rng = numpy.random.default_rng(25)
    once = fired([*wrong(rng, 0.1, 1000), *wrong(rng, 0.6, 4000)])
    assert {name: len(at) for name, at in once.items()} == {"adwin": 1, "page_hinkley": 1}
    scaled = numpy.abs(rng.normal(size=6000)) * numpy.repeat([1.0, 10.0], [1000, 5000])
    assert {name: len(at) for name, at in fired(scaled, regression=True).items()} == {"adwin": 1, "page_hinkley": 1}


def test_a_model_that_was_never_wrong() -> None:
    found = fired([0.0] * 500 + [1.0] * 200, regression=True)
    assert all(at[0] >= 500 for at in found.values())


def test_the_window_is_in_the_unit_of_the_error() -> None:
    stream = ErrorStream(regression=True)
    for _ in range(CALIBRATION - 1):
        stream.add(20.0)
    assert stream.window == (0, 0.0)
    stream.add(20.0)
    samples, mean = stream.window
    assert (samples, mean) == (CALIBRATION, pytest.approx(20.0))


def test_a_real_classifier_under_a_real_shift() -> None:
    """Trained on malignant and benign tumours; then an instrument reads every size a third too high."""
    features, target = load_breast_cancer(return_X_y=True)
    rng = numpy.random.default_rng(26)
    order = rng.permutation(len(target))
    train, rest = order[:280], order[280:]
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(features[train], target[train])
    errors = (classifier.predict(features) != target).astype(float)
    shifted = (classifier.predict(features * 1.33) != target).astype(float)
    before, after = errors[rng.choice(rest, 1000)], shifted[rng.choice(rest, 500)]
    assert before.mean() < 0.05 < 0.2 < after.mean()
    found = fired([*before, *after])
    assert all(SHIFT_AT <= at[0] < SHIFT_AT + 300 for at in found.values()), found
    for _ in range(20):
        assert fired(errors[rng.choice(rest, 1500)]) == {"adwin": [], "page_hinkley": []}


def test_a_real_regression_under_a_real_shift() -> None:
    """Trained on the progress of diabetes; then one feature (body mass) is read too high."""
    features, target = load_diabetes(return_X_y=True)
    rng = numpy.random.default_rng(27)
    model = Ridge(alpha=0.1).fit(features[:220], target[:220])
    rest = numpy.arange(220, len(target))
    errors = numpy.abs(model.predict(features) - target)
    shifted = numpy.abs(model.predict(features + 0.2 * numpy.eye(10)[2]) - target)
    before, after = errors[rng.choice(rest, 1000)], shifted[rng.choice(rest, 500)]
    found = fired([*before, *after], regression=True)
    assert all(SHIFT_AT <= at[0] < SHIFT_AT + 300 for at in found.values()), found
    for _ in range(20):
        assert fired(errors[rng.choice(rest, 1500)], regression=True) == {"adwin": [], "page_hinkley": []}
