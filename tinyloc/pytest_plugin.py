"""A pytest plugin: one test for each row of a budget (`tinyloc.budget`), so that a firmware repository's tests fail when its
model outgrows it.

The ini option `tinyloc_budget` names the file, or several, from pytest's root on; `--tinyloc-budget FILE` takes their place.
They are collected whenever a folder is, and by name; `pytest -k ram` and the like work on them.  Every pytest that finds
tinyloc installed loads this, so it imports nothing before there is a budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tinyloc.budget import Row
    from tinyloc.errors import TinylocError


class BudgetError(Exception):
    """A row that is not kept, or cannot be judged, or a budget that cannot be read; its text is the report."""


class BudgetFile(pytest.File):
    """A budget: its rows are its tests.  One that cannot be read is a test that fails: other tests run beside it, as they
    would not after an error of collection."""

    def collect(self) -> Iterable[BudgetItem]:
        from tinyloc.budget import read
        from tinyloc.errors import TinylocError

        try:
            models = read(self.path)
        except TinylocError as e:
            yield BudgetItem.from_parent(self, name="budget", row=e)
            return
        seen: dict[str, int] = {}
        for row in (r for m in models for r in m.rows):
            seen[row.id] = seen.get(row.id, 0) + 1
            name = row.id if seen[row.id] == 1 else f"{row.id}:{seen[row.id]}"
            yield BudgetItem.from_parent(self, name=name, row=row)


class BudgetItem(pytest.Item):
    """A row of a budget, or why it has none."""

    def __init__(self, *, row: Row | TinylocError, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.row = row

    def runtest(self) -> None:
        from tinyloc.errors import TinylocError

        if isinstance(self.row, TinylocError):
            raise BudgetError(str(self.row))
        try:
            verdict = self.row.judge()
        except TinylocError as e:
            raise BudgetError(f"{self.row.model.path}: {self.row.name} cannot be judged: {e}") from None
        self.user_properties.append(("tinyloc", verdict.to_dict()))
        if not verdict.kept:
            raise BudgetError(f"{self.row.model.path}: {verdict.text}")
        self.add_report_section("call", "budget", verdict.text)  # with pytest -rP

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for what a budget says; all else as ever."""
        if isinstance(excinfo.value, BudgetError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"budget: {self.name}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option and the one of the command line."""
    parser.addini("tinyloc_budget", "budget files of tinyloc (TOML), from the root on", type="args", default=[])
    parser.getgroup("tinyloc").addoption("--tinyloc-budget", action="append", metavar="FILE", default=[],
                                         help="a budget file (TOML), instead of the ini option's; again for more")


def budgets(config: pytest.Config) -> list[Path]:
    """The budget files of this run."""
    chosen = config.getoption("--tinyloc-budget")
    if chosen:
        return [config.invocation_params.dir / f for f in chosen]
    return [config.rootpath / f for f in config.getini("tinyloc_budget")]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A budget file that lies in what is collected, or is named."""
    if any(file_path == f.resolve() for f in budgets(parent.config)):
        return BudgetFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that lie elsewhere: a run of the tests of a folder is one of the budget too."""
    there = {item.path for item in items if isinstance(item, BudgetItem)}
    here = config.invocation_params.dir
    whole = bool(config.getoption("--tinyloc-budget")) or any((here / a).is_dir() for a in config.args)
    for file in budgets(config):
        if whole and file.resolve() not in there:
            made = BudgetFile.from_parent(session, path=file.resolve())
            items.extend(made.collect())
