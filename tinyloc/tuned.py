"""Settings of training that were found good, by the kind of data: where to start from, instead of the paper's recipe.

Chosen on validation (ujiindoorloc with whole people and phones held out, flat with whole blocks of time), for small models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tinyloc.data import Augmentation, Dataset
from tinyloc.train import Inputs, Recipe


@dataclass(frozen=True)
class Tuned:
    """What `train.fit` takes beside data and model; `refit` is for its argument of that name."""

    recipe: Recipe
    inputs: Inputs
    augmentation: Augmentation
    refit: bool = True


def tuned(dataset: Dataset, recipe: Recipe | None = None, delay: int = 0) -> Tuned:
    """Settings for a data set; the recipe's epochs and seed stay as they are, and with a batch of its own its rate too.

    Rows that stand alone (a window of one) are another person's, phone's and month's in use: powed signals, a device's
    offset, gain and noise, lost and dead access points, rooms that count alike, large batches, and access points heard 20
    times at least.
    Windows of a walk get a device's offset; what helps them most is `delay`, the rows by which the answer may lag.
    """
    recipe = recipe or Recipe()
    if dataset.window > 1:
        return Tuned(recipe, Inputs(delay=delay), Augmentation(offset=4.0))
    batch = recipe.batch
    if batch == Recipe.batch:
        batch = max(batch, min(512, len(dataset.train) // 32))
    lr = min(1.0, recipe.lr * math.sqrt(batch / recipe.batch))  # the rule of Malladi et al., arXiv 2205.10287, for Adam
    return Tuned(replace(recipe, balance=1.0, batch=batch, lr=lr), Inputs("powed", 20, delay),
                 Augmentation(offset=5.0, gain=0.2, noise=3.0, deaf=1.0, lost=0.2, dead=0.2))
