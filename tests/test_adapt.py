"""Fine-tuning on a new site: what stays where it is, what is gained, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tinyloc import train as training
from tinyloc.adapt import adapt, labeled_minutes, some_minutes, transplant
from tinyloc.cli import main
from tinyloc.data import Dataset, Samples, load
from tinyloc.data.windows import Scaler
from tinyloc.errors import DataError, ModelError
from tinyloc.model import Model
from tinyloc.train import Epoch, Inputs, Recipe, fit, last_rows

QUICK = Recipe(epochs=12, patience=12, batch=32)


@pytest.fixture(scope="module")
def house() -> Dataset:
    return load("simulated", seed=0)


@pytest.fixture(scope="module")
def model(house: Dataset) -> Model:
    return fit(house, "mamba-h8l1", QUICK)


def renamed(d: Dataset, rooms: dict[str, str], aps: dict[str, str]) -> Dataset:
    """The data set with other names."""
    def one(s: Samples) -> Samples:
        return replace(s, rooms=tuple(rooms.get(r, r) for r in s.rooms), aps=tuple(aps.get(a, a) for a in s.aps))

    return replace(d, train=one(d.train), val=one(d.val), test=one(d.test),
                   areas={rooms.get(r, r): a for r, a in d.areas.items()})


def shuffled(d: Dataset) -> Dataset:
    """The same rooms in another order."""
    order = np.roll(np.arange(len(d.rooms)), 2)
    number = np.append(np.argsort(order), -1)

    def one(s: Samples) -> Samples:
        return replace(s, rooms=tuple(s.rooms[i] for i in order), room=number[s.room])

    return replace(d, train=one(d.train), val=one(d.val), test=one(d.test))


def test_nothing_changes_where_all_names_are_known(house: Dataset, model: Model) -> None:
    start, site = transplant(model, shuffled(house))
    assert all(np.array_equal(start.params[k], v) for k, v in model.params.items()) and start.info == model.info
    assert site.rooms == house.rooms and np.array_equal(site.train.room, house.train.room)


def test_what_is_known_keeps_its_weights(house: Dataset, model: Model) -> None:
    gone, came = house.aps[3], "new_ap"
    start, site = transplant(model, renamed(house, {house.rooms[1]: "attic"}, {gone: came}))
    assert start.info["rooms"] == ["attic" if i == 1 else r for i, r in enumerate(house.rooms)] == list(site.rooms)
    assert set(site.areas) == set(site.rooms)
    assert start.info["aps"] == [came if a == gone else a for a in house.aps] == list(site.aps)
    stay = [i for i in range(len(house.rooms)) if i != 1]
    for name in ("head.weight", "crf.start", "crf.end"):
        assert np.array_equal(start.params[name][stay], model.params[name][stay])
        assert not np.array_equal(start.params[name][1], model.params[name][1])
    both = np.ix_(stay, stay)
    assert np.array_equal(start.params["crf.transitions"][both], model.params["crf.transitions"][both])
    assert not start.params["encoder.weight"][:, 3].any(), "a new access point says nothing at first"
    kept = [i for i in range(len(house.aps)) if i != 3]
    assert np.array_equal(start.params["encoder.weight"][:, kept], model.params["encoder.weight"][:, kept])
    old, new = Scaler.from_dict(model.info["scaler"]), Scaler.from_dict(start.info["scaler"])
    assert np.array_equal(old.lo[kept], new.lo[kept]) and new.lo[3] == Scaler.fit(site.train).lo[3]
    # Where neither of the two says anything, the old model's features are the new one's.
    x = last_rows(model.info, house.test).x[:8]
    x[..., 3] = 0
    assert np.allclose((model.forward(x)[0] - start.forward(x)[0])[..., stay], 0, atol=1e-6)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_a_new_access_point_has_the_range_that_all_share(house: Dataset, power: float) -> None:
    model = fit(house, "mamba-h2l1", replace(QUICK, epochs=1), inputs=Inputs("powed", power=power))
    start, _ = transplant(model, renamed(house, {}, {house.aps[3]: "new_ap"}))
    assert start.info["scaler"] == model.info["scaler"] and start.info["scaler"].get("power", 1) == power


def test_a_site_that_shares_nothing(house: Dataset, model: Model) -> None:
    other = renamed(house, {r: f"other {r}" for r in house.rooms}, {a: f"other {a}" for a in house.aps})
    start, _ = transplant(model, other)
    assert start.params["encoder.weight"].any() and start.info["rooms"] == list(other.rooms)
    assert np.array_equal(start.params["blocks.0.in_proj.weight"], model.params["blocks.0.in_proj.weight"])


def test_adapting_gains_on_held_out_minutes(model: Model) -> None:
    d = load("simulated", seed=5)
    found = adapt(model, d, replace(QUICK, epochs=25, patience=25), minutes=4)
    assert found.chosen in ("adapted", "anew") and found.gain > found.error > 0
    assert found.scores[found.chosen]["macro_f1"] > found.scores["before"]["macro_f1"]
    assert 3 < found.minutes < 5 and found.held_rows == (d.test.room >= 0).sum()
    assert found.model.info["adapted"]["minutes"] == found.minutes and "test" not in found.model.info
    w = last_rows(found.model.info, d.test)
    right = (found.model.labels(w) == w.y[:, -1])[w.y[:, -1] >= 0].mean()
    assert right == pytest.approx(found.scores[found.chosen]["accuracy"])


def test_what_adapting_would_have_brought(model: Model, house: Dataset, tmp_path: Path) -> None:
    """Where the given model is the best, it is not compared with itself: a step so long that it spoils the weights."""
    found = adapt(model, house, replace(QUICK, epochs=1, lr=1.0), minutes=1)
    assert (found.chosen, found.compared) == ("before", ("adapted", "before")) and found.gain < 0 < found.error
    model.save(tmp_path / "m")
    said = CliRunner().invoke(main, ["adapt", str(tmp_path / "m"), "--data", "simulated", "--minutes", "1", "--epochs", "1",
                                     "--lr", "1", "--out", str(tmp_path / "out")])
    assert said.exit_code == 1 and f"\nadapted against as it was: mean recall {found.gain:+.3f} +- " in said.stdout


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_with_the_same_result(model: Model, tmp_path: Path) -> None:
    d, how, file = load("simulated", seed=5), replace(QUICK, epochs=4), tmp_path / "checkpoint"
    undisturbed = adapt(model, d, how, minutes=2)

    def kill(e: Epoch) -> None:
        if e.number == 2:
            raise Killed

    with pytest.raises(Killed):
        adapt(model, d, how, minutes=2, checkpoint=file, progress=kill)
    assert file.exists()
    numbers: list[int] = []
    again = adapt(model, d, how, minutes=2, checkpoint=file, progress=lambda e: numbers.append(e.number))
    assert numbers == [3, 4] and undisturbed.to_dict() == again.to_dict()
    assert all(np.array_equal(again.model.params[k], v) for k, v in undisturbed.model.params.items())


def stop_at(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Ctrl-C at that epoch of all trainings, counted from 1, once."""
    counted, real = [0], training.macro_f1

    def judged(*args: Any) -> float:
        counted[0] += 1
        if counted[0] == calls:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(training, "macro_f1", judged)


