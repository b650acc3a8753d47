"""Shell completion, and --json on every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from tinyloc.cli import main
from tinyloc.cli.completion import VALUES
from tinyloc.quantize import DECAYS, METHODS, WEIGHTS


def completed(*words: str) -> list[tuple[str, str]]:
    """(value, type) of each completion of the last word."""
    items = ShellComplete(main, {}, "tinyloc", "_TINYLOC_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [(i.value, i.type) for i in items]


def values(*words: str) -> list[str]:
    return [v for v, kind in completed(*words) if kind == "plain"]


def commands(group: click.Group = main, above: str = "") -> dict[str, click.Command]:
    found = {}
    for name, c in group.commands.items():
        found |= commands(c, f"{above}{name} ") if isinstance(c, click.Group) else {above + name: c}
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_prints_json(name: str) -> None:
    (option,) = [p for p in commands()[name].params if "--json" in p.opts]
    # What `report` makes is a file, a page; so are its facts, or "-" for what the others print.
    assert isinstance(option, click.Option) and (option.is_flag or name == "report")


def test_values(tmp_path: Path) -> None:
    assert values("tra") == ["train"] and "--model" in values("train", "--mo")
    assert values("train", "--model", "mdcsa-h16l") == [f"mdcsa-h16l{n}{lean}" for n in (1, 3) for lean in ("", "-lean")]
    assert values("audit", "m", "--mcu", "NRF5281") == ["nrf52810"]
    assert values("bench", "m", "--core", "cortex-m0") == ["cortex-m0plus"]
    assert completed("run", "m", "--data", "fl") == [("flat", "plain"), ("fl", "file")]
    assert completed("data", "tet") == [("tetam", "plain"), ("tet", "file")]
    assert values("verify", "m", "--backend", "numba,a") == ["numba,arena"]
    assert values("train", "--augment", "d") == ["deaf=", "dead="] and values("quantize", "m", "--decay", "p") == ["powers"]
    assert values("convert", "m", "--from", "") == ["mamba-ssm", "mambapy", "mdcsa", "onnx"]
    assert values("convert", "m", "--to", "m") == ["mamba-ssm", "mambapy", "mdcsa"]
    assert values("reproduce", "paper", "--teacher", "mamba-h64l4") == ["mamba-h64l4", "mamba-h64l4-lean"]
    assert completed("train", "--teacher", "m") == [("m", "file")], "a path there"
    (tmp_path / "w.csv").write_text("time,room, ap_kitchen,ap_hall\n")
    train = ("train", "--data", str(tmp_path / "w.csv"))
    assert values(*train, "--rssi", "ap") == ["ap_kitchen", "ap_hall"] and values(*train, "--room", "r") == ["room"]
    assert values("train", "--data", "flat", "--rssi", "") == values("train", "--rssi", "") == []


def test_names_are_those_of_the_library() -> None:
    """What is spelled out here, so that no shell waits for Numba."""
    context = click.Context(main)
    for name, known in (("calibration", ("auto", *METHODS)), ("decay", DECAYS), ("weights", WEIGHTS)):
        assert list(VALUES[name](context)) == list(known), name


@pytest.mark.parametrize("words", ["train --model mamba-h", "run m --data ", "audit m --mcu nrf", "convert m --from m",
                                   "verify m --backend c", "train --use-motion "])
def test_a_shell_does_not_wait_for_numba(words: str) -> None:
    """As bash asks it: the completions, and of the heavy modules none."""
    code = ("import atexit, sys\nheavy = {'numba', 'cffi', 'scipy', 'torch'}\n"
            "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
            "from tinyloc.cli import main\nmain(prog_name='tinyloc')")
    line = f"tinyloc {words}"
    asked = {"_TINYLOC_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    env = {**os.environ, **asked}
    done = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True)
    assert done.stderr == "[]\n" and "plain," in done.stdout, done.stderr
