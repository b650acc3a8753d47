"""Updates in the field: `python benchmarks/update.py` prints what packages and patches weigh, what a check costs a core, and
how many moments an update has at which the power may fail.

Packages are of models trained here on `--data`; patches are from the first of each: the same weights quantized otherwise,
trained on for three epochs, trained on as integers, and trained anew with another seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tinyloc import data, patch, qat, quantize, train
from tinyloc.cli import table
from tinyloc.emulator.flash import PARTS, Device, Flash, cost
from tinyloc.model import Model
from tinyloc.package import Package, device_key, payload, sign
from tinyloc.program import Program


def cases(model: Model, dataset: Any, recipe: train.Recipe, seed: int) -> Iterator[tuple[str, Program]]:
    """(what was done, the Program) of each; the first is what devices run."""
    yield "what devices run", quantize.calibrate(model, dataset)
    for method in ("minmax", "mse"):
        yield f"quantized by {method}", quantize.calibrate(model, dataset, method)
    training, validation = (train.prepare(model.info, rows)[0] for rows in (dataset.train, dataset.val))
    more = train.train(model, training, validation, replace(recipe, epochs=3, lr=2e-4, seed=seed + 1))
    yield "trained on", quantize.calibrate(more, dataset)
    yield "trained on as integers", qat.fit(model, dataset, replace(qat.RECIPE, epochs=3))
    anew = train.fit(dataset, model.config, replace(recipe, seed=seed + 1))
    yield "trained anew", quantize.calibrate(anew, dataset)


def package_of(program: Program, dataset: Any, key: Any, version: str) -> Package:
    """With two windows of the test rows and a random one."""
    codes = program.buffers[program.input].quantize(train.last_rows(program.info, dataset.test).x)
    return Package.parse(sign(payload(program, codes[[0, len(codes) // 2]]), key, version))


def moments(old: Package, new: Package, key: Any) -> dict[str, int]:
    """Programs and erases of an update and the boot that confirms it, a part each."""
    found = {}
    for name, which in PARTS.items():
        flash = Flash(which, -(-max(len(old.data), len(new.data)) // which.page) + 1)
        device = Device(flash, [device_key(key)], old.inputs)
        for p in (old, new):
            device.boot()
            flash.power_on()
            assert device.install(p.data, p.id) == 0
        assert device.boot() == 0 and device.running == new.hash
        found[name] = int(flash.nor.operations)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="flat", help="data set [flat]")
    parser.add_argument("--presets", nargs="+", default=["mamba-h16l1", "mdcsa-h16l1"])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from imgtool.keys import Ed25519

    key = Ed25519(Ed25519PrivateKey.from_private_bytes(np.random.default_rng(a.seed).bytes(32)))  # signs nothing but this
    dataset, recipe = data.load(a.data), train.Recipe(epochs=a.epochs, seed=a.seed)
    facts: dict[str, Any] = {"patches": [], "checks": [], "moments": {}}
    rows = [["model", "update", "package", "patch", "%"]]
    for name in a.presets:
        old: Package | None = None
        for what, program in cases(train.fit(dataset, name, recipe), dataset, recipe, a.seed):
            new = package_of(program, dataset, key, "1.0.1" if old else "1.0.0")
            if old is None:
                old = new
                rows.append([name, what, f"{len(new.data):,}", "", ""])
                continue
            made = patch.encode(new, old)
            rows.append([name, what, f"{len(new.data):,}", f"{len(made):,}", f"{100 * len(made) / len(new.data):.0f}"])
            facts["patches"].append({"model": name, "update": what, "bytes": len(new.data), "patch_bytes": len(made)})
        assert old is not None
        facts["moments"][name] = moments(old, new, key)
        for which in ("m0plus", "m4"):
            facts["checks"].append({"model": name, "core": which, "bytes": len(old.data),
                                    **asdict(cost(old.data, device_key(key), old.inputs, which))})
    columns = {"package": "bytes", "instructions": "instructions", "stack": "stack", "at most": "stack_bound",
               "check in flash": "check_bytes", "all in flash": "all_bytes"}
    checks = [["model", "core", *columns]]
    checks += [[c["model"], c["core"], *(f"{c[k]:,}" for k in columns.values())] for c in facts["checks"]]
    ends = [["model", *PARTS], *([n, *(f"{m[p]:,}" for p in PARTS)] for n, m in facts["moments"].items())]
    print(json.dumps(facts, indent=2) if a.json else "\n\n".join(
        [f"{dataset.name}, bytes", table(rows), table(checks), "programs and erases of an update", table(ends)]))


if __name__ == "__main__":
    main()
