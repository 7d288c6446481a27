"""Feedback: what is counted, what is refused, and for how many revisions and classes."""

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from sklearn.datasets import load_iris

from steersman.profile import build_profile
from steersman_profile.format import Categorical, Numeric, Profile
from steersman_server import feedback, model
from steersman_server.app import App
from steersman_server.feedback import FeedbackError, parse
from steersman_server.quality import FORGET_SECONDS, MAX_CLASSES, MAX_REVISIONS, Quality, TooManyRevisionsError
from steersman_server.reply import JSON, Reply, call, request_scope
from steersman_server.settings import ServerSettings, SettingsError

from .conftest import get, sample

OWN, OTHER_REVISION = "fraud-v2-bbbbbbbb", "fraud-v1-aaaaaaaa"
CLASSES = Profile(2, (Categorical("prediction", "prediction", ("0", "1"), (1, 1), 0, 0),), "classification")
NUMBERS = Profile(2, (Numeric("prediction", "prediction", (), (2,), 0),), "regression")


class Counted:
    """The metrics of feedback alone."""

    def __init__(self, profile: Profile | None = None, own: str = OWN) -> None:
        self.registry = CollectorRegistry()
        self.now = 0.0
        self.quality = Quality(self.registry, own, profile, clock=lambda: self.now)

    def give(self, predictions: list[object], truth: list[object], **more: object) -> tuple[str, str]:
        body = json.dumps({"predictions": predictions, "ground_truth": truth, **more})
        return self.quality.count(parse(body.encode()))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"steersman_{name}", labels)

    def outcomes(self, revision: str = OWN) -> tuple[float | None, float | None]:
        correct, wrong = (
            self.value("feedback_total", predicted_by=revision, outcome=outcome) for outcome in ("correct", "wrong")
        )
        return correct, wrong

    def of_class(self, name: str, revision: str = OWN) -> tuple[float | None, ...]:
        kinds = ("true_positive", "false_positive", "false_negative")
        labels = [{"predicted_by": revision, "class": name, "count": kind} for kind in kinds]
        return tuple(self.value("feedback_class_total", **one) for one in labels)


def test_labels_are_counted_by_outcome_and_class() -> None:
    counted = Counted(CLASSES)
    assert counted.outcomes() == (0, 0), "series that start at 0"
    assert counted.of_class("1") == (0, 0, 0)
    assert counted.give([1, 1, 0, 0, 1], [1, 0, 0, 1, 1]) == (OWN, "classification")
    assert counted.outcomes() == (3, 2)
    assert counted.of_class("1") == (2, 1, 1)
    assert counted.of_class("0") == (1, 1, 1)
    assert counted.value("concept_drift_window_samples", predicted_by=OWN) == 5
    assert counted.value("concept_drift_window_error", predicted_by=OWN) == pytest.approx(0.4)


def test_accuracy_precision_and_recall_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    features, target = load_iris(return_X_y=True)
    predicted = LogisticRegression(max_iter=20, C=0.02).fit(features, target).predict(features)
    counted = Counted()
    counted.give(predicted.tolist(), target.tolist())
    correct, wrong = counted.outcomes()
    assert wrong
    assert correct / (correct + wrong) == pytest.approx(accuracy_score(target, predicted))
    precision, recall, _, _ = precision_recall_fscore_support(target, predicted)
    for number in range(3):
        right, too_many, too_few = counted.of_class(str(number))
        assert right / (right + too_many) == pytest.approx(precision[number])
        assert right / (right + too_few) == pytest.approx(recall[number])


def test_numbers_are_counted_by_their_error() -> None:
    counted = Counted(NUMBERS)
    assert counted.value("feedback_absolute_error_count", predicted_by=OWN) == 0
    assert counted.give([1, 2.5, -3], [1, 2, 3]) == (OWN, "regression")
    assert counted.value("feedback_absolute_error_count", predicted_by=OWN) == 3
    assert counted.value("feedback_absolute_error_sum", predicted_by=OWN) == 6.5
    assert counted.value("feedback_absolute_error_bucket", predicted_by=OWN, le="0.5") == 2
    assert counted.value("feedback_squared_error_total", predicted_by=OWN) == 36.25
    assert counted.outcomes() == (None, None)


@pytest.mark.parametrize(
    ("profile", "predictions", "given", "task"),
    [
        (None, ["a"], None, "classification"),
        (None, [True], None, "classification"),
        (None, [1], None, "classification"),
        (None, [1.5], None, "regression"),
        (None, [1], "regression", "regression"),
        (NUMBERS, [1], None, "regression"),
        (CLASSES, [1.0], None, "classification"),
        (CLASSES, [1.0], "regression", "regression"),
    ],
)
def test_the_task(profile: Profile | None, predictions: list[object], given: str | None, task: str) -> None:
    assert Counted(profile).give(predictions, predictions, task=given) == (OWN, task)


def test_one_label_in_several_types_is_one_class() -> None:
    counted = Counted(CLASSES)
    counted.give([1, 1.0, "1", 0], [1.0, "1", 1, "0"])
    assert counted.outcomes() == (4, 0)


