"""Looks for the best regularisation with Hyperopt and registers the best model; each trial is a nested MLflow run.

python hyperopt/search.py data.csv --report report.json --trials 20 --version-file version.txt

What it registers is gated and promoted like any other version.
"""

import math
import sys
from pathlib import Path

import mlflow
import numpy
from hyperopt import STATUS_OK, Trials, fmin, hp, tpe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))
from dataset import read
from train import NAME, SEED, arguments, cross_validated, register, tags, train

if __name__ == "__main__":
    parser = arguments()
    parser.add_argument("--trials", type=int, default=20)
    given = parser.parse_args()
    table = read(given.data)

    def objective(c: float) -> dict[str, object]:
        """One trial: a run of its own below the search's."""
        with mlflow.start_run(nested=True):
            mlflow.log_param("C", c)
            loss = cross_validated(table, c)
            mlflow.log_metric("cross_validated_log_loss", loss)
        return {"loss": loss, "status": STATUS_OK}

    mlflow.set_experiment(NAME)
    with mlflow.start_run(run_name="hyperopt", tags=tags(given.data, given.report)):
        trials = Trials()
        space = hp.loguniform("C", math.log(1e-3), math.log(1e2))
        random = numpy.random.default_rng(SEED)
        best = fmin(objective, space, tpe.suggest, given.trials, trials=trials, rstate=random, show_progressbar=False)
        mlflow.log_metric("cross_validated_log_loss", trials.best_trial["result"]["loss"])
        version = register(train(table, best["C"]))
    given.version_file.write_text(version + "\n")
    print(f"{NAME} version {version}: the best of {given.trials} trials has C = {best['C']:.3g}")
