"""Reference profiles: how a model's training data is distributed, kept with the model in MLflow.

    import steersman.profile
    info = mlflow.sklearn.log_model(classifier, name="model")
    steersman.profile.log_reference(features, model=info, prediction=classifier.predict(features))

Steersman's MLflow runtime counts what the model is asked and what it answers into the same bins. Needs numpy, pandas and MLflow: install
``steersman[profile]``. The operator never imports this package.
"""

try:
    from steersman.profile.build import ReferenceDataError, ReferenceWarning, build_profile
    from steersman.profile.store import log_reference, read_reference
except ModuleNotFoundError as error:
    if error.name not in {"numpy", "pandas", "mlflow"}:
        raise
    raise ModuleNotFoundError(
        f"steersman.profile needs {error.name}: pip install 'steersman[profile]'", name=error.name
    ) from error
from steersman_profile.format import Categorical, Numeric, Profile, ProfileError, Skipped

__all__ = [
    "Categorical",
    "Numeric",
    "Profile",
    "ProfileError",
    "ReferenceDataError",
    "ReferenceWarning",
    "Skipped",
    "build_profile",
    "log_reference",
    "read_reference",
]
