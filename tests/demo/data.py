"""The demo's data: the 8 by 8 pictures of handwritten digits that ship with scikit-learn, in a training and a held-out half."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 8
"""Pixels along each edge of a picture."""

PIXELS = SIDE * SIDE
"""A picture is a row of that many numbers, line by line, from 0 (white) to 16 (black)."""

MIDDLE = [27, 28, 35, 36]
"""The four pixels in the middle of a picture. They are all white in many a zero: its hole."""

Pictures = NDArray[np.float64]

_SEED = 7


@dataclass(frozen=True)
class Digits:
    """Pictures to train with and pictures that no model has seen, which become the users' requests."""

    train_pictures: Pictures
    train_digits: NDArray[np.int64]
    held_out_pictures: Pictures
    held_out_digits: NDArray[np.int64]


@cache
def digits() -> Digits:
    """The data set, split in halves that carry each digit equally often; the same split every time."""
    bunch = load_digits()
    train_x, held_x, train_y, held_y = train_test_split(
        bunch.data, bunch.target, test_size=0.5, random_state=_SEED, stratify=bunch.target
    )
    return Digits(train_x, train_y, held_x, held_y)


def blank_middle(pictures: Pictures) -> NDArray[np.bool_]:
    """Which pictures have no ink in the middle."""
    return np.asarray(pictures[:, MIDDLE].sum(axis=1) == 0)
