"""Two machines out of one, a cluster on them as docs/cluster.md says, and one of them lost under load.

python benchmarks/machines.py [--replicas 2] [--clients 48] [--lost unplugged|killed]     (Linux, root, the command ip; the extra cluster)

Each machine is a network of its own, with nothing but a cable between them, so that ports and addresses are those of the page and
nothing outside can be reached. The clients ask the proxy of the first one, which hands to the other machine only what its own replica
does not take: so there have to be more of them than the 32 that it takes. The second one is unplugged, so that it falls silent, or all
that runs on it is killed. The last line is JSON: seconds until the application ran, how many requests were answered how, the longest that
one waited, and seconds after the loss until Ray Serve had noticed it and until as many replicas as before ran again. The exit status is 1
when an answer was neither right nor 503 with Retry-After.
"""

import argparse
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import yaml

ROOT = Path(__file__).parent.parent
PATH = os.pathsep.join(str(ROOT / name) for name in ("server", "training"))
NAMES = ("promptopt-1", "promptopt-2")
ADDRESSES = ("10.77.0.1", "10.77.0.2")
PATIENCE = 240.0
"Seconds in which an application has to run, and a request to be answered."
INSIDE = "PROMPTOPT_FIRST_MACHINE"
"A variable that what runs on the first machine finds its folder in."


