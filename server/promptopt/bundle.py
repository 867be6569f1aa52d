"""What an adapter is on disk: a PEFT folder with `promptopt.json` beside it, and the base it belongs to."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeGuard

from promptopt.codec import Codec, PlainCodec, Table
from promptopt.errors import BundleError
from promptopt.files import parse_json
from promptopt.vocabulary import Vocabulary

FORMAT = 1
PLAIN_LIMIT, PLAIN_TEMPERATURE = 512, 0.7
MOST_PIECES, MOST_HEADINGS, HOTTEST, LARGEST_FIGURE = 65_536, 100, 100, 2**53
MANIFEST = "promptopt.json"
PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")
DRAFTS, DRAFT_BYTES, MOST_DRAFTS = "drafts.ids", 12, 1_000_000
VOCABULARY = "spiece.model"
WEIGHTS = "model.safetensors"
BASE_FILES = ("config.json", WEIGHTS, VOCABULARY)


@dataclass(frozen=True)
class Calibration:
    """Turns the mean log probability of a rewrite's pieces into a probability: sigmoid(slope * mean + intercept)."""

    slope: float
    intercept: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of `promptopt.json`."""

    base: str
    "Name or path of the base the adapter was trained on."
    base_sha256: str
    "Hash of the base's model.safetensors."
    style: str
    "Name of the form the adapter writes."
    prefix: tuple[str, ...]
    "Pieces ahead of every prompt."
    codec: Table | None
    "Which pieces point, and what at; None for an adapter that other tools made: it points at nothing."
    read_limit: int
    "Pieces of a prompt that the network reads."
    write_limit: int
    "Pieces of a rewrite at most."
    temperature: float
    "At which variants are drawn."
    calibration: Calibration | None = None
    "Of the confidence; None until it is fitted."
    doubt: float | None = None
    "Mean log probability of the pieces below which a rewrite is written again; None until it is fitted."
    data_sha256: str = ""
    "Hash of the training file."
    metrics: Mapping[str, float] = field(default_factory=dict)
    "Held-out figures of the training run."
    extra_ids: int = 0
    "Sentinels that follow the vocabulary's own pieces, as in T5."
    written: int = 0
    "Rewrites consist of so many pieces, the first of the vocabulary; the others are only read. 0 for all of them."
    headings: tuple[str, ...] = ()
    "With these the lines of every rewrite begin around the prompt, in this order; empty where no form is held to."

    def write(self, folder: Path) -> None:
        """Writes `promptopt.json` into `folder`."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Reads `promptopt.json`. Raises BundleError when it is of a newer format or malformed."""
        data = read_json(folder / MANIFEST)
        found = data.pop("format", None)
        if found != FORMAT:
            raise BundleError(f"{folder} has manifest format {found}; this version reads format {FORMAT}.", "Upgrade promptopt.")
        try:
            data["codec"] = Table.from_json(data["codec"])
            data.setdefault("headings", [])
            for name in ("prefix", "headings"):
                if not isinstance(data[name], list):
                    raise TypeError(f"{name} should be a list")
                data[name] = tuple(data[name])
            if data.get("calibration") and not isinstance(data["calibration"], dict):
                raise TypeError("calibration should have a slope and an intercept")
            data["calibration"] = Calibration(**data["calibration"]) if data.get("calibration") else None
            manifest = cls(**data)
            manifest.check()
            return manifest
        except (KeyError, TypeError) as error:
            raise BundleError(f"{folder / MANIFEST} is malformed ({error}).", "Fetch the adapter again.") from error

    def check(self) -> None:
        """Raises TypeError naming a field whose value is of another type than it should be, or beyond all bounds."""
        for name in ("base", "base_sha256", "style", "data_sha256"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} should be of type str")
        for name, least in (("read_limit", 1), ("write_limit", 1), ("extra_ids", 0), ("written", 0)):
            value = getattr(self, name)
            if type(value) is not int:
                raise TypeError(f"{name} should be of type int")
            if not least <= value <= MOST_PIECES:
                raise TypeError(f"{name} should be between {least} and {MOST_PIECES}")
        if not all(isinstance(piece, str) for piece in self.prefix):
            raise TypeError("prefix should be a list of pieces")
        if len(self.headings) > MOST_HEADINGS or not all(isinstance(heading, str) and heading for heading in self.headings):
            raise TypeError(f"headings should be a list of beginnings of lines, {MOST_HEADINGS} at most")
        if not is_figure(self.temperature) or not 0 <= self.temperature <= HOTTEST:
            raise TypeError(f"temperature should be between 0 and {HOTTEST}")
        if self.calibration and not (is_figure(self.calibration.slope) and is_figure(self.calibration.intercept)):
            raise TypeError("calibration should be of numbers")
        if self.doubt is not None and not is_figure(self.doubt):
            raise TypeError("doubt should be a number")
        if not isinstance(self.metrics, Mapping) or not all(isinstance(figure, int | float) for figure in self.metrics.values()):
            raise TypeError("metrics should be numbers by their names")


