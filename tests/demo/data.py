"""The demo's data: the 8 by 8 pictures of handwritten digits that ship with scikit-learn, in a training and a held-out half."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 8
"""Pixels along each edge of a picture."""

PIXELS = [f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE)]
"""Names of the input columns, row by row; the values are 0 (white) to 16 (black)."""

MIDDLE = [f"pixel_{row}_{column}" for row in (3, 4) for column in (3, 4)]
"""The four pixels in the middle of a picture. They are all white in many a zero: its hole."""

_SEED = 7


@dataclass(frozen=True)
class Digits:
    """Pictures to train with and pictures that no model has seen, which become the users' requests."""

    train_pictures: pd.DataFrame
    train_digits: pd.Series
    held_out_pictures: pd.DataFrame
    held_out_digits: pd.Series


@cache
def digits() -> Digits:
    """The data set, split in halves that carry each digit equally often; the same split every time."""
    bunch = load_digits()
    pictures = pd.DataFrame(bunch.data, columns=PIXELS)
    labels = pd.Series(bunch.target, name="digit")
    train_x, held_x, train_y, held_y = train_test_split(
        pictures, labels, test_size=0.5, random_state=_SEED, stratify=labels
    )
    return Digits(
        train_x.reset_index(drop=True),
        train_y.reset_index(drop=True),
        held_x.reset_index(drop=True),
        held_y.reset_index(drop=True),
    )


def blank_middle(pictures: pd.DataFrame) -> pd.Series:
    """Which pictures have no ink in the middle."""
    return pictures[MIDDLE].sum(axis=1) == 0