def test_feedback_is_about_the_revision_that_it_names() -> None:
    counted = Counted(CLASSES)
    counted.give([1], [0], revision=OTHER_REVISION)
    assert (counted.outcomes(), counted.outcomes(OTHER_REVISION)) == ((0, 0), (0, 1))
    with pytest.raises(FeedbackError, match="Give revision: this server does not know its own"):
        Counted(own="").give([1], [1])


def test_what_is_not_known_yet_is_skipped() -> None:
    counted = Counted(CLASSES)
    counted.give([1, None, 0], [1, 1, None])
    assert counted.outcomes() == (1, 0)
    assert parse(b'{"predictions": [1, null], "ground_truth": [null, null]}').skipped == 2
    assert counted.give([None], [None], revision="unheard") == ("unheard", "classification")
    assert counted.outcomes("unheard") == (None, None)


def test_revisions_are_bounded_and_the_oldest_gives_way() -> None:
    counted = Counted(CLASSES)
    names = [f"r{number}" for number in range(MAX_REVISIONS - 1)]
    for second, name in enumerate(names):
        counted.now = float(second)
        counted.give([1], [0], revision=name)
    with pytest.raises(TooManyRevisionsError, match="10 revisions"):
        counted.give([1], [1], revision="one-more")
    assert counted.outcomes("one-more") == (None, None)
    counted.give([1], [1], revision="r0")
    counted.now = FORGET_SECONDS + 1
    counted.give([1], [1], revision="one-more")
    assert counted.outcomes("one-more") == (1, 0)
    assert counted.outcomes("r1") == (None, None), "the one that was not heard of for longest"
    assert counted.of_class("1", "r1") == (None, None, None)
    assert counted.value("concept_drift_total", predicted_by="r1", detector="adwin") is None
    assert counted.outcomes("r0") == (1, 1)
    assert counted.outcomes() == (0, 0), "the pod's own stays although nothing is heard of it"


def test_classes_are_bounded() -> None:
    counted = Counted()
    labels = [f"class {number}" for number in range(MAX_CLASSES + 3)]
    counted.give(labels, labels)
    counted.give(["class 21"], ["class 0"])
    assert counted.of_class("class 19") == (1, 0, 0)
    assert counted.of_class("class 20") == (None, None, None)
    assert counted.of_class("(other)") == (3, 1, None)
    assert counted.outcomes() == (MAX_CLASSES + 3, 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff{}", "not JSON: it cannot be decoded"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "predictions is not a list"),
        (b'{"predictions": [1]}', "ground_truth is not a list"),
        (b'{"predictions": [1], "ground_truth": [1, 2]}', "1 predictions and 2 values of ground_truth"),
        (b'{"predictions": [NaN], "ground_truth": [1]}', "NaN is no JSON; null means"),
        (b'{"predictions": [], "ground_truth": [], "model": 1}', "unknown keys: model"),
        (b'{"predictions": [], "ground_truth": [], "task": "x"}', "task must be classification or regression"),
        (b'{"predictions": [], "ground_truth": [], "task": []}', "task must be classification or regression"),
    ],
)
def test_what_is_no_feedback(body: bytes, message: str) -> None:
    with pytest.raises(FeedbackError, match=message):
        parse(body)


@pytest.mark.parametrize("revision", ["", "UPPER", "a_b", "-a", "a-", "a" * 64, 'a"}', "a\n", 1, []])
def test_names_that_no_revision_has(revision: object) -> None:
    body = json.dumps({"predictions": [], "ground_truth": [], "revision": revision}).encode()
    with pytest.raises(FeedbackError, match="revision is no name of a revision"):
        parse(body)


@pytest.mark.parametrize(
    ("predictions", "truth", "task", "message"),
    [
        ([[1]], [1], None, "predictions holds lists or objects"),
        (["a"], [{}], None, "ground_truth holds lists or objects"),
        (["secret" * 20], ["a"], None, "empty, longer than 100 characters"),
        ([""], ["a"], None, "empty, longer"),
        (["\ud800"], ["a"], None, "no UTF-8"),
        (["secret"], [1.5], None, "predictions holds values that are no numbers; give task: classification"),
        ([1], [True], "regression", "ground_truth holds values that are no numbers"),
        ([1.5], [1e101], "regression", "number beyond 1e"),
        ([10**400], [1], "regression", "number beyond 1e"),
    ],
)
def test_values_that_cannot_be_judged_count_nothing(
    predictions: list[object], truth: list[object], task: str | None, message: str
) -> None:
    counted = Counted()
    with pytest.raises(FeedbackError, match=message) as raised:
        counted.give([1, *predictions], [1, *truth], task=task)
    assert "secret" not in str(raised.value)
    assert counted.outcomes() == (None, None)


def test_a_regression_too_large_for_a_float_is_refused() -> None:
    body = b'{"predictions": [1e999], "ground_truth": [0.5]}'
    with pytest.raises(FeedbackError, match="number beyond"):
        Counted().quality.count(parse(body))


def test_too_many_at_once() -> None:
    ones = [1] * (feedback.MAX_PAIRS + 1)
    with pytest.raises(FeedbackError, match="10001 predictions; send at most 10000"):
        Counted().give(ones, ones)


