"""The page of a report: a function of its facts, one HTML file that asks for nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import math
from functools import cache
from importlib.util import find_spec
from typing import Any

from tinyloc.errors import ConfigError, ModelError
from tinyloc.report.document import EXTRA, check
from tinyloc.report.sections import SECTIONS
from tinyloc.report.views import verdict

MINUS = "\N{MINUS SIGN}"


def render(document: dict[str, Any]) -> str:
    """The page of a document (`document.collect`, `document.load`), HTML in UTF-8; the same facts give the same text.

    Raises ModelError for a document that is not as its schema says, or whose parts contradict each other; ConfigError
    without the extra.
    """
    environment = _environment()
    check(document)
    try:
        models = []
        for number, m in enumerate(document["models"], 1):
            blocks = []
            for section in SECTIONS:
                facts = m["sections"][section.name]
                lacking = facts.get("missing")
                blocks.append({"section": section, "missing": lacking,
                               "view": None if lacking else section.view(facts, m, document)})
            models.append({"name": m["name"], "number": number, "blocks": blocks})
        style = environment.get_template("style.css").render()
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        return str(environment.get_template("page.html").render(
            d=document, models=models, verdict=verdict(document), sections=SECTIONS, style=style, digest=digest))
    except (KeyError, IndexError, ZeroDivisionError, OverflowError, ValueError) as e:
        if isinstance(e, (ConfigError, ModelError)):
            raise
        raise ModelError(f"the facts of the report contradict each other ({type(e).__name__}: {e})") from None


def need() -> None:
    """Raises ConfigError when a package of the extra is missing."""
    for name in ("jinja2", "jsonschema"):
        if find_spec(name) is None:
            raise ConfigError(f"a report's page needs the package {name}; {EXTRA}")


@cache
def _environment() -> Any:
    need()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(loader=PackageLoader("tinyloc.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, keep_trailing_newline=True, extensions=["jinja2.ext.loopcontrols"])
    made.filters |= {"n": whole, "f": fixed, "e": errors, "pct": percent, "si": si, "kb": kilobytes, "short": short,
                     "u": unit}
    # The style is this package's own text, and has no facts in it.
    made.globals["raw"] = Markup
    return made


def whole(value: float) -> str:
    """1,234, with a minus sign."""
    return f"{value:,.0f}".replace("-", MINUS)


def fixed(value: float, digits: int = 3) -> str:
    """0.812."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def errors(value: float, digits: int = 2) -> str:
    """A number of a table whose values may be small or great: 0.29, 10.4, 768, 36,000; three digits say enough."""
    size = abs(value)
    if size < 999.5:
        return fixed(value, max(0, digits if size < 9.995 else digits - 1 if size < 99.95 else 0))
    power = 10.0 ** (math.floor(math.log10(size)) - 2)
    return whole(round(value / power) * power)


def short(value: float) -> str:
    """2k, 1M: a round number on an axis."""
    for factor, prefix in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g}{prefix}"
    return f"{value:g}"


def unit(value: float) -> str:
    """A coordinate of a picture."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(share: float, digits: int = 1) -> str:
    """5.2 %, "< 0.1 %" rather than 0."""
    least = 10.0**-digits
    if 0 < 100 * share < least:
        return f"< {least:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"


def si(value: float, what: str) -> str:
    """Three digits and a prefix: 1.25 ms."""
    for factor, prefix in ((1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{what}"
    return f"0 {what}" if not value else f"{value:.1e} {what}"


def kilobytes(size: int) -> str:
    """24 KB, where K is 1024, as memories are named; else bytes."""
    if size >= 1 << 20 and size % (1 << 20) == 0:
        return f"{size >> 20} MB"
    return f"{size >> 10:,} KB" if size >= 1024 and size % 1024 == 0 else f"{whole(size)} B"
