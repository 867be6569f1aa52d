"""Coverage-guided fuzzing of the codec, the frames and the manifest: every input ends in a right answer or a described refusal.

python benchmarks/fuzz.py codec|frames|manifest [--seconds 60] [--corpus FOLDER]     (pip install atheris; not on Windows)

What is found is written as crash-… into the current folder, and the exit status is not 0. As a file of the --corpus it is tried again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["promptopt"]):
    from promptopt.bundle import MANIFEST, Manifest
    from promptopt.codec import Codec
    from promptopt.errors import BundleError, PromptoptError, RewriteFailed
    from promptopt.frames import frame_of
    from promptopt.frames.languages import SYNTAXES

sys.path[:0] = [str(Path(__file__).parent.parent / "tests")]
from fakes import manifest, mini_codec, vocabulary  # noqa: E402 - after what is to be instrumented, and from another folder

Target = Callable[[bytes], None]
LONGEST = 2_000


def codec_target() -> Target:
    """Any prompt with any output of a network: a rewrite with the prompt in it, or RewriteFailed; a pair comes back."""
    codec = mini_codec()
    size = len(vocabulary())

    def target(data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data)
        prompt = given.ConsumeUnicode(given.ConsumeIntInRange(0, 60))
        source = codec.encode_prompt(prompt, 512)
        assert 0 < len(source) <= 512
        assert all(0 <= index < size for index in source)
        rewrite = given.ConsumeUnicode(20) + prompt + given.ConsumeUnicode(20)
        with suppress(ValueError):
            assert codec.decode(prompt, codec.encode_rewrite(prompt, rewrite)) == rewrite
        ids = given.ConsumeIntListInRange(given.ConsumeIntInRange(0, 30), 0, size - 1)
        with suppress(RewriteFailed):
            assert prompt in codec.decode(prompt, ids)

    return target


def frames_target() -> Target:
    """Any selection in any text of any language: an edit that is read back as the rewrite, or a described refusal."""
    languages = ["", "markdown", *sorted(SYNTAXES)]

    def target(data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data)
        language = given.PickValueInList(languages)
        document = given.ConsumeUnicode(given.ConsumeIntInRange(0, 80))
        rewrite = given.ConsumeUnicode(given.ConsumeIntInRange(0, 20))
        first = given.ConsumeIntInRange(0, len(document))
        selected = document[first : given.ConsumeIntInRange(first, len(document))]
        start = first + len(selected) - len(selected.lstrip())
        if not selected.strip():
            return
        with suppress(PromptoptError):
            frame = frame_of(document, language, "", start, start + len(selected.strip()))
            text = frame.fit(rewrite)
            if frame.reading.exact:
                after = document[: frame.start] + text + document[frame.end :]
                first = frame.start + len(frame.reading.head)
                again = frame_of(after, language, "", first, frame.start + len(text) - len(frame.reading.tail))
                assert again.prompt == rewrite

    return target


def manifest_target() -> Target:
    """Any bytes in the place of promptopt.json: a manifest with right types, or BundleError."""
    home = Path(tempfile.mkdtemp(prefix="promptopt-fuzz-"))
    known = vocabulary()
    manifest().write(home)
    right = json.loads((home / MANIFEST).read_bytes())
    names = sorted(right)

    def target(data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data)
        if given.ConsumeBool():
            content = given.ConsumeBytes(LONGEST)
        else:
            whole = dict(right)
            with suppress(ValueError, RecursionError):
                whole[given.PickValueInList(names)] = json.loads(given.ConsumeUnicodeNoSurrogates(LONGEST))
            content = json.dumps(whole).encode()
        (home / MANIFEST).write_bytes(content)
        with suppress(BundleError):
            read = Manifest.read(home)
            assert type(read.base) is str
            assert 0 < read.read_limit <= 65_536
            assert 0 < read.write_limit <= 65_536
            if read.codec is not None:
                Codec(known, read.codec, [])

    return target


TARGETS = {"codec": codec_target, "frames": frames_target, "manifest": manifest_target}


def main() -> None:
    """Fuzzes one target for some time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    options = parser.parse_args()
    limits = [f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=3000", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *limits, *([str(options.corpus)] if options.corpus else [])], TARGETS[options.target]())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
