"""The command convert."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tinyloc.cli.common import CSV, DATA_HELP, JSON, SEED, emit, load_source, main, source_of
from tinyloc.errors import ConfigError


@main.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--from", "source", help="What wrote MODEL: mamba-ssm, mambapy, mdcsa (state dicts) or onnx.")
@click.option("--to", "target", help="Instead: what shall read a float MODEL's weights: mamba-ssm, mambapy or mdcsa.")
@click.option("--out", required=True, type=click.Path(dir_okay=False),
              help="File to write: with --from a float model; with --to a state dict, .safetensors or .pt.")
@click.option("--encoder", help="State dict: prefix of the linear layer on the inputs. [encoder; mdcsa: rssi_encoder]")
@click.option("--head", help="State dict: prefix of the linear layer that gives emissions. [head; mdcsa: hidden2loc]")
@click.option("--crf", help="State dict: prefix of the CRF, which may be absent. [crf]")
@click.option("--channels-first", is_flag=True, help="ONNX: the input is (batch, access points, rows).")
@click.option("--input-range", type=float, nargs=2, help="ONNX: what it reads for the least and greatest signal. [0 1]")
@click.option("--data", "data_name", help=DATA_HELP + " Gives rooms, access points, scaler and window, and a score.")
@click.option("--info", "info_file", type=click.Path(dir_okay=False),
              help="JSON file of what --data would say, or to change it: rooms, aps, window, hop, delay, rate_hz, scaler.")
@SEED
@CSV
@JSON
def convert(model: str, source: str | None, target: str | None, out: str, encoder: str | None, head: str | None,
            crf: str | None, channels_first: bool, input_range: tuple[float, float] | None, data_name: str | None,
            info_file: str | None, seed: int, as_json: bool, **given: Any) -> None:
    """Read another tool's model (MODEL), or write its weights.

    State dicts of PyTorch modules, as safetensors or .pt, and ONNX graphs become float models, which `tinyloc quantize`
    takes.  Rows a window: --window, or what the data have.  No pickled code is run.
    """
    from tinyloc.convert import describe, load, to_state, write_state
    from tinyloc.convert.state import DEFAULTS
    from tinyloc.files import check_writable

    if (source is None) == (target is None):
        raise ConfigError("expected --from, what wrote the model, or --to, what shall read it")
    named = {k: v for k, v in (("encoder", encoder), ("head", head), ("crf", crf)) if v is not None}
    kind = source or target or ""
    names = replace(DEFAULTS[kind], **named) if named and kind in DEFAULTS else None
    if named and not names:
        raise ConfigError(f"--{next(iter(named))} is about state dicts, not about {kind}")
    check_writable(out, model, data_name, info_file)
    if target:
        from tinyloc.model import Model

        state = to_state(Model.load(model), target, names)
        write_state(state, out)
        emit(as_json, {"model": model, "to": target, "out": out, "entries": {k: list(v.shape) for k, v in state.items()}},
             f"{out}: {len(state)} entries as {target} names them, {sum(v.size for v in state.values()):,} numbers")
        return
    found = load(model, kind, names, window=given["csv_window"], channels_first=channels_first,
                 input_range=input_range or (0.0, 1.0))
    facts: dict[str, Any] = {"model": out, "from": kind, "family": found.config.family, "access_points": found.config.aps,
                             "rooms": found.config.classes, "parameters": found.parameters,
                             "sizes": getattr(found.config, "sizes", None), "data": None, "test": None}
    text = f"{out}: {found.config.family} of {kind}, {found.config.aps} access points, {found.config.classes} rooms, "
    text += f"{found.parameters:,} parameters"
    if data_name:
        from tinyloc.train import last_rows, scores

        where = source_of(data_name, seed, given)
        d = load_source(where)
        found = _informed(describe(found, d, given["csv_window"]), info_file)
        w = last_rows(found.info, d.test)
        found.info |= {"source": where, "test": scores(w.y[:, -1], found.labels(w), d.rooms)}
        facts |= {"data": d.name, "simulated": d.simulated, "test": found.info["test"]}
        test = found.info["test"]
        text += (f"; macro-F1 {test['macro_f1']:.3f} on test (accuracy {test['accuracy']:.3f}) of {d.name}"
                 + (" (SIMULATED)" if d.simulated else ""))
    else:
        found = _informed(found, info_file)
    found.save(out)
    emit(as_json, facts, text)


def _informed(model: Any, file: str | None) -> Any:
    from tinyloc.convert import informed

    if file is None:
        return model
    try:
        given = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ConfigError(f"{file}: no JSON file ({e})") from None
    if not isinstance(given, dict):
        raise ConfigError(f"{file}: expected a JSON object of rooms, aps, window, scaler …")
    return informed(model, given, file)
