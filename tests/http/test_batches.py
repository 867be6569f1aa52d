"""Sharing the network: batches, cancelling, and each answer to whom it belongs."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fakes import fake_model, fake_rewrite
from serving import Held

from promptopt.adapters.access import Access
from promptopt.engine.model import Model
from promptopt.errors import BundleError, Busy, Cancelled, InvalidInput, Unavailable
from promptopt.http.batches import Batches
from promptopt.optimizer import BATCH, Optimizer, Rewrite
from promptopt.settings import Settings


@asynccontextmanager
async def sharing(engine: Held, longest: int = 256) -> AsyncIterator[tuple[Batches, list[int]]]:
    """Batches on an engine, with the sizes that were observed; the network is loaded."""
    observed: list[int] = []
    optimizers: dict[str, Optimizer] = {}

    def optimizer_for(style: str) -> Optimizer:
        return optimizers.setdefault(style, engine.optimizer(Settings(adapter=style)))

    batches = Batches(optimizer_for, longest, observed.append)
    batches.start("golden")
    while not batches.loaded:
        await asyncio.sleep(0.001)
    yield batches, observed
    await batches.close()


def broken_off(settings: Settings) -> Model:
    """A loader behind a download that did not come to its end."""
    raise AssertionError("nothing is loaded")


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 20)


def text(found: list[Rewrite | BaseException]) -> str:
    (rewrite,) = found
    assert isinstance(rewrite, Rewrite)
    return rewrite.text


async def test_prompts_that_arrive_together_share_a_batch() -> None:
    async with sharing(Held()) as (batches, observed):
        found = await asyncio.gather(*(batches.rewrites([f"task {number}"], "golden") for number in range(BATCH)))
    assert [text(one) for one in found] == [fake_rewrite(f"task {number}") for number in range(BATCH)]
    assert observed == [BATCH]


async def test_what_arrives_while_the_network_is_busy_is_the_next_batch() -> None:
    engine = Held()
    async with sharing(engine) as (batches, observed):
        engine.go.clear()
        first = asyncio.create_task(batches.rewrites(["first"], "golden"))
        await until(engine.begun)
        others = [asyncio.create_task(batches.rewrites([f"task {number}"], "golden")) for number in range(BATCH + 2)]
        await asyncio.sleep(0)
        engine.go.set()
        await asyncio.gather(first, *others)
    assert observed == [1, BATCH, 2]


async def test_a_download_at_the_start_ends_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), list[bool]()

    def downloading(name: str, access: Access) -> None:
        begun.set()
        ended.append(access.stop.wait(20))
        raise Cancelled("Fetching was cancelled.")

    monkeypatch.setattr("promptopt.optimizer.locate", downloading)
    batches = Batches(lambda style: Optimizer(Settings(adapter=style), broken_off), 1, lambda size: None)
    batches.start("owner/name")
    await until(begun)
    await batches.close()
    assert ended == [True]


async def test_prompts_that_are_refused_prove_no_network() -> None:
    problem = BundleError("There is no such adapter.", "Name another.")

    def missing(settings: Settings) -> Model:
        raise problem

    batches = Batches(lambda style: Optimizer(Settings(adapter=style), missing), 2, lambda size: None, pause=60)
    batches.start("golden")
    while batches.problem is None:
        await asyncio.sleep(0.001)
    (refusal,) = await batches.rewrites([" "], "golden")
    assert isinstance(refusal, InvalidInput)
    assert (batches.ready, batches.problem) == (False, problem)
    await batches.close()


async def test_loading_that_failed_is_tried_again_until_it_succeeds() -> None:
    outcomes = [BundleError("The Hub is down."), MemoryError(), fake_model()]

    def passing(settings: Settings) -> Model:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Model):
            return outcome
        raise outcome

    optimizer = Optimizer(Settings(), passing)
    batches = Batches(lambda _: optimizer, 1, lambda size: None, pause=0.001)
    batches.start("golden")
    while not batches.ready:
        await asyncio.sleep(0.001)
    assert (batches.problem, outcomes) == (None, [])
    await batches.close()


async def test_styles_do_not_share_a_batch() -> None:
    async with sharing(Held()) as (batches, observed):
        await asyncio.gather(*(batches.rewrites(["a"], style) for style in ("golden", "other", "golden")))
    assert observed == [2, 1]


async def test_64_clients_are_each_answered_once_with_their_own() -> None:
    async with sharing(Held()) as (batches, observed):
        found = await asyncio.gather(*(batches.rewrites([f"task {number}"], "golden") for number in range(64)))
    assert [text(one) for one in found] == [fake_rewrite(f"task {number}") for number in range(64)]
    assert sum(observed) == 64


async def test_one_that_fails_in_a_batch_fails_alone() -> None:
    async with sharing(Held()) as (batches, _):
        good, bad = await asyncio.gather(batches.rewrites(["a"], "golden"), batches.rewrites([" "], "golden"))
    assert text(good) == fake_rewrite("a")
    assert isinstance(bad[0], InvalidInput)


async def test_the_network_stops_when_nobody_waits_for_a_batch_any_more() -> None:
    engine = Held()
    async with sharing(engine) as (batches, _):
        engine.go.clear()
        client = asyncio.create_task(batches.rewrites(["a", "b"], "golden"))
        await until(engine.begun)
        client.cancel()
        await until(engine.ended)
        engine.go.set()
        assert text(await batches.rewrites(["next"], "golden")) == fake_rewrite("next")
    assert (engine.stopped, engine.engine.written) == (1, 13)


async def test_a_client_that_leaves_does_not_stop_the_others_of_its_batch() -> None:
    engine = Held()
    async with sharing(engine) as (batches, _):
        engine.go.clear()
        leaving, staying = (asyncio.create_task(batches.rewrites([prompt], "golden")) for prompt in ("leaving", "staying"))
        await until(engine.begun)
        leaving.cancel()
        await asyncio.sleep(0.05)
        engine.go.set()
        assert text(await staying) == fake_rewrite("staying")
    assert (engine.batches, engine.stopped) == ([2], 0)


async def test_a_client_that_leaves_the_queue_is_never_computed_and_makes_room() -> None:
    engine = Held()
    async with sharing(engine, longest=1) as (batches, observed):
        engine.go.clear()
        first = asyncio.create_task(batches.rewrites(["first"], "golden"))
        await until(engine.begun)
        leaving = asyncio.create_task(batches.rewrites(["leaving"], "golden"))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="1 prompts are waiting already; 1 may"):
            await batches.rewrites(["too many"], "golden")
        leaving.cancel()
        await asyncio.sleep(0)
        second = asyncio.create_task(batches.rewrites(["second"], "golden"))
        await asyncio.sleep(0)
        engine.go.set()
        assert [text(await client) for client in (first, second)] == [fake_rewrite("first"), fake_rewrite("second")]
    assert observed == [1, 1]


async def test_a_stream_that_nobody_reads_any_more_stops_the_network() -> None:
    engine = Held()
    async with sharing(engine) as (batches, _):
        stream = batches.stream("a", "golden")
        engine.go.clear()
        reading = asyncio.ensure_future(anext(stream))
        await until(engine.begun)
        reading.cancel()
        await until(engine.ended)
    assert engine.stopped == 1


async def test_closing_stops_the_network_and_refuses_what_waits() -> None:
    engine = Held()
    async with sharing(engine) as (batches, _):
        engine.go.clear()
        running = asyncio.create_task(batches.rewrites(["running"], "golden"))
        await until(engine.begun)
        waiting = asyncio.create_task(batches.rewrites(["waiting"], "golden"))
        await asyncio.sleep(0)
        await batches.close()
        assert [type((await client)[0]) for client in (running, waiting)] == [Unavailable, Unavailable]
        assert not batches.ready
        with pytest.raises(Unavailable, match="The server is stopping"):
            await batches.rewrites(["late"], "golden")
    assert engine.stopped == 1