def ip(*words: str) -> str:
    """What the command says."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@contextmanager
def cable() -> Iterator[None]:
    """The two machines; what runs on them is ended afterwards."""
    try:
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", NAMES[0], "type", "veth", "peer", "name", "cable", "netns", NAMES[1])
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "cable", "up")
        yield
    finally:
        for name in NAMES:
            kill(name)
            subprocess.run(["ip", "netns", "del", name], check=False)


def kill(name: str) -> None:
    """Ends all that runs on a machine, at once."""
    for process in ip("netns", "pids", name).split():
        with suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)


def unplug(name: str) -> None:
    """From now on nothing comes from a machine, not even a word that a connection has ended."""
    ip("-n", name, "link", "set", "cable", "down")


@dataclass(frozen=True)
class Cluster:
    """Ray on both machines, begun as the page says."""

    environment: Mapping[str, str]

    def on(self, name: str, program: str, *words: str) -> str:
        """What a program of this environment says that runs on a machine; raises RuntimeError when it fails."""
        command = ["ip", "netns", "exec", name, str(Path(sys.executable).parent / program), *words]
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def begin(self, home: str, processors: int) -> None:
        """Starts Ray. Each machine has its address named, since none of them has a way outside by which Ray could find it."""
        size = ("--num-cpus", str(processors), "--object-store-memory", str(100 * 1024 * 1024))
        self.on(NAMES[0], "ray", "start", "--head", "--port", "6379", "--node-ip-address", ADDRESSES[0], "--temp-dir", home, *size)
        self.on(NAMES[1], "ray", "start", "--address", f"{ADDRESSES[0]}:6379", "--node-ip-address", ADDRESSES[1], *size)

    def status(self) -> dict[str, Any]:
        """What `serve status` says."""
        said: dict[str, Any] = yaml.safe_load(self.on(NAMES[0], "serve", "status"))
        return said

    def running(self) -> int:
        """How many replicas run."""
        said = self.status()["applications"].get("promptopt", {})
        return sum(each.get("replica_states", {}).get("RUNNING", 0) for each in said.get("deployments", {}).values())

    def proxies(self) -> int:
        """How many proxies listen: of each machine one, which begins after the first replica there."""
        return list(self.status()["proxies"].values()).count("HEALTHY")

    def wait(self, done: Callable[[], bool]) -> float:
        """The time at which something is so; raises TimeoutError when it does not come to that."""
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(self.on(NAMES[0], "serve", "status"))
            time.sleep(1)
        return time.monotonic()


def configuration(replicas: int) -> str:
    """docs/cluster.yaml, for fewer processors."""
    whole = yaml.safe_load((ROOT / "docs/cluster.yaml").read_text(encoding="utf-8"))
    [deployment] = whole["applications"][0]["deployments"]
    deployment["autoscaling_config"] |= {"min_replicas": replicas, "max_replicas": replicas}
    return str(yaml.safe_dump(whole))


@dataclass
class Load:
    """Clients that ask one prompt after the other until they are told to stop, and how each was answered after how many seconds."""

    token: str
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[str, float]] = field(default_factory=list)

    def client(self, name: int) -> None:
        """One of them."""
        for count in itertools.count():
            if self.stop.is_set():
                return
            prompt, begun = f"plan workshop {name} {count}", time.monotonic()
            try:
                how = judged(prompt, ask(ADDRESSES[0], prompt, self.token))
            except httpx2.TransportError as error:
                how = type(error).__name__
            self.answers.append((how, time.monotonic() - begun))

    def wait_for(self, right: int) -> None:
        """Until so many more have been answered with their rewrite."""
        until = self.right + right
        while self.right < until:
            time.sleep(0.1)

    @property
    def right(self) -> int:
        return sum(how == "right" for how, _ in list(self.answers))


def ask(address: str, prompt: str, token: str, **headers: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} | headers if token else headers
    return httpx2.post(f"http://{address}:8000/optimize", json={"prompt": prompt}, headers=headers, timeout=PATIENCE)


def judged(prompt: str, answer: httpx2.Response) -> str:
    """`right`, or the status and whether it says when to come again."""
    if answer.status_code == 200 and answer.json()["optimized_prompt"].count(prompt) == 1:
        return "right"
    return f"{answer.status_code}{' again' if answer.headers.get('retry-after') else ''}"


def lose_one(options: argparse.Namespace, home: str) -> int:
    """What is done on the first machine; Ray keeps its files in `home`."""
    token, begun = secrets.token_hex(16), time.monotonic()
    ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    own = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "promptopt.cluster:at_the_proxy", "PROMPTOPT_TOKEN": token, "PYTHONPATH": PATH}
    cluster = Cluster({**os.environ, **ray, **own})
    cluster.begin(home, options.replicas + 1)
    file = Path(home, "cluster.yaml")
    file.write_text(configuration(options.replicas), encoding="utf-8")
    cluster.on(NAMES[0], "serve", "deploy", str(file))
    ran = cluster.wait(lambda: cluster.running() == options.replicas and cluster.proxies() == len(NAMES))
    asked = [judged("create function", ask(address, "create function", token)) for address in ADDRESSES]
    asked += [judged("a", ask(ADDRESSES[1], "a", "")), judged("a", ask(ADDRESSES[1], "a", token, Host="rebound.example.org"))]
    print(f"ran after {ran - begun:.0f} s; both proxies, without a token, another host: {', '.join(asked)}", flush=True)
    load = Load(token)
    clients = [threading.Thread(target=load.client, args=(name,)) for name in range(options.clients)]
    for client in clients:
        client.start()
    load.wait_for(2 * options.clients)
    lost = time.monotonic()
    (unplug if options.lost == "unplugged" else kill)(NAMES[1])
    noticed = cluster.wait(lambda: cluster.running() < options.replicas)
    recovered = cluster.wait(lambda: cluster.running() == options.replicas)
    load.wait_for(2 * options.clients)
    load.stop.set()
    for client in clients:
        client.join()
    ends = Counter(how for how, _ in load.answers)
    times = {"ran": ran - begun, "longest": max(seconds for _, seconds in load.answers)}
    times |= {"noticed": noticed - lost, "recovered": recovered - lost}
    print(json.dumps({"lost": options.lost, "ends": dict(ends), "seconds": {name: round(value, 1) for name, value in times.items()}}))
    return 0 if asked == ["right", "right", "401", "421"] and set(ends) <= {"right", "503 again"} else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--clients", type=int, default=48)
    parser.add_argument("--lost", choices=("unplugged", "killed"), default="unplugged")
    options = parser.parse_args()
    if INSIDE in os.environ:
        return lose_one(options, os.environ[INSIDE])
    with tempfile.TemporaryDirectory(dir="/tmp") as home, cable():  # a short name: Ray's sockets lie below it
        command = ["ip", "netns", "exec", NAMES[0], sys.executable, __file__, *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, INSIDE: home}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
