"""train, prune, quantize, export and run, killed wherever they touch a file, in the middle of a write, and at any time: what
has its name is whole, the same command again succeeds with the bits of one never killed, and leaves nothing else."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file
from test_cli import COLUMNS, walk

pytest.importorskip("resource", reason="needs POSIX")

from killed import Commands

from tinyloc.emulator import toolchain
from tinyloc.errors import ConfigError
from tinyloc.files import check_writable, private_folder, temporary_folder, write_atomic
from tinyloc.kernels import jit

DATA = ("--data", "walk.csv", *COLUMNS)
TRAIN = ("train", *DATA, "--model", "mamba-h2l1", "--epochs", "4", "--batch", "64")
# name -> the command, what it writes
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "train": ((*TRAIN, "--out", "out/m"), "m"),
    "refit": ((*TRAIN, "--refit", "--out", "out/m"), "m"),
    "prune": (("prune", "m", "--inner", "2", "--epochs", "2", "--rounds", "2", "--between", "1", "--out", "out/p"), "p"),
    "quantize": (("quantize", "m", "--out", "out/q"), "q"),
    "qat": (("quantize", "m", "--qat", "--epochs", "2", "--out", "out/q"), "q"),
    "run": (("run", "q", "--out", "out/rooms.csv"), "rooms.csv"),
    "export": (("export", "q", "--out", "out/firmware"), "firmware"),
}
# Whatever a command would load anew each time, kernels and all.
LOAD = """
import tinyloc.cli.models, tinyloc.cli.programs, tinyloc.fast, tinyloc.prune, tinyloc.qat, tinyloc.quantize, tinyloc.export
import tinyloc.convert.state, tinyloc.kernels._c, tinyloc.kernels.simd, tinyloc.pack, tinyloc.tuned, tinyloc.verify
from tinyloc.fast import adamw, crf, linear, mamba, norm
from tinyloc.kernels.table import OPS
for op in OPS.values():
    op.jit
