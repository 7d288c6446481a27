"""Counting requests and answers into the bins of a model's profile."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy
import pandas
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from sklearn.datasets import load_iris

from steersman.profile import build_profile
from steersman_profile.format import PATH, Categorical, Numeric, Profile, ProfileError, dump
from steersman_server import model, startup
from steersman_server.app import App
from steersman_server.profile import Observer, read
from steersman_server.settings import ServerSettings

from .conftest import get, post

FEATURES, TARGET = load_iris(return_X_y=True, as_frame=True)
SEPAL = "sepal length (cm)"
X = Numeric("x", "feature", (1.0, 2.0), (1, 1, 1), 0)
KIND = Categorical("kind", "feature", ("a", "1", "true"), (1, 1, 1), 0, 0)


def store(directory: Path, text: str) -> Path:
    (directory / PATH).parent.mkdir()
    (directory / PATH).write_text(text)
    return directory


def served(directory: Path, **settings: object) -> App:
    chosen = ServerSettings(**settings)
    app = App(chosen)
    app.model_loaded(model.load(directory, chosen.profile), 0.1)
    return app


@pytest.fixture
def iris_app(iris_dir: Path, copy_of: Callable[[Path], Path]) -> App:
    return served(store(copy_of(iris_dir), dump(build_profile(FEATURES, prediction=TARGET))))


async def ask(app: App, frame: pandas.DataFrame) -> int:
    body = json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split", index=False))}).encode()
    return (await post(app, body)).status


def counted(app: App, column: str, role: str = "feature") -> dict[str, float]:
    families = {family.name: family for family in app.metrics.registry.collect()}
    samples = families["steersman_profile_observations"].samples
    wanted = {"column": column, "role": role}
    return {s.labels["bin"]: s.value for s in samples if wanted.items() <= s.labels.items()}


async def test_every_bin_is_there_from_the_start_with_its_reference(iris_app: App) -> None:
    page = (await get(iris_app, "/metrics")).body.decode()
    assert (
        f'steersman_profile_observations_total{{bin="+Inf",column="{SEPAL}",kind="numeric",role="feature"}} 0.0' in page
    )
    assert 'steersman_profile_reference_rows{column="prediction",role="prediction"} 150.0' in page
    assert "steersman_profile_failures_total 0.0" in page
    shares: dict[str, float] = {}
    for family in iris_app.metrics.registry.collect():
        if family.name == "steersman_profile_reference_ratio":
            for sample in family.samples:
                key = sample.labels["column"]
                shares[key] = shares.get(key, 0) + sample.value
    assert shares == pytest.approx(dict.fromkeys([*FEATURES.columns, "prediction"], 1.0))


async def test_odd_names_survive_both_formats(iris_dir: Path, copy_of: Callable[[Path], Path]) -> None:
    odd = Categorical('a "b"\n\\c', "feature", ("é", "{}", 'x="1",', "\t"), (1, 1, 1, 0), 0, 0)
    app = served(store(copy_of(iris_dir), dump(Profile(3, (odd,)))))
    plain = (await get(app, "/metrics")).body.decode()
    openmetrics = (await get(app, "/metrics", accept="application/openmetrics-text; version=1.0.0")).body.decode()
    for families in (parse(plain), parse_openmetrics(openmetrics)):
        found = [
            (sample.labels["column"], sample.labels["bin"])
            for family in families
            for sample in family.samples
            if sample.name == "steersman_profile_observations_total"
        ]
        assert found == [(odd.name, name) for name in odd.bins]


async def test_the_reference_itself_is_counted_as_the_reference(iris_app: App) -> None:
    """The server's bins are those of the profile, in batches and row by row."""
    profile = build_profile(FEATURES, prediction=TARGET)
    assert await ask(iris_app, FEATURES.iloc[:140]) == 200
    for row in range(140, 150):
        assert await ask(iris_app, FEATURES.iloc[[row]]) == 200
    for column in profile.with_role("feature"):
        assert tuple(counted(iris_app, column.name).values()) == column.reference
    assert sum(counted(iris_app, "prediction", "prediction").values()) == 150


