"""The main job from end to end: samples, two trained models, two integer Programs, the proofs, one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tinyloc.data import Dataset
from tinyloc.train import Progress, Recipe

MODELS = ("mamba-h8l1", "mdcsa-h16l1")  # the paper's recommendations for 32 KB and for 64 KB
BUDGETS = (32 * 1024, 64 * 1024)  # bytes of RAM


def demo(dataset: Dataset, out: Path, *, models: Sequence[str] = MODELS, recipe: Recipe | None = None,
         source: dict[str, Any] | None = None, say: Callable[[str], None] = print,
         progress: Callable[[str], tuple[Progress | None, Callable[[], None]]] | None = None) -> list[dict[str, Any]]:
    """Trains, quantizes, verifies and audits each preset; one row of facts a model.  Programs say how sure they are, as
    those of `tinyloc quantize` do, where validation has labels.

    Writes `<preset>.safetensors` (float), `<preset>.int8.safetensors` (Program) and `demo.json` to the folder `out`.
    """
    from tinyloc import run
    from tinyloc.confidence import calibrate as count
    from tinyloc.confidence import can_calibrate
    from tinyloc.files import check_writable, json_text, write_atomic
    from tinyloc.model import preset
    from tinyloc.quantize import calibrate
    from tinyloc.train import fit, last_rows, scores, with_info
    from tinyloc.verify import audit, compare

    for name in models:
        preset(name, len(dataset.aps), len(dataset.rooms))  # before the first one is trained, or a folder is made
    check_writable(out / "demo.json")
    rows = []
    for name in models:
        began = time.monotonic()
        show, end = progress(name) if progress else (None, lambda: None)
        try:
            model = fit(dataset, name, recipe, progress=show)
        finally:
            end()
        if source:
            model = with_info(model, source=source)
        model.save(out / f"{name}.safetensors")
        program = calibrate(model, dataset)
        if can_calibrate(dataset):
            program = count(program, dataset)
        program.save(out / f"{name}.int8.safetensors")
        w = last_rows(model.info, dataset.test)
        true = w.y[:, -1]
        equal = compare(program, program.buffers[program.input].quantize(w.x))
        bytes_taken = audit(program)
        rows.append({
            "model": name, "parameters": model.parameters, "simulated": dataset.simulated, "windows": len(true),
            "interrupted": model.info["interrupted"],
            "float": scores(true, model.labels(w), dataset.rooms),
            "int8": scores(true, run.labels(program, w), dataset.rooms), "verify": equal.to_dict(),
            "memory": bytes_taken.best.to_dict(), "audit": bytes_taken.to_dict(),
            "seconds": round(time.monotonic() - began, 1)})
        say(f"{name}: {equal.summary()}; {bytes_taken.summary()}")
    write_atomic(out / "demo.json", json_text({"data": dataset.name, "note": dataset.note, "models": rows}, indent=2))
    return rows
