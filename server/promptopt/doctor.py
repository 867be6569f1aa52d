"""What is on this machine, what works, and what to do about what does not. Data only; a surface shows it as text or JSON."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from promptopt import __version__
from promptopt.adapters.access import Access
from promptopt.adapters.cache import cache_folder
from promptopt.adapters.locate import Located, Place, locate
from promptopt.adapters.names import is_offline
from promptopt.errors import PromptoptError, RewriteFailed
from promptopt.files import folder_size
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

PROMPT = "create function"
LEAST_FREE = 1 << 30
"Bytes free for the cache below which the doctor warns: a base like Flan-T5 takes about this much."
_PACKAGES = ("huggingface-hub", "numpy", "sentencepiece", "pygls", "torch", "transformers", "peft")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its value and, where something is wrong, what and the next step."""

    name: str
    value: str
    problem: str = ""
    hint: str = ""


def examine(
    settings: Settings, optimizer: Optimizer | None = None, reach: Callable[[], str] | None = None, cache: Path | None = None
) -> list[Finding]:
    """All findings, in the order in which a reader wants them.

    optimizer: one that runs already; without it one is made that downloads nothing.
    reach: says why the Hub cannot be reached, empty when it can; asked only where the settings allow a network.
    """
    optimizer = optimizer or Optimizer(settings if settings.is_remote else replace(settings, offline=True))
    return [*on_this_machine(settings, optimizer, cache), network(settings, reach)]


def on_this_machine(settings: Settings, optimizer: Optimizer, cache: Path | None = None) -> list[Finding]:
    """All findings but that of the network; uses `optimizer` for one rewrite."""
    return [
        Finding("promptopt", f"{__version__}, Python {platform.python_version()}, {platform.platform()}"),
        Finding("packages", ", ".join(_versions(_PACKAGES))),
        *_models(settings),
        *_rewrite(optimizer),
        Finding("threads", f"{settings.threads or 'chosen by the engine'}, {os.cpu_count()} processors"),
        Finding("memory", _memory()),
        _cache(cache or cache_folder()),
    ]


def as_text(findings: Sequence[Finding]) -> str:
    """The findings in lines, problems and next steps below what they belong to."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{'!' if finding.problem else ' '} {finding.name:<{width}}  {finding.value}".rstrip())
        lines += [f"  {'':<{width}}  {text}" for text in (finding.problem, finding.hint) if text]
    count = sum(bool(finding.problem) for finding in findings)
    return "\n".join([*lines, "", f"{count} to look at, marked with !" if count else "Nothing is wrong."])


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as a JSON object; `ok` is false when there is a problem."""
    return {"ok": not any(finding.problem for finding in findings), "findings": [asdict(finding) for finding in findings]}


def _versions(packages: Sequence[str]) -> Iterator[str]:
    for package in packages:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"no {package}"


def _models(settings: Settings) -> Iterator[Finding]:
    """Adapter and base as they are on this machine; nothing where a server has them."""
    if settings.is_remote:
        return
    try:
        located: Located = locate(settings.adapter, Access(offline=True))
    except PromptoptError as error:
        yield Finding("adapter", settings.adapter, error.message, error.hint)
        return
    yield Finding("adapter", _where(located.name, located.adapter))
    yield Finding("base", _where(located.base_name, located.base))


def _where(name: str, place: Place) -> str:
    source = f"{place.entry.endpoint}, commit {place.entry.commit[:12]}" if place.entry else place.source
    return f"{name} ({source}), {place.folder}"


def _rewrite(optimizer: Optimizer) -> Iterator[Finding]:
    """The engine, and one timed rewrite on it."""
    try:
        engine = optimizer.load().name
    except PromptoptError as error:
        yield Finding("engine", "not loaded", error.message, error.hint)
        return
    yield Finding("engine", engine)
    try:
        rewrite = optimizer.optimize(PROMPT)
    except PromptoptError as error:
        hint = "One prompt in some fails; if all do, name another adapter." if isinstance(error, RewriteFailed) else error.hint
        yield Finding("rewrite", f"of {PROMPT!r}", error.message, hint)
        return
    yield Finding("rewrite", f"{rewrite.seconds:.2f} s for {rewrite.tokens} pieces, confidence {rewrite.confidence:.2f}")


def _memory() -> str:
    """What the machine has, and the most that this process took so far."""
    if sys.platform == "win32":
        return "not known on Windows"
    import resource

    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"{total / 1e9:.1f} GB, of which {peak / 1e9:.2f} GB were in use by this process at most"


def _cache(cache: Path) -> Finding:
    """Path and size of the cache, and whether more can go in."""
    size = folder_size(cache)
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    value = f"{cache}, {size / 1e6:.1f} MB, {free / 1e9:.1f} GB free"
    if not os.access(existing, os.W_OK):
        return Finding("cache", value, "It cannot be written.", f"Make {existing} writable; nothing can be fetched or compiled until then.")
    if free < LEAST_FREE:
        return Finding("cache", value, "The disk is nearly full.", "Free some space, or run: promptopt adapters remove owner/name")
    return Finding("cache", value)


def network(settings: Settings, reach: Callable[[], str] | None = None) -> Finding:
    """Whether the Hub answers, which may take seconds; `reach` as for `examine`. Not to have one is no fault where everything is here."""
    if is_offline(settings.offline):
        return Finding("Hub", "offline mode is on; no socket is opened")
    problem = (reach or _reach)()
    if problem:
        return Finding(
            "Hub", "cannot be reached", problem, "Check the network and HF_ENDPOINT. What is on this machine works all the same."
        )
    return Finding("Hub", "reachable")


def _reach() -> str:
    from promptopt.adapters.hub import reachable

    return reachable()
