"""Which networks are in memory."""

import threading

import pytest
from fakes import fake_optimizer

from promptopt.errors import BundleError
from promptopt.lsp.models import Optimizers
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

OTHER = Settings(adapter="other")
REMOTE = Settings(engine="remote", remote_url="http://127.0.0.1:1")


def load(optimizers: Optimizers, settings: Settings) -> Optimizer:
    return optimizers.load(settings, lambda fetched: None, threading.Event())


def test_what_is_loaded_is_ready_and_what_is_let_go_is_not() -> None:
    optimizers = Optimizers(lambda settings: fake_optimizer())
    assert optimizers.ready(Settings()) is None
    loaded = load(optimizers, Settings())
    assert optimizers.ready(Settings()) is loaded is optimizers.local(Settings())
    assert optimizers.ready(OTHER) is None
    assert optimizers.unload() == 1
    assert optimizers.ready(Settings()) is None


def test_a_network_of_another_machine_is_ready_at_once() -> None:
    optimizers = Optimizers(lambda settings: fake_optimizer())
    assert optimizers.ready(REMOTE) is optimizers.ready(REMOTE) is not None
    assert optimizers.unload() == 0


def test_what_is_let_go_while_it_is_loaded_is_not_kept() -> None:
    optimizers = Optimizers(lambda settings: made)
    made = fake_optimizer()
    made.fetch = lambda report, stop=None: optimizers.unload()  # type: ignore[method-assign, assignment]
    assert load(optimizers, Settings()) is made
    assert (optimizers.ready(Settings()), optimizers.unload()) == (None, 0)


def test_one_that_cannot_be_loaded_is_not_ready() -> None:
    optimizers = Optimizers(lambda settings: Optimizer(settings, missing))
    with pytest.raises(BundleError):
        load(optimizers, Settings())
    assert optimizers.ready(Settings()) is None


def missing(settings: Settings) -> None:
    raise BundleError(f"There is no adapter {settings.adapter}.")


def test_one_for_the_caller_alone_downloads_nothing() -> None:
    asked: list[Settings] = []
    optimizers = Optimizers(lambda settings: (asked.append(settings), fake_optimizer())[1])
    optimizers.local(Settings())
    assert [settings.offline for settings in asked] == [True]
    assert optimizers.ready(Settings()) is None