def is_figure(value: object) -> TypeGuard[float]:
    """Whether a value is a number that can be computed with: finite, and within what a float holds exactly."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_FIGURE


@dataclass(frozen=True)
class Bundle:
    """An adapter and its base, both on disk and complete."""

    name: str
    adapter: Path
    base: Path
    manifest: Manifest

    def codec(self) -> Codec | PlainCodec:
        """The codec for this adapter. Raises BundleError when the vocabulary lacks a piece."""
        vocabulary = Vocabulary(self.base / VOCABULARY, self.manifest.extra_ids)
        if self.manifest.codec is None:
            return PlainCodec(vocabulary)
        return Codec(vocabulary, self.manifest.codec, [vocabulary.id(piece) for piece in self.manifest.prefix])

    def drafts(self) -> bytes:
        """Which piece mostly follows which in what the adapter writes, empty where that is not known.

        Triples of 32-bit numbers, little end first: after the first two pieces comes the third one; a first of -1 is any piece. An engine
        that guesses by them writes the same. Raises BundleError for a file that holds no triples.
        """
        path = self.adapter / DRAFTS
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror}).", "Make it readable, or fetch it again.") from error
        if len(content) % DRAFT_BYTES or len(content) > MOST_DRAFTS * DRAFT_BYTES:
            raise BundleError(f"{path} is malformed.", "Fetch the adapter again, or delete this file: it only makes rewrites faster.")
        return content


def plain_manifest(folder: Path) -> Manifest:
    """What can be assumed of a PEFT adapter without `promptopt.json`. Raises BundleError when it does not name its base."""
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise BundleError(f"The adapter in {folder} does not name its base.", "Set base_model_name_or_path in its adapter_config.json.")
    return Manifest(
        base=base,
        base_sha256="",
        style="plain",
        prefix=(),
        codec=None,
        read_limit=PLAIN_LIMIT,
        write_limit=PLAIN_LIMIT,
        temperature=PLAIN_TEMPERATURE,
    )


def builtin_folder() -> Path:
    """Where the models that ship with the package are."""
    return Path(str(resources.files("promptopt"))) / "models"


def builtin_adapters() -> list[str]:
    """Names of the adapters that ship with the package."""
    return sorted(folder.name for folder in builtin_folder().iterdir() if (folder / MANIFEST).is_file())


def builtin_bases() -> list[str]:
    """Names of the bases that ship with the package."""
    return sorted(folder.name for folder in builtin_folder().iterdir() if folder.is_dir() and not (folder / MANIFEST).is_file())


def open_bundle(name: str, adapter: Path, base: Path) -> Bundle:
    """The bundle of two folders. Raises BundleError saying what is missing."""
    check_files(adapter, PEFT_FILES)
    check_files(base, BASE_FILES)
    return Bundle(name, adapter.resolve(), base.resolve(), manifest_of(adapter))


def manifest_of(folder: Path) -> Manifest:
    """What an adapter folder says of itself, or, where it says nothing, what plain PEFT leaves to be assumed. Raises BundleError."""
    return Manifest.read(folder) if (folder / MANIFEST).is_file() else plain_manifest(folder)


def base_folder(name: str, needed: tuple[str, ...] = BASE_FILES) -> Path:
    """The folder of a built-in base, or of a base given by path. Raises BundleError when it lacks one of the `needed` files."""
    folder = builtin_folder() / name if name in builtin_bases() else user_folder(name)
    if folder is None:
        raise BundleError(f"There is no base {name!r}.", "Give the folder of a T5, or the name of a built-in base: promptopt-mini.")
    check_files(folder, needed)
    return folder.resolve()


def user_folder(name: str) -> Path | None:
    """The folder that a user named, None when there is none."""
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):
        return None


def check_files(folder: Path, names: tuple[str, ...]) -> None:
    """Raises BundleError naming those of `names` that `folder` lacks."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BundleError(f"{folder} lacks {', '.join(missing)}.", "It is no complete model folder; fetch or make it again.")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises BundleError when it is none."""
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}).", "Fetch or make it again.") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} does not hold a JSON object.", "Fetch or make it again.")
    return data
