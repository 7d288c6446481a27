"""Moves the alias that Steersman follows to a version. Run it after `steersman gate` only; what follows is a canary.

python promote.py tumours --version 8
"""

import argparse

import mlflow

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--version", required=True)
    parser.add_argument("--alias", default="champion")
    given = parser.parse_args()
    mlflow.MlflowClient().set_registered_model_alias(given.model, given.alias, given.version)
    print(f"{given.model}@{given.alias} is version {given.version}")