async def test_refused_and_failed_requests_and_the_smoke_request_are_not_counted(
    iris_dir: Path, copy_of: Callable[[Path], Path]
) -> None:
    directory = store(copy_of(iris_dir), dump(build_profile(FEATURES, prediction=TARGET)))
    app = App(ServerSettings(model_dir=directory))
    await startup.make_ready(app, ServerSettings(model_dir=directory))
    assert sum(counted(app, SEPAL).values()) == 0
    assert await ask(app, FEATURES.drop(columns=SEPAL)) == 400
    assert sum(counted(app, SEPAL).values()) == 0
    assert await ask(app, FEATURES.head(3)) == 200
    assert sum(counted(app, SEPAL).values()) == 3


async def test_a_model_without_a_profile_has_no_series_of_it(picky_app: App) -> None:
    assert "steersman_profile" not in (await get(picky_app, "/metrics")).body.decode()


async def test_counting_can_be_switched_off(iris_dir: Path, copy_of: Callable[[Path], Path]) -> None:
    directory = store(copy_of(iris_dir), dump(build_profile(FEATURES)))
    app = served(directory, profile=ServerSettings.from_environment({"PROFILE": "off"}).profile)
    assert await ask(app, FEATURES.head(1)) == 200
    assert "steersman_profile" not in (await get(app, "/metrics")).body.decode()


async def test_a_profile_that_cannot_be_read_is_no_reason_not_to_serve(
    iris_dir: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    app = served(store(copy_of(iris_dir), '{"version": 2}'))
    assert await ask(app, FEATURES.head(1)) == 200
    page = (await get(app, "/metrics")).body.decode()
    assert "steersman_profile_failures_total 1.0" in page
    assert "steersman_profile_observations" not in page
    assert "The model's profile is not used: the profile has version 2; this reads version 1" in caplog.text


def test_a_profile_that_is_too_large_or_no_file(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    store(tmp_path, "x" * 1_100_000)
    with pytest.raises(ProfileError, match="larger than"):
        read(tmp_path)


async def test_what_cannot_be_counted_fails_no_request_and_is_logged_once(
    iris_dir: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    other = Numeric("price", "feature", (1.0,), (1, 0), 0)
    app = served(store(copy_of(iris_dir), dump(Profile(1, (other,)))))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await ask(app, FEATURES.head(1)) == 200
    assert "steersman_profile_failures_total 3.0" in (await get(app, "/metrics")).body.decode()
    messages = [record.getMessage() for record in caplog.records if "profile" in record.getMessage()]
    assert messages == [
        "A request was not counted into the model's profile (further ones are not logged): the data has none of the profile's columns"
    ]


def observed(profile: Profile, data: object, output: object = None) -> tuple[list[int] | None, list[int] | None, str]:
    observer = Observer(profile)
    observation = observer.asked(data)
    observer.answered(observation, output)
    as_list = [
        None if counts is None else counts.tolist() for counts in (observation.features, observation.predictions)
    ]
    return as_list[0], as_list[1], str(observation.failure or "")


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 1.5, 2.0, 2.1], [1, 2, 1, 0]),
        ([numpy.nan, numpy.inf, -numpy.inf, None], [1, 0, 1, 2]),
        (["1", "3"], [1, 0, 1, 0]),
        (pandas.array([1, None], "Int64"), [1, 0, 0, 1]),
        ([True, False], [2, 0, 0, 0]),
        (numpy.array([1, 2], dtype="float32"), [1, 1, 0, 0]),
        ([], [0, 0, 0, 0]),
    ],
)
def test_numbers_few_and_many(values: object, expected: list[int], times: int) -> None:
    frame = pandas.concat([pandas.DataFrame({"x": values, "unknown": 0})] * times)
    assert observed(Profile(3, (X,)), frame) == ([count * times for count in expected], None, "")


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b", None, "", numpy.nan], [1, 0, 0, 1, 3]),
        ([1, 1.0, "1", "a", pandas.NA], [1, 3, 0, 0, 1]),
        ([True, numpy.True_, False], [0, 0, 2, 1, 0]),
        (pandas.Categorical(["a", "b", "a"]), [2, 0, 0, 1, 0]),
        (pandas.array(["a", None], "string"), [1, 0, 0, 0, 1]),
        (pandas.array([True, None], "boolean"), [0, 0, 1, 0, 1]),
    ],
)
def test_categories_few_and_many(values: object, expected: list[int], times: int) -> None:
    frame = pandas.concat([pandas.DataFrame({"kind": values})] * times)
    assert observed(Profile(3, (KIND,)), frame) == ([count * times for count in expected], None, "")


