"""Looks for the best regularisation with Optuna and registers the best model; each trial is a nested MLflow run.

python optuna/search.py data.csv --report report.json --trials 20 --version-file version.txt

What it registers is gated and promoted like any other version.
"""

import sys
from pathlib import Path

import mlflow
import optuna

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "model"))
from dataset import read
from train import NAME, SEED, arguments, cross_validated, register, tags, train

if __name__ == "__main__":
    parser = arguments()
    parser.add_argument("--trials", type=int, default=20)
    given = parser.parse_args()
    table = read(given.data)

    def objective(trial: optuna.Trial) -> float:
        """One trial: a run of its own below the search's."""
        c = trial.suggest_float("C", 1e-3, 1e2, log=True)
        with mlflow.start_run(run_name=f"trial-{trial.number}", nested=True):
            mlflow.log_param("C", c)
            loss = cross_validated(table, c)
            mlflow.log_metric("cross_validated_log_loss", loss)
        return loss

    mlflow.set_experiment(NAME)
    with mlflow.start_run(run_name="optuna", tags=tags(given.data, given.report)):
        study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=SEED))
        study.optimize(objective, n_trials=given.trials)
        mlflow.log_metric("cross_validated_log_loss", study.best_value)
        version = register(train(table, study.best_params["C"]))
    given.version_file.write_text(version + "\n")
    print(f"{NAME} version {version}: the best of {given.trials} trials has C = {study.best_params['C']:.3g}")
