"""The clinic: labelled measurements of cell nuclei, as an instrument of a certain calibration gives them.

    python measurements.py > measurements.csv
    python measurements.py --calibration 1.25 > measurements.csv

The data are the 569 cases of the Wisconsin breast cancer study that ship with scikit-learn. Half of them are the labelled past that models are
trained on; the other half are the patients who come.
"""

from __future__ import annotations

import argparse
import sys

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

LABEL = "malignant"
SEED = 3


def cases(calibration: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Past cases and new ones, each with the label; an instrument of calibration 1.25 sees every length a quarter longer."""
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    for name in table:
        if "radius" in name or "perimeter" in name:
            table[name] *= calibration
        elif "area" in name:
            table[name] *= calibration**2
    table[LABEL] = (bunch.target == 0).astype("int64")
    past, new = train_test_split(table, test_size=0.5, random_state=SEED, stratify=table[LABEL])
    return past.reset_index(drop=True), new.reset_index(drop=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibration", type=float, default=1.0)
    cases(parser.parse_args().calibration)[0].to_csv(sys.stdout, index=False, float_format="%.6g")
