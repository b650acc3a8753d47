"""The table of sections: what a report says of each model, in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinyloc.report import facts, views
from tinyloc.report.subject import Subject


@dataclass(frozen=True)
class Section:
    """One row.

    name: key of its facts in the document, of its definition in schema.json and of its block templates/sections/<name>.html.
    title: its heading.  collect: its facts; may raise `subject.Missing`.  view: (its facts, the model's whole entry, the
    document) -> what its block draws, numbers and texts alone.
    """

    name: str
    title: str
    collect: Callable[[Subject], dict[str, Any]]
    view: Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], dict[str, Any]]


SECTIONS = (
    Section("fit", "Where it fits", facts.fit, views.fit),
    Section("memory", "Memory over a run", facts.memory, views.memory),
    Section("instructions", "Instructions and time", facts.instructions, views.instructions),
    Section("accuracy", "Accuracy", facts.accuracy, views.accuracy),
    Section("layers", "Float against int8, layer by layer", facts.layers, views.layers),
    Section("exactness", "Bit-exactness", facts.exactness, views.exactness),
    Section("origin", "How to reproduce it", facts.origin, views.origin),
)
