"""Commands of tinyloc that die: one process loads everything once, and each command runs in a copy of it.

    killed = Commands(cwd)
    status = killed.run("train", "--out", "m.safetensors", when={"event": 3})

when: how it ends.  {"event": n}: SIGKILL at its n-th event below the folder, from 0 (a file opened, renamed, removed, a
folder made).  {"bytes": n}: a signal whose default ends a process on the spot, when a file grows beyond n bytes, in the
middle of the write.  {"after": s}: a signal likewise, s seconds after its start.  {"full": n}: no signal, but the write
fails, as it does when a disk is full.  {}: it is left alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")


class Commands:
    """The loaded process; `close` ends it."""

    def __init__(self, folder: Path, load: str = "") -> None:
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, __file__, str(folder), load], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *args: str, when: dict[str, Any] | None = None) -> dict[str, Any]:
        """status: as `os.waitstatus_to_exitcode` has it; events: how many there were, unless it was killed; said: what it
        wrote to stdout and stderr."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps({"args": args, "when": when or {}}), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, f"the process of tests/killed.py ended: {self.process.wait()}"
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def _child(folder: str, args: list[str], when: dict[str, Any], said: int, count: int) -> None:
    import resource

    os.dup2(said, 1)
    os.dup2(said, 2)
    seen = 0
    below = os.path.realpath(folder) + os.sep

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in EVENTS and isinstance(arguments[0], str | os.PathLike):
            path = os.path.join(os.getcwd(), os.fspath(arguments[0]))
            if str(path).startswith(below):
                if seen == when.get("event"):
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

    sys.addaudithook(hook)
    if "bytes" in when or "full" in when:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if "bytes" in when else signal.SIG_IGN)
        limit = when.get("bytes", when.get("full"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if "after" in when:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, when["after"])
    from tinyloc.cli import main

    try:
        main(args)
        code: Any = 0
    except SystemExit as e:
        code = e.code or 0
    except BaseException as e:  # a traceback is a finding of its own
        print(f"{type(e).__name__}: {e}")
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(count, str(seen).encode())
    os._exit(code if isinstance(code, int) else 98)


def _serve(folder: str, load: str) -> None:
    if load:
        exec(load, {})
    for line in sys.stdin:
        asked = json.loads(line)
        # Pipes, for they have no size that could be limited.
        said, count = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            _child(folder, asked["args"], asked["when"], said[1], count[1])
        told = []
        for reader, writer in (said, count):
            os.close(writer)
            with os.fdopen(reader, "rb") as f:
                told.append(f.read().decode(errors="replace"))
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "events": int(told[1] or -1), "said": told[0]}),
              flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2])
