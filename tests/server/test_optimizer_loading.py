"""When the optimizer loads its network, and how often."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import FakeEngine, fake_rewrite, manifest, mini_codec

from promptopt import Optimizer as ExportedOptimizer
from promptopt.adapters.access import Access
from promptopt.engine.loader import Model
from promptopt.errors import BundleError, Cancelled
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

CODEC = mini_codec()


def test_nothing_is_loaded_before_it_is_needed_and_then_with_the_settings() -> None:
    loaded: list[Settings] = []

    def loader(settings: Settings) -> Model:
        loaded.append(settings)
        return Model(manifest(), CODEC, FakeEngine(CODEC))

    optimizer = Optimizer(Settings(adapter="mine", threads=2), loader)
    assert loaded == []
    assert optimizer.load() is optimizer.load()
    optimizer.optimize("fix it")
    assert loaded == [Settings(adapter="mine", threads=2)]


def test_the_network_is_loaded_once_under_concurrent_first_calls() -> None:
    loads, second = [], threading.Event()

    def loader(settings: Settings) -> Model:
        loads.append(settings)
        if len(loads) > 1:
            second.set()
        second.wait(0.3)  # leaves another caller the time to come in, if it can
        return Model(manifest(), CODEC, FakeEngine(CODEC))

    optimizer = Optimizer(Settings(), loader)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: optimizer.optimize(f"task {number}").text, range(8)))
    assert texts == [fake_rewrite(f"task {number}") for number in range(8)]
    assert len(loads) == 1


def test_a_loader_that_failed_is_asked_again() -> None:
    attempts = iter([BundleError("Not there yet."), Model(manifest(), CODEC, FakeEngine(CODEC))])

    def loader(settings: Settings) -> Model:
        outcome = next(attempts)
        if isinstance(outcome, Model):
            return outcome
        raise outcome

    optimizer = Optimizer(Settings(), loader)
    with pytest.raises(BundleError, match="Not there yet"):
        optimizer.optimize("fix it")
    assert optimizer.optimize("fix it").text == fake_rewrite("fix it")


def test_a_call_that_waits_for_another_can_be_cancelled() -> None:
    begun, go, stop = threading.Event(), threading.Event(), threading.Event()

    def loader(settings: Settings) -> Model:
        begun.set()
        assert go.wait(60)
        return Model(manifest(), CODEC, FakeEngine(CODEC))

    optimizer = Optimizer(Settings(), loader)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(optimizer.optimize, "first")
        assert begun.wait(60)
        second = pool.submit(optimizer.optimize, "second", stop)
        stop.set()
        with pytest.raises(Cancelled):
            second.result(60)
        go.set()
        assert first.result().text == fake_rewrite("first")


def test_a_download_is_cancelled_and_the_next_call_downloads_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stops, stop = list[threading.Event](), threading.Event()

    def downloading(name: str, access: Access) -> None:
        stops.append(access.stop)
        if access.stop is stop:
            stop.set()
            raise Cancelled("Fetching was cancelled.")

    monkeypatch.setattr("promptopt.optimizer.locate", downloading)
    optimizer = Optimizer(Settings(adapter="owner/name"), lambda _: Model(manifest(), CODEC, FakeEngine(CODEC)))
    with pytest.raises(Cancelled):
        optimizer.optimize("fix it", stop)
    optimizer.fetch(lambda _: None)
    assert optimizer.optimize("fix it").text == fake_rewrite("fix it")
    assert (stops[0] is stop, len(stops)) == (True, 2)


def test_the_package_exports_it() -> None:
    assert ExportedOptimizer is Optimizer
    assert Optimizer().settings == Settings()
