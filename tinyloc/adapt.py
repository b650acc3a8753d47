"""A trained model on a new site, or on its own that has changed: fine-tuning on a few labeled minutes, judged on others.

What the site shares with the model by name stays where it is: rooms keep their rows of the head and of the decoder, access
points their columns of the encoder and their ranges of the scaler.  What is new begins as in a new model (rooms) or at 0
(access points, so that they say nothing until training has found what they say).  All weights are then trained on.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.data.metrics import paired_gain
from tinyloc.data.split import hold_out, part, time_blocks, units
from tinyloc.data.table import Dataset, Samples
from tinyloc.data.windows import Scaler, Windows
from tinyloc.errors import DataError, ModelError
from tinyloc.model import Config, Model
from tinyloc.train import Changing, Inputs, Progress, Recipe, as_begun, last_rows, prepare, scores, train

#: Of the fine-tuning.  At a lower rate, or for half as long, it came less far (three simulated houses, 2 and 5 minutes).
RECIPE = Recipe()
BLOCK_S = 20.0  # what `minutes` are chosen by: about as long as somebody stays in a room, so that few blocks hold all rooms


@dataclass(frozen=True)
class Adapted:
    """What fine-tuning brought.

    model: what is best on the validation rows: `chosen` says which, "before", "adapted" or "anew".
    scores: on the held-out rows, of the given model ("before", unless it lacks a room or an access point of the site), of
    the fine-tuned one ("adapted"), and of one trained on the same minutes from the start ("anew").
    interrupted: Ctrl-C ended the fine-tuning early, whose best so far counts, or the one "anew", which is then left out.
    gain, error: in mean recall of the first of `compared` over the second, and its standard deviation (`paired_gain`): of
    what is chosen over "before", or of "adapted" where nothing is gained by it; of "adapted" over "anew" where there is no
    "before"; None where there is neither.
    minutes: labeled, of training; held_minutes, held_rows: judged on.
    new_rooms, new_aps, lost_aps: names.
    """

    model: Model
    chosen: str
    scores: dict[str, dict[str, Any]]
    compared: tuple[str, str] | None
    gain: float | None
    error: float | None
    minutes: float
    held_minutes: float
    held_rows: int
    new_rooms: tuple[str, ...]
    new_aps: tuple[str, ...]
    lost_aps: tuple[str, ...]
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without the model."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "model"}


def labeled_minutes(samples: Samples, rate_hz: float) -> float:
    """Minutes of the labeled rows; a row of data without a rate counts as a second."""
    return float((samples.room >= 0).sum()) / (rate_hz or 1.0) / 60


def some_minutes(samples: Samples, minutes: float, rate_hz: float, seed: int = 0) -> Samples:
    """About so many labeled minutes of the rows, in stretches of `BLOCK_S` that hold every room if they can.

    Raises DataError when there are fewer.
    """
    has = labeled_minutes(samples, rate_hz)
    if minutes > has:
        raise DataError(f"{minutes:g} labeled minutes were asked for; the data have {has:.3g} for training")
    unit = time_blocks(samples, BLOCK_S) if rate_hz else np.arange(len(samples))
    # `hold_out` takes care of what stays; here it is what goes that may lack a room, so it is asked for the rest.
    return part(samples, ~hold_out(unit, samples.room, 1 - minutes / has, seed))


def transplant(model: Model, dataset: Dataset, seed: int = 0) -> tuple[Model, Dataset]:
    """(the model as it begins on the site, the data set with rooms numbered and access points chosen as it has them).

    All rooms of the model stay where the site has no other ones; else they become the site's.  Its access points stay where
    the site has them all; else they become those that are heard there (`Inputs.heard`).  Motion channels must be there.
    Raises ModelError for a model that does not say what it was trained on, DataError for a site without a labeled row or
    without a motion channel of the model's.
    """
    info = model.info
    if not {"scaler", "window", "rooms", "aps"} <= info.keys():
        raise ModelError("adapting: the model does not say what it was trained on; expected a model that `fit` made")
    known, heard = tuple(map(str, info["rooms"])), [str(a) for a in info["aps"]]
    motions = [str(m) for m in info.get("motion", ())]
    if lacking := [m for m in motions if m not in dataset.motions]:
        raise DataError(f"{dataset.name} has no motion channel {lacking[0]!r}, which the model reads; it has "
                        f"{', '.join(dataset.motions) or 'none'}")
    occur = [r for i, r in enumerate(dataset.rooms)
             if any((rows.room == i).any() for rows in (dataset.train, dataset.val, dataset.test))]
    rooms = known if set(occur) <= set(known) else tuple(occur)
    old = Scaler.from_dict(info["scaler"])
    aps = heard if set(heard) <= set(dataset.inputs) else Inputs().heard(dataset.train) + motions
    site = dataset.with_rooms(rooms).select(aps)
    if (rooms, aps) == (known, heard):
        return Model(model.config, dict(model.params), dict(info)), site

    made = Model.create(replace(model.config, aps=len(aps), classes=len(rooms)), seed)
    params = made.params | {k: v for k, v in model.params.items() if v.shape == made.params[k].shape}
    here, there = np.transpose([(i, heard.index(a)) for i, a in enumerate(aps) if a in heard]
                               or np.zeros((0, 2))).astype(int)
    encoder = np.zeros_like(made.params["encoder.weight"])
    encoder[:, here] = model.params["encoder.weight"][:, there]
    if not len(here):  # of a site that shares no access point nothing is known
        encoder = made.params["encoder.weight"]
    params["encoder.weight"] = encoder
    to, of = np.transpose([(i, known.index(r)) for i, r in enumerate(rooms) if r in known] or np.zeros((0, 2))).astype(int)
    for name in ("head.weight", "head.bias", "crf.start", "crf.end", "crf.transitions"):
        if name in params:
            both = name == "crf.transitions"
            grown = made.params[name].copy()
            grown[np.ix_(to, to) if both else to] = model.params[name][np.ix_(of, of) if both else of]
            params[name] = grown
    fresh = Scaler.fit(site.train, hold=old.hold, not_heard=old.not_heard,
                       signal="powed" if old.shared else "minmax")
    lo, hi = fresh.lo.copy(), fresh.hi.copy()
    if old.shared and len(here):  # one range for all access points
        m = len(aps) - len(motions)
        lo[:m], hi[:m] = old.lo[0], old.hi[0]
    lo[here], hi[here] = old.lo[there], old.hi[there]
    more = {"rooms": list(rooms), "aps": list(aps), "scaler": replace(old, lo=lo, hi=hi).to_dict()}
    return Model(made.config, params, {**info, **more}), site


def adapt(model: Model, dataset: Dataset, recipe: Recipe | None = None, *, minutes: float | None = None,
          checkpoint: str | Path | None = None, progress: Progress | None = None) -> Adapted:
    """Fine-tunes a model on the training rows of a site's data set and judges it on the test rows.

    recipe: `RECIPE`, with the model's own balance and share of states carried; its seed chooses the minutes too.  minutes:
    of labeled rows to train on; None: all.  The best epoch is chosen on the validation rows, and so is what is best of the
    given model, the fine-tuned one, and one trained anew by the same recipe.  Windows are changed as they were when the
    model was trained (`info["augmentation"]`).
    checkpoint: a file that is written after every epoch; a killed or interrupted run goes on from there.
    Ctrl-C ends it early: what was best so far is judged, with `interrupted` true; before the first epoch is over it goes
    through.
    Raises what `transplant`, `some_minutes` and `train` raise; DataError for a test part without labels.
    """
    recipe = as_begun(recipe or RECIPE, model.info)
    start, site = transplant(model, dataset, recipe.seed)
    rows = site.train if minutes is None else some_minutes(site.train, minutes, site.rate_hz, recipe.seed)
    validation, held = last_rows(start.info, site.val), last_rows(start.info, site.test)
    true, rooms = held.y[:, -1], site.rooms
    if not (true >= 0).any():
        raise DataError(f"{dataset.name}: no labeled row is held out to judge by; expected some in test")
    training, _, changing = prepare(start.info, rows)
    found = train(start, training, validation, recipe, checkpoint=checkpoint, progress=progress, changing=changing)
    anew = None if found.info["interrupted"] else _whole(start.config, training, validation, recipe, changing)
    interrupted = anew is None

    same = list(start.info["rooms"]) == list(model.info["rooms"]) and list(start.info["aps"]) == list(model.info["aps"])
    candidates = ({"before": model} if same else {}) | {"adapted": found} | ({"anew": anew} if anew else {})
    y = validation.y[:, -1]
    judged = {name: scores(y, m.labels(validation), rooms)["macro_f1"] for name, m in candidates.items()}
    chosen = max(judged, key=lambda name: judged[name])  # of equal ones the first: nothing changes without a reason
    labels = {name: m.labels(held) for name, m in candidates.items()}
    unit = units(site.test, int(start.info["window"]), site.rate_hz)
    compared = (("adapted" if chosen == "before" else chosen, "before") if same else
                ("adapted", "anew") if anew else None)
    gain, error = paired_gain(true, labels[compared[1]], labels[compared[0]], unit) if compared else (None, None)
    new_rooms, new_aps, lost = ([n for n in some if n not in others] for some, others in (
        (rooms, model.info["rooms"]), (start.info["aps"], model.info["aps"]), (model.info["aps"], start.info["aps"])))
    learned = labeled_minutes(rows, site.rate_hz)
    told = {"site": dataset.name, "minutes": learned, "from": model.info.get("name"), "chosen": chosen}
    best = candidates[chosen]
    if chosen != "before":
        info = {k: v for k, v in {**start.info, **best.info}.items() if k not in ("test", "refit")}
        best = replace(best, info={**info, "dataset": dataset.name, "simulated": dataset.simulated, "note": dataset.note,
                                   "rate_hz": dataset.rate_hz, "adapted": told})
    return Adapted(best, chosen, {name: scores(true, found, rooms) for name, found in labels.items()}, compared, gain, error,
                   learned, labeled_minutes(site.test, site.rate_hz), int((true >= 0).sum()), tuple(new_rooms),
                   tuple(new_aps), tuple(lost), interrupted)


def _whole(config: Config, training: Windows, validation: Windows, recipe: Recipe, changing: Changing | None
           ) -> Model | None:
    """A model trained from the start; None where Ctrl-C ended it early: less than the whole is no comparison."""
    try:
        made = train(Model.create(config, recipe.seed), training, validation, recipe, changing=changing)
    except KeyboardInterrupt:
        return None
    return None if made.info["interrupted"] else made