@pytest.mark.parametrize("epoch", [2, 4, 5, 6])
def test_ctrl_c_keeps_the_best_so_far(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Of 3 epochs adapting and 3 anew, in any: what is judged are whole trainings and the best of the adapting so far;
    started again, it ends as if it had never been stopped."""
    d, how, file = load("simulated", seed=5), replace(QUICK, epochs=3), tmp_path / "checkpoint"
    undisturbed = adapt(model, d, how, minutes=2)
    stop_at(monkeypatch, epoch)
    found = adapt(model, d, how, minutes=2, checkpoint=file)
    assert found.interrupted and found.to_dict()["interrupted"] and set(found.scores) == {"before", "adapted"}
    if found.chosen == "adapted":
        assert found.model.info["interrupted"] == (epoch <= 3)
    again = adapt(model, d, how, minutes=2, checkpoint=file)
    assert again.to_dict() == undisturbed.to_dict() and not again.interrupted


def test_ctrl_c_before_there_is_anything(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        adapt(model, load("simulated", seed=5), replace(QUICK, epochs=3), minutes=2)


def test_ctrl_c_where_rooms_are_new(house: Dataset, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to compare with then: neither the model as it was nor one trained anew."""
    stop_at(monkeypatch, 2)
    found = adapt(model, renamed(house, {house.rooms[1]: "attic"}, {}), replace(QUICK, epochs=3), minutes=2)
    assert (found.interrupted, found.chosen, found.gain, found.error) == (True, "adapted", None, None)
    assert found.compared is None


def test_command_after_ctrl_c(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and keeps the checkpoint, from which the same command goes on."""
    model.save(tmp_path / "m")
    arguments = ["adapt", str(tmp_path / "m"), "--data", "simulated", "--seed", "5", "--minutes", "2", "--epochs", "3",
                 "--out", str(tmp_path / "out")]
    stop_at(monkeypatch, 2)
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code in (0, 1) and "; INTERRUPTED, best so far" in said.stdout and "anew" not in said.stdout
    assert (tmp_path / "out.checkpoint").exists()
    facts = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert not facts["interrupted"] and set(facts["scores"]) == {"before", "adapted", "anew"}
    assert not (tmp_path / "out.checkpoint").exists()


def test_command(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    arguments = ["adapt", str(tmp_path / "m"), "--data", "simulated", "--seed", "5", "--minutes", "2", "--epochs", "3",
                 "--out", str(tmp_path / "out"), "--json"]
    said = CliRunner().invoke(main, arguments)
    facts = json.loads(said.stdout)
    assert said.exit_code == (0 if facts["chosen"] != "before" else 1), said.output
    assert (tmp_path / "out").exists() == (facts["chosen"] != "before")
    assert not (tmp_path / "out.checkpoint").exists() and set(facts["scores"]) == {"before", "adapted", "anew"}
    said = CliRunner().invoke(main, [*arguments[:-1], "--minutes", "1e6"])
    assert said.exit_code == 2 and "labeled minutes were asked for" in said.output


def test_minutes_hold_every_room(house: Dataset) -> None:
    some = some_minutes(house.train, 3, house.rate_hz)
    assert labeled_minutes(some, house.rate_hz) == pytest.approx(3, abs=0.5)
    assert set(some.room[some.room >= 0]) == set(house.train.room[house.train.room >= 0])
    with pytest.raises(DataError, match="labeled minutes were asked for; the data have"):
        some_minutes(house.train, 1e4, house.rate_hz)


def test_what_cannot_be_adapted(house: Dataset, model: Model) -> None:
    with pytest.raises(ModelError, match="does not say what it was trained on"):
        adapt(replace(model, info={}), house)
    with pytest.raises(DataError, match="no motion channel 'wrist'"):
        adapt(replace(model, info={**model.info, "motion": ["wrist"]}), house)
    unlabeled = replace(house, test=replace(house.test, room=np.full_like(house.test.room, -1)))
    with pytest.raises(DataError, match="no labeled row is held out"):
        adapt(model, unlabeled)