"""
each_command = pytest.mark.parametrize("name", COMMANDS)
# Those that write as another one does, and take longer, are left to level 2.
most_commands = pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.level2 if name in ("refit", "qat") else ()) for name in COMMANDS])


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("killed")
    walk(folder / "walk.csv", 400)
    made = Commands(folder, LOAD)
    succeed(made, *TRAIN, "--out", "m")
    succeed(made, "quantize", "m", "--out", "q")
    yield made
    made.close()


def succeed(commands: Commands, *args: str) -> int:
    done = commands.run(*args)
    assert done["status"] == 0, f"{' '.join(args)}: {done}"
    return int(done["events"])


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@cache
def undisturbed(commands: Commands, name: str) -> tuple[dict[str, bytes], int]:
    """What the command writes into an empty folder, and the events of it; once, and all that is killed is held to it."""
    shutil.rmtree(commands.folder / "out", ignore_errors=True)
    events = succeed(commands, *COMMANDS[name][0])
    made = files(commands.folder / "out")
    assert {path.split("/")[0] for path in made} == {COMMANDS[name][1]}, "a command leaves its result and nothing else"
    return made, events


def check_killed(
        commands: Commands, name: str, want: dict[str, bytes], *whens: dict[str, Any], earlier: bool = False) -> bool:
    """Kills a command so, one time after another; True when the last one was killed."""
    args, result = COMMANDS[name]
    out = commands.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    if earlier:
        succeed(commands, *args)
    for when in whens:
        done = commands.run(*args, when=when)
        where = f"{name}, {whens}, earlier={earlier}: {done}"
        assert done["status"] in (0, -9, -14, -25), where  # SIGKILL, SIGALRM, SIGXFSZ
        visible = {p: data for p, data in (files(out) if out.exists() else {}).items() if p.split("/")[0] == result}
        # A folder is moved aside before the next one gets its name.
        assert visible == want or (not visible and (not earlier or name == "export")), where
        for path in out.glob("*.checkpoint"):
            assert load_file(path), "whole too"
    succeed(commands, *args)
    left = files(out)
    assert left == want, f"{where}: {sorted(set(left) ^ set(want)) or 'other bits'}"
    return bool(done["status"])


@each_command
def test_killed_at_a_file(name: str, commands: Commands, level: int) -> None:
    """Before each file that is opened, renamed or removed; level 1: some of them."""
    want, events = undisturbed(commands, name)
    assert events >= 3
    rng = random.Random(name)
    chosen = range(events) if level > 1 else sorted(rng.sample(range(events), min(events, 3)))
    for n in chosen:
        assert check_killed(commands, name, want, {"event": n}, earlier=bool(n % 2))
    twice = [{"event": rng.randrange(events // 2)} for _ in range(2)]
    check_killed(commands, name, want, *twice)


@most_commands
def test_killed_in_the_middle_of_a_write(name: str, commands: Commands, level: int) -> None:
    want, _ = undisturbed(commands, name)
    largest = max(map(len, want.values()))
    for share in ((0.0, 0.5) if level == 1 else (0.0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999)):
        assert check_killed(commands, name, want, {"bytes": int(largest * share)}, earlier=share > 0.2)


@most_commands
def test_killed_at_any_time(name: str, commands: Commands, level: int) -> None:
    want, _ = undisturbed(commands, name)
    rng = random.Random(f"{name}, time")
    for _ in range(1 if level == 1 else 30):
        check_killed(commands, name, want, *({"after": rng.uniform(0.001, 0.4)} for _ in range(rng.randint(1, 3))))


@most_commands
def test_a_full_disk(name: str, commands: Commands) -> None:
    """One line that names the file; no half file, no temporary one; and when there is room again, it succeeds."""
    want, _ = undisturbed(commands, name)
    args, result = COMMANDS[name]
    out = commands.folder / "out"
    for limit in (0, max(map(len, want.values())) // 2):
        shutil.rmtree(out, ignore_errors=True)
        done = commands.run(*args, when={"full": limit})
        assert done["status"] == 2 and re.search(rf"^tinyloc: \S*out/{result}\S*: cannot be written \(File too large\)$",
                                                 done["said"], re.M), done
        assert not [p for p in files(out) if not p.startswith(f"{result}.checkpoint")]
        succeed(commands, *args)
        assert files(out) == want


@most_commands
def test_where_nothing_can_be_written(name: str, commands: Commands) -> None:
    """/proc takes no file, not even root's; a file is no folder."""
    args, _ = COMMANDS[name]
    (commands.folder / "file").touch()
    for place in ("/proc/tinyloc", "file/tinyloc"):
        done = commands.run(*args[:-1], place)
        assert done["status"] == 2 and f"{place}: cannot be written (" in done["said"], done
        assert done["said"].count("\n") == 1


# ---- tinyloc.files ----

def test_leftovers_of_killed_writers_go_those_of_living_ones_stay(tmp_path: Path) -> None:
    import fcntl

    names = {".m.tinyloc-abcdefgh.tmp": False, ".m.tinyloc-12_45678.tmp": True, ".m.x.tinyloc-abcdefgh.tmp": True,
             ".m.tinyloc-abc.tmp": True, ".mm.tinyloc-abcdefgh.tmp": True, "m.tinyloc-abcdefgh.tmp": True,
             ".m.tinyloc-abcdefgh": True}
    for name in names:
        (tmp_path / name).touch()
    with (tmp_path / ".m.tinyloc-12_45678.tmp").open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        write_atomic(tmp_path / "m", b"1")
    assert {p.name for p in tmp_path.iterdir()} == {"m", *(n for n, stays in names.items() if stays)}
    write_atomic(tmp_path / "m", b"2")
    assert not (tmp_path / ".m.tinyloc-12_45678.tmp").exists() and (tmp_path / "m").read_bytes() == b"2"


@pytest.mark.parametrize("name", [".m.original", ".m.settings", ".m.12345678", ".m.tinyloc-original"])
def test_what_belongs_to_the_user_stays(name: str, tmp_path: Path) -> None:
    """Files and folders of names as near to a temporary one's as a person might come."""
    (tmp_path / "file").mkdir()
    (tmp_path / "folder" / name).mkdir(parents=True)
    (tmp_path / "folder" / name / "notes").write_text("mine")
    (tmp_path / "file" / name).write_text("mine")
    for place in ("file", "folder"):
        write_atomic(tmp_path / place / "m", b"1")
        with temporary_folder(tmp_path / place / "m"):
            pass
    assert files(tmp_path) == {f"file/{name}": b"mine", "file/m": b"1", f"folder/{name}/notes": b"mine", "folder/m": b"1"}