def test_inputs_that_are_no_frames() -> None:
    profile = Profile(3, (Numeric("0", "feature", (1.0,), (3, 0), 0), Numeric("1", "feature", (), (3,), 0)))
    assert observed(profile, numpy.array([[0.0, 1.0], [2.0, 3.0]]))[0] == [1, 1, 0, 2, 0]
    assert observed(Profile(3, (X,)), {"x": numpy.array([1.0, 3.0])})[0] == [1, 0, 1, 0]
    assert observed(Profile(3, (X, KIND)), pandas.DataFrame({"x": [1.0]}))[0] == [1, 0, 0, 0, 0, 0, 0, 0, 1], (
        "an optional column that is not there is missing"
    )
    for data, reason in [
        (pandas.DataFrame({"x": ["secret"] * 100}), "column 'x' holds values that are no numbers"),
        ({"x": numpy.ones((2, 2))}, "values are not lists of one length"),
        ([{"x": 1}], "list that has no columns"),
        ([[1], [1, 2]], "list that has no columns"),
        (numpy.ones((2, 2, 2)), "ndarray that has no columns"),
        (None, "NoneType that has no columns"),
        (pandas.DataFrame([[1, 2]], columns=["x", "x"]), "two columns of one name"),
        (pandas.DataFrame({"x": ["secret"]}), "column 'x' holds values that are no numbers"),
    ]:
        features, _, failure = observed(Profile(3, (X,)), data)
        assert features is None
        assert reason in failure
        assert "secret" not in failure
    for rows in (1, 100):
        frame = pandas.DataFrame({"kind": [["a"]] * rows})
        assert "no categories" in observed(Profile(3, (KIND,)), frame)[2]


@pytest.mark.parametrize(
    "output",
    [
        numpy.array([0.5, 9.0]),
        numpy.array([[0.5], [9.0]]),
        [0.5, 9.0],
        pandas.Series([0.5, 9.0]),
        pandas.DataFrame({"whatever": [0.5, 9.0]}),
        {"score": [0.5, 9.0]},
    ],
)
def test_one_output_is_the_prediction_whatever_it_is_called(output: object) -> None:
    profile = Profile(3, (X, Numeric("prediction", "prediction", (1.0,), (2, 1), 0)))
    assert observed(profile, pandas.DataFrame({"x": [1.0, 1.0]}), output) == ([2, 0, 0, 0], [1, 1, 0], "")


def test_a_list_keeps_its_types() -> None:
    profile = Profile(3, (Categorical("prediction", "prediction", ("a", "1"), (2, 1), 0, 0),))
    assert observed(profile, None, ["a", numpy.nan, None, 1, True])[1] == [1, 1, 1, 2]


def test_several_outputs_are_known_by_name_or_place() -> None:
    by_place = Profile(1, tuple(Numeric(f"prediction_{n}", "prediction", (0.5,), (1, 0), 0) for n in range(2)))
    assert observed(by_place, None, numpy.array([[0.1, 0.9]]))[1] == [1, 0, 0, 0, 1, 0]
    by_name = Profile(1, (Numeric("low", "prediction", (0.5,), (1, 0), 0), Numeric("high", "prediction", (), (1,), 0)))
    assert observed(by_name, None, pandas.DataFrame({"high": [1.0], "low": [0.1]}))[1] == [1, 0, 0, 1, 0]


def test_a_model_that_changes_its_input_is_counted_by_what_it_was_asked() -> None:
    observer = Observer(Profile(3, (X,)))
    frame = pandas.DataFrame({"x": [1.0]})
    observation = observer.asked(frame)
    frame["x"] = 99.0
    assert observation.features is not None
    assert observation.features.tolist() == [1, 0, 0, 0]
