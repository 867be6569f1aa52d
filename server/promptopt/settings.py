"""Every setting, declared once. The README's table, the command line and the editors' clients follow from here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from promptopt.errors import InvalidInput

REMOTE = "remote"
ENGINES = ("auto", "compiled", "reference", REMOTE)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user can set, as `promptopt.<camelCase name>` in an editor. Raises InvalidInput for a value that is none."""

    adapter: str = "golden"
    "Which adapter writes: the name of a built-in one, a folder, or owner/name or owner/name@revision on the Hugging Face Hub."

    engine: str = "auto"
    "What rewrites: compiled (CPU), reference (PyTorch, GPUs too), auto (reference for what compiled cannot run), or remote (a server)."

    remote_url: str = ""
    "The server that the engine remote asks (promptopt serve), for instance http://prompts.example.org:8000; used for nothing else."

    threads: int = 0
    "Processor threads for the network; 0 chooses what suits its size."

    offline: bool = False
    "Never open a socket: what is not on this machine is missing. HF_HUB_OFFLINE=1 does the same."

    log_level: str = "warning"
    "What the language server logs: error, warning, info or debug. Prompts are never logged."

    idle_unload_seconds: int = 600
    "After how many seconds without a rewrite the language server releases the network's memory; 0 keeps it."

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Settings).items():
            problem = _problem(name, getattr(self, name), kind)
            if problem:
                raise InvalidInput(f"The setting {name} {problem}.", "Mend it, or leave it out.")

    @property
    def is_remote(self) -> bool:
        """Whether a server rewrites and no network of this machine."""
        return self.engine == REMOTE


def _option(default: Any, metavar: str, sentence: str) -> Any:
    """A field whose option is called like it; `sentence` is its help and its line in the README."""
    return field(default=default, metadata={"metavar": metavar, "help": sentence})


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What `promptopt serve` takes, as options of the same names."""

    host: str = _option("127.0.0.1", "ADDRESS", "Where the server listens; what other machines can reach needs a token.")
    port: int = _option(8000, "PORT", "On which port; 0 takes a free one.")
    token_file: str = _option("", "PATH", "A file with the token that clients must send; else it is taken from PROMPTOPT_TOKEN.")
    allowed_hosts: tuple[str, ...] = _option((), "NAME", "Names under which clients may call the server, beside addresses and localhost.")
    allowed_origins: tuple[str, ...] = _option((), "ORIGIN", "Sites whose pages may call the server, for instance https://example.org.")
    queue: int = _option(256, "N", "How many prompts may wait; the next is told to come later.")


LOG_LEVELS = ("error", "warning", "info", "debug")
LONGEST_IDLE = 7 * 24 * 3600


def is_server_url(text: str) -> bool:
    """Whether this is http:// or https:// with a host, a port and a path perhaps, and nothing else; internationalised names in Punycode."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and not set(text) & set(" ?#@")
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "adapter": (lambda value: bool(value.strip()), "a name or a folder"),
    "engine": (lambda value: value in ENGINES, f"one of {', '.join(ENGINES)}"),
    "remote_url": (lambda value: not value or is_server_url(value), "like http://prompts.example.org:8000"),
    "threads": (lambda value: 0 <= value <= 256, "between 0 and 256"),
    "offline": (lambda value: True, "true or false"),
    "idle_unload_seconds": (lambda value: 0 <= value <= LONGEST_IDLE, f"between 0 and {LONGEST_IDLE}"),
    "log_level": (lambda value: value in LOG_LEVELS, f"one of {', '.join(LOG_LEVELS)}"),
}


def camel_case(name: str) -> str:
    """`log_level` as `logLevel`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def parse_settings(data: Any, base: Settings | None = None) -> tuple[Settings, list[str]]:
    """Settings from an editor's JSON over `base`, and a sentence for each value that was wrong and so left as it was.

    Unknown keys are reported too; null means "not set".
    """
    base = base or Settings()
    if data is None:
        return base, []
    if not isinstance(data, Mapping):
        return base, [f"The promptopt settings should be an object, not {data!r}; they are ignored."]
    types = get_type_hints(Settings)
    names = {camel_case(field.name): field.name for field in fields(Settings)}
    values = {field.name: getattr(base, field.name) for field in fields(Settings)}
    problems = []
    for key, value in data.items():
        name = names.get(key)
        if name is None:
            problems.append(f"promptopt.{key} is no setting; known are {', '.join(sorted(names))}.")
        elif value is not None:
            problem = _problem(name, value, types[name])
            if problem:
                problems.append(f"promptopt.{key} {problem}; {values[name]!r} is used.")
            else:
                values[name] = value
    return Settings(**values), problems


def _problem(name: str, value: Any, kind: type) -> str:
    """What is wrong with a value; empty when nothing is."""
    if type(value) is not kind:
        return f"should be of type {kind.__name__}, not {value!r}"
    allowed, expected = _RULES[name]
    return "" if allowed(value) else f"should be {expected}, not {value!r}"