def test_what_is_killed_is_what_is_swept(tmp_path: Path) -> None:
    """The names that writers give are those that the next one removes."""
    code = """
import os, sys
from tinyloc import files
os.replace = lambda *a: os._exit(9)
if sys.argv[2] == "file":
    files.write_atomic(sys.argv[1], b"1")
else:
    with files.temporary_folder(files.Path(sys.argv[1])):
        os._exit(9)
"""
    for kind in ("file", "folder"):
        assert subprocess.run([sys.executable, "-c", code, tmp_path / "m", kind]).returncode == 9
        assert len(list(tmp_path.iterdir())) == 1
        write_atomic(tmp_path / "m", b"2")
        assert [p.name for p in tmp_path.iterdir()] == ["m"]
        (tmp_path / "m").unlink()


def test_of_a_link_the_target_is_written(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "old").write_bytes(b"0")
    for target in ("old", "new"):
        link = tmp_path / "b" / f"to-{target}"
        link.symlink_to(Path("..") / "a" / target)
        check_writable(link)
        write_atomic(link, b"1")
        assert link.is_symlink() and (tmp_path / "a" / target).read_bytes() == b"1" == link.read_bytes()
    (tmp_path / "b" / "circle").symlink_to("circle")
    for call in (check_writable, lambda path: write_atomic(path, b"1")):
        with pytest.raises(ConfigError, match="circle: cannot be written"):
            call(tmp_path / "b" / "circle")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "circle", "new", "old", "to-new", "to-old"]


def test_what_is_no_regular_file_gets_the_data(tmp_path: Path) -> None:
    """A pipe and /dev/null stay what they are; a folder is refused."""
    from threading import Thread

    pipe, came = tmp_path / "pipe", []
    os.mkfifo(pipe)
    check_writable(pipe)  # waits for nobody
    reader = Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_atomic(pipe, "heard")
    reader.join(60)
    assert came == [b"heard"] and pipe.is_fifo() and [p.name for p in tmp_path.iterdir()] == ["pipe"]
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (tmp_path / "null", Path("/dev/null")):
        check_writable(path)
        write_atomic(path, b"1")
        assert path.is_char_device()
    with pytest.raises(ConfigError, match="is a folder, expected a file's name"):
        check_writable(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be written \(Is a directory\)"):
        write_atomic(tmp_path, b"1")


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    """Sweeping never takes the file of a writer that lives."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write_atomic, tmp_path / "m", bytes([i]) * 999) for i in range(200)]:
            done.result()
    assert len(set((tmp_path / "m").read_bytes())) == 1 and [p.name for p in tmp_path.iterdir()] == ["m"]


def test_data_reach_the_disk_before_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, name=name: (done.append(name), real(*a))[1])
    write_atomic(tmp_path / "m", b"1")
    assert done == ["fsync", "replace", "fsync"], "the file, its name, the folder that holds the name"


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "m")
    assert [p.name for p in tmp_path.rglob("*")] == ["new"]


def test_a_check_does_not_mind_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer of the same path may sweep the check's file as soon as it is there."""
    real = tempfile.mkstemp

    def made_and_swept(*args: Any) -> tuple[int, str]:
        fd, name = real(*args)
        Path(name).unlink()
        return fd, name

    monkeypatch.setattr(tempfile, "mkstemp", made_and_swept)
    check_writable(tmp_path / "m")
    assert not files(tmp_path)


def test_code_is_not_taken_from_a_folder_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the home folder takes no cache: the temporary one is everybody's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = private_folder("firmware")
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700 and private_folder("firmware") == folder
    folder.chmod(0o777)
    with pytest.raises(PermissionError):
        private_folder("firmware")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/tinyloc")
    with pytest.raises(ConfigError, match=r"/proc/tinyloc.*another user owns it.*XDG_CACHE_HOME"):
        toolchain.cache_dir()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        private_folder("firmware")
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    (tmp_path / "tinyloc-firmware-4321").mkdir(mode=0o700)  # by root, or by whoever runs this
    with pytest.raises(PermissionError):
        private_folder("firmware")
    (tmp_path / "tinyloc-numba-4321").mkdir()
    assert jit.cache_dir(jit.HERE) is None, "then without a cache"
