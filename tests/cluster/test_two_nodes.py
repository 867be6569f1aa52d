"""Replicas on two machines behind one address: answered, killed, replaced. `make cluster` runs it; it needs Ray."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from cluster.conftest import NODE, Deploy
from fakes import TAIL

pytest.importorskip("ray")

from fake_cluster import machine_number, written_by

from promptopt.cluster import AT_A_TIME

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
CLIENTS = 40
MORE_CLIENTS = 2 * AT_A_TIME + CLIENTS
"More than the replicas of the first machine take, which its proxy prefers: the others are asked once those are full."


@dataclass
class Load:
    """Clients that ask one prompt after the other until they are told to stop, and what they were answered."""

    address: str
    stop: threading.Event = field(default_factory=threading.Event)
    answers: "list[tuple[float, str, httpx2.Response]]" = field(default_factory=list)

    def client(self, name: int) -> None:
        with httpx2.Client(timeout=60) as client:
            count = 0
            while not self.stop.is_set():
                prompt, begun = f"task {name} {count}", time.monotonic()
                answer = client.post(f"{self.address}/optimize", json={"prompt": prompt})
                self.answers.append((begun, prompt, answer))
                count += 1

    def writers(self) -> set[tuple[int, int]]:
        """Process and machine of each replica that has written."""
        return {written_by(answer.json()["optimized_prompt"]) for _, _, answer in list(self.answers) if answer.status_code == 200}

    def wait_for(self, processes: int) -> float:
        """The time at which so many have written."""
        while len(self.writers()) < processes:
            time.sleep(0.1)
        return time.monotonic()

    def wait_for_answers(self, count: int, since: float) -> None:
        """Until so many rewrites have come that were asked for after this time."""
        while sum(at > since and is_right(prompt, answer) for at, prompt, answer in list(self.answers)) < count:
            time.sleep(0.1)

    def lost(self) -> list[tuple[float, str, httpx2.Response]]:
        return [(at, prompt, answer) for at, prompt, answer in self.answers if not is_right(prompt, answer)]


@contextmanager
def under_load(address: str, count: int = CLIENTS) -> Iterator[Load]:
    """So many clients for the time of the block, stopped whatever happens in it."""
    load = Load(address)
    with ThreadPoolExecutor(count) as pool:
        clients = [pool.submit(load.client, name) for name in range(count)]
        try:
            yield load
        finally:
            load.stop.set()
        for client in clients:
            client.result()


def is_right(prompt: str, answer: httpx2.Response) -> bool:
    return answer.status_code == 200 and answer.json()["optimized_prompt"].endswith(f".\n\nTask: {prompt}{TAIL}")


def report(what: str, load: Load, seconds: float, record_property: Callable[[str, object], None]) -> None:
    record_property("requests", len(load.answers))
    record_property("lost", len(load.lost()))
    record_property("seconds until the new replica answered", round(seconds, 1))
    print(f"\n{what}: {len(load.answers)} requests, {len(load.lost())} lost, as many replicas as before after {seconds:.1f} s")


def assert_to_be_sent_again(load: Load) -> None:
    """Each lost request was answered so, and is rewritten when it is sent again."""
    for _, prompt, answer in load.lost():
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")
        assert is_right(prompt, httpx2.post(f"{load.address}/optimize", json={"prompt": prompt}, timeout=60))


def test_replicas_on_both_machines_answer(address: str, deploy: Deploy) -> None:
    deploy()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda n: httpx2.post(f"{address}/optimize", json={"prompt": f"a {n}"}, timeout=60), range(CLIENTS)))
    assert [answer for n, answer in enumerate(answers) if not is_right(f"a {n}", answer)] == []
    assert len({written_by(answer.json()["optimized_prompt"]) for answer in answers}) == 2
    streamed = httpx2.post(f"{address}/optimize/stream", json={"prompt": "a"}, timeout=60)
    assert [streamed.text.count(f"event: {name}\n") for name in ("progress", "done", "error")] == [streamed.text.count("delta"), 1, 0]
    assert httpx2.post(f"{address}/optimize", content=b"x" * 10_000_000, timeout=60).status_code == 413
    assert httpx2.get(f"{address}/health", headers={"Host": "rebound.example.org"}, timeout=60).status_code == 421


def test_a_replica_that_is_killed_takes_along_only_what_it_had(
    address: str, deploy: Deploy, record_property: Callable[[str, object], None]
) -> None:
    deploy()
    with under_load(address) as load:
        load.wait_for(2)
        victim, _ = min(load.writers())
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        recovered = load.wait_for(3)
    report("replica", load, recovered - killed, record_property)
    assert 0 < len(load.lost()) <= AT_A_TIME
    assert max(at for at, _, _ in load.lost()) < killed
    assert_to_be_sent_again(load)


def test_a_machine_that_dies_takes_along_only_what_its_replicas_had(
    address: str, nodes: Any, deploy: Deploy, record_property: Callable[[str, object], None]
) -> None:
    """Three replicas do not fit on one machine; one that joins is given those that have no place any more."""
    deploy(replicas=3)
    [second] = nodes.worker_nodes
    with under_load(address, MORE_CLIENTS) as load:
        load.wait_for(3)
        had = [process for process, machine in load.writers() if machine == machine_number(second.node_id)]
        killed = time.monotonic()
        nodes.remove_node(second, allow_graceful=False)
        load.wait_for_answers(CLIENTS, since=time.monotonic())
        joined = nodes.add_node(**NODE)
        recovered = load.wait_for(3 + len(had))
    report("machine", load, recovered - killed, record_property)
    assert had
    assert machine_number(joined.node_id) in {machine for _, machine in load.writers()}
    assert 0 < len(load.lost()) <= AT_A_TIME * len(had)
    assert_to_be_sent_again(load)


def test_another_adapter_is_put_in_under_load_and_nobody_notices(address: str, deploy: Deploy) -> None:
    deploy()
    with under_load(address) as load:
        load.wait_for(2)
        deploy(adapter="markdown")
        load.wait_for(4)
    assert [(prompt, answer.text) for _, prompt, answer in load.lost()] == []
    assert httpx2.get(f"{address}/health", timeout=60).json()["adapter"] == "markdown"
