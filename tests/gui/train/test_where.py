"""Where trainings are computed: decided without Qt, remembered, and turned into a command line."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from napari_scribseg.gui.train.where import HERE, WherePresenter


class View:
    def show_where(self, choices, chosen, problem):
        self.choices, self.chosen, self.problem = choices, chosen, problem


class Store:
    def __init__(self, *known):
        self.known = known

    def load(self):
        return self.known

    def save(self, addresses):
        self.known = addresses


@pytest.fixture
def presenter():
    made = WherePresenter(View(), Store("ssh://me@gpu1"))
    made.begin()
    return made


RUN = SimpleNamespace(path="/project/runs/a")


def test_it_begins_here_and_offers_what_was_used_before(presenter):
    assert (presenter.view.chosen, presenter.view.choices) == (HERE, (HERE, "ssh://me@gpu1"))
    assert "--on" not in presenter.command(RUN, False, False)


def test_an_address_goes_to_the_child_and_is_remembered_first(presenter):
    presenter.choose(" tcp://10.0.0.1:8786 ")
    words = presenter.command(RUN, False, True)
    assert words[0] == sys.executable
    assert words[-2:] == ["--on", "tcp://10.0.0.1:8786"]
    assert {"--resume", "--lifeline"} < set(words)
    assert presenter.store.known == ("tcp://10.0.0.1:8786", "ssh://me@gpu1")
    presenter.choose("Here")
    assert presenter.view.chosen == HERE
    assert "--on" not in presenter.command(RUN, False, False)


@pytest.mark.parametrize("typed", ["gpu1", "tcp://", "http://gpu1", "ssh://-oProxyCommand=x"])
def test_what_is_no_address_is_told_and_changes_nothing(presenter, typed):
    presenter.choose("ssh://me@gpu1")
    presenter.choose(typed)
    assert "expected the address of a Dask scheduler" in presenter.view.problem
    assert presenter.address == "ssh://me@gpu1"
    assert presenter.store.known == ("ssh://me@gpu1",)