def test_drift_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted(CLASSES)
    for detector in ("adwin", "page_hinkley"):
        assert counted.value("concept_drift_total", predicted_by=OWN, detector=detector) == 0
    counted.give([1] * 1000, [1] * 1000)
    counted.give([1] * 400, [0] * 400)
    for detector in ("adwin", "page_hinkley"):
        assert counted.value("concept_drift_total", predicted_by=OWN, detector=detector) == 1
    assert caplog.text.count("Concept drift") == 2


def test_the_templates_sample_has_the_names_labels_and_bounds_of_this_server() -> None:
    """tests/component/test_analysis_templates.py proves the templates by that sample."""
    text = (Path(__file__).parents[2] / "component" / "samples" / "mlflow.prom").read_text()
    counted = Counted()
    counted.give(["a"], ["b"])
    counted.give([1.5], [1.0])
    real = {_shape(sample) for family in counted.registry.collect() for sample in family.samples}
    shown = {_shape(sample) for family in text_string_to_metric_families(text) for sample in family.samples}
    ours = {shape for shape in shown if shape[0].startswith("steersman_feedback")}
    assert len(ours) > 5
    assert ours <= real


def _shape(sample: Sample) -> tuple[str, frozenset[str], str | None]:
    return sample.name, frozenset(sample.labels), sample.labels.get("le") or sample.labels.get("outcome")


# ---------------------------------------------------------------- the endpoint


@pytest.fixture(scope="module")
def iris_app(iris_dir: Path) -> App:
    app = App(ServerSettings(model_name="iris", model_version="3", steersman_revision=OWN))
    app.model_loaded(model.load(iris_dir), 0.1)
    return app


async def send(app: App, body: object, method: str = "POST") -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    scope = request_scope(method, "/feedback", {"content-type": JSON, "content-length": str(len(raw))})
    return await call(app, scope, raw)


async def test_the_answer_says_what_was_counted(iris_app: App) -> None:
    reply = await send(iris_app, {"predictions": [1, 2, 0], "ground_truth": [1, 1, None]})
    assert reply.status == 200
    assert json.loads(reply.body) == {"counted": 2, "skipped": 1, "predicted_by": OWN, "task": "classification"}
    assert sample(iris_app, "steersman_feedback_total", predicted_by=OWN, outcome="wrong") == 1
    page = (await get(iris_app, "/metrics")).body.decode()
    assert f'steersman_feedback_class_total{{class="1",count="true_positive",predicted_by="{OWN}"}} 1.0' in page


async def test_every_answer_names_the_revision(iris_app: App) -> None:
    for reply in (await send(iris_app, {}), await get(iris_app, "/metrics"), await get(iris_app, "/nothing")):
        assert dict(reply.headers)[b"x-steersman-revision"] == OWN.encode()


async def test_bad_feedback_is_answered_with_the_reason(iris_app: App) -> None:
    reply = await send(iris_app, {"predictions": 1})
    assert (reply.status, json.loads(reply.body)["message"]) == (400, "predictions is not a list.")
    assert (await send(iris_app, b" " * (feedback.MAX_BYTES + 1))).status == 413
    assert (await send(iris_app, {}, method="GET")).status == 405


async def test_more_revisions_than_are_counted_may_come_back_later(iris_dir: Path) -> None:
    app = App(ServerSettings(steersman_revision=OWN))
    app.model_loaded(model.load(iris_dir), 0.1)
    statuses = [
        (await send(app, {"predictions": [1], "ground_truth": [1], "revision": f"r{n}"})).status
        for n in range(MAX_REVISIONS)
    ]
    assert statuses == [200] * (MAX_REVISIONS - 1) + [429]


async def test_before_the_model_is_loaded_and_switched_off() -> None:
    assert (await send(App(ServerSettings()), {})).status == 503
    off = ServerSettings.from_environment({"FEEDBACK": "off"})
    assert (await send(App(off), {})).status == 404


def test_settings() -> None:
    settings = ServerSettings.from_environment({"STEERSMAN_REVISION": OWN, "FEEDBACK_ERROR_BUCKETS": "1, 10,100"})
    assert (settings.steersman_revision, settings.feedback_error_buckets) == (OWN, (1.0, 10.0, 100.0))
    for bad in ("x", "2,1", "1,1", "0,1", "1,inf", "nan"):
        with pytest.raises(SettingsError, match="FEEDBACK_ERROR_BUCKETS must be"):
            ServerSettings.from_environment({"FEEDBACK_ERROR_BUCKETS": bad})
    with pytest.raises(SettingsError, match="STEERSMAN_REVISION must be the name of a revision"):
        ServerSettings.from_environment({"STEERSMAN_REVISION": "A"})


def test_a_built_profile_tells_the_task() -> None:
    features, target = load_iris(return_X_y=True, as_frame=True)
    counted = Counted(build_profile(features, prediction=target))
    assert counted.of_class("2") == (0, 0, 0)
    assert counted.give([2.0], [2]) == (OWN, "classification")
