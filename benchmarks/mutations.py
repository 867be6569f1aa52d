"""Takes protections away one at a time, in a copy of the tree, and shows that for each a named test fails.

python benchmarks/mutations.py [NAME ...]     (all when none is named; minutes)

Prints a line for each and a JSON line last. The exit status is 1 when a test passes without its protection.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CARRIED = ("server", "training", "tests", "docs", ".github", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Mutation:
    """One protection: its file, the text that makes it, what stands there without it, and the test that must fail then."""

    name: str
    file: str
    protection: str
    without: str
    test: str


MUTATIONS = (
    Mutation(
        "pickles are refused",
        "server/promptopt/adapters/checks.py",
        "    if pickles:\n",
        "    if False:\n",
        "tests/hub/test_locate.py::test_pickles_in_a_folder_are_refused",
    ),
    Mutation(
        "models with code are refused",
        "server/promptopt/adapters/checks.py",
        "        if asked:\n",
        "        if False:\n",
        "tests/hub/test_locate.py::test_code_in_a_folder_is_refused",
    ),
    Mutation(
        "names stay in their folder",
        "server/promptopt/adapters/names.py",
        "    return not _ODD.search(file) and all(",
        "    return True or all(",
        "tests/hub/test_refusals.py::test_a_name_that_leaves_its_folder_is_refused_before_anything_is_fetched",
    ),
    Mutation(
        "downloads are compared with their hash",
        "server/promptopt/adapters/hub.py",
        "hexdigest() == self.sha256",
        'hexdigest() != ""',
        "tests/hub/test_pull.py::test_a_file_of_another_hash_is_thrown_away",
    ),
    Mutation(
        "no module comes from the current folder",
        "server/promptopt/engine/loader.py",
        '[sys.executable, "-P", "-m"',
        '[sys.executable, "-m"',
        "tests/server/test_loader.py::test_compiling_imports_nothing_from_the_current_folder",
    ),
    Mutation(
        "a model's header has a checksum",
        "server/promptopt/engine/modelfile.py",
        "        if zlib.crc32(header) != checksum:\n",
        "        if False:\n",
        "tests/server/test_modelfile_fuzz.py::test_a_flipped_bit_ahead_of_or_in_the_header_is_refused",
    ),
    Mutation(
        "a model's weights have a checksum",
        "server/promptopt/engine/modelfile.py",
        '        if self._checksum() != header.get("checksum"):\n',
        "        if False:\n",
        "tests/server/test_modelfile_fuzz.py::test_a_flipped_bit_among_the_weights_is_refused",
    ),
    Mutation(
        "a damaged form is made again",
        "server/promptopt/engine/loader.py",
        "            _discard(folder)\n",
        "            raise\n",
        "tests/faults/test_damage.py::test_a_damaged_form_is_made_again_once",
    ),
    Mutation(
        "a form is compiled beside its place",
        "server/promptopt/engine/loader.py",
        "        _compile(bundle, partial)\n",
        "        folder.mkdir()\n        _compile(bundle, folder)\n        return\n",
        "tests/faults/test_kills.py::test_a_killed_compilation_leaves_nothing_and_the_next_one_succeeds",
    ),
    Mutation(
        "what killed compilers left is cleared away",
        "server/promptopt/engine/loader.py",
        "                shutil.rmtree(left, ignore_errors=True)\n            yield\n",
        "                pass\n            yield\n",
        "tests/faults/test_kills.py::test_a_killed_compilation_leaves_nothing_and_the_next_one_succeeds",
    ),
    Mutation(
        "tensors have the shape of the network, in numpy too",
        "server/promptopt/engine/portable.py",
        "        check_fit(model)\n",
        "",
        "tests/server/test_portable.py::test_a_network_that_does_not_fit_its_shape_is_refused",
    ),
    Mutation(
        "want of memory is told",
        "server/promptopt/optimizer.py",
        "            except MemoryError as error:\n",
        "            except ZeroDivisionError as error:\n",
        "tests/faults/test_memory.py::test_want_of_memory_is_told_and_the_next_rewrite_is_tried",
    ),
    Mutation(
        "half a checkpoint is none",
        "training/promptopt_training/trainer.py",
        'if _known(path / "trainer_state.json")]',
        'if (path / "trainer_state.json").is_file()]',
        "tests/training/test_pretrain.py::test_the_last_checkpoint_is_the_one_with_the_highest_number_that_is_complete",
    ),
    Mutation(
        "a revision means the last pull whatever the clock says",
        "server/promptopt/adapters/pull.py",
        "        self._take_over()\n",
        "",
        "tests/hub/test_faults.py::test_after_a_clock_was_set_back_the_newest_pull_is_what_a_branch_means",
    ),
    Mutation(
        "a half-written row is cut off",
        "server/promptopt/batch.py",
        "            file.truncate(len(whole))\n",
        "            pass\n",
        "tests/server/test_batch.py::test_a_half_written_last_row_is_done_again",
    ),
    Mutation(
        "a folder whose replacement was killed is put back",
        "server/promptopt/files.py",
        "        old.rename(folder)\n",
        "        pass\n",
        "tests/faults/test_kills.py::test_a_folder_whose_replacement_is_killed_is_there_for_the_next_one",
    ),
    Mutation(
        "a page in the browser is no language client",
        "server/promptopt/lsp/one_client.py",
        "        if first.startswith(_HEADER) and not client.done():\n",
        "        if not client.done():\n",
        "tests/lsp/test_socket.py::test_who_begins_otherwise_is_not_answered_and_the_client_is_waited_for",
    ),
    Mutation(
        "a model's tensors lie in its file",
        "server/promptopt/engine/modelfile.py",
        "or not 0 < self.offset <= length - self.size",
        "or not 0 < self.offset",
        "tests/server/test_modelfile.py::test_a_tensor_beyond_the_file_is_refused",
    ),
    Mutation(
        "JSON that is too deep is refused",
        "server/promptopt/files.py",
        "    except RecursionError as error:\n",
        "    except ZeroDivisionError as error:\n",
        "tests/server/test_manifest_fuzz.py::test_odd_json_is_refused",
    ),
    Mutation(
        "a manifest's values have their types",
        "server/promptopt/bundle.py",
        "            manifest.check()\n",
        "",
        "tests/server/test_manifest_fuzz.py::test_a_manifest_is_read_or_refused",
    ),
    Mutation(
        "a rewrite points at the prompt once",
        "server/promptopt/codec/codec.py",
        "        if decoder.prompts != 1:\n",
        "        if False:\n",
        "tests/server/test_codec.py::test_any_output_is_a_rewrite_with_the_prompt_or_a_failed_one",
    ),
    Mutation(
        "Host is checked",
        "server/promptopt/http/gates.py",
        "        if not self._known(host):\n",
        "        if False:\n",
        "tests/http/test_gates.py::test_another_host_is_421_as_in_dns_rebinding",
    ),
    Mutation(
        "Origin is checked",
        "server/promptopt/http/gates.py",
        "        if origin is None or origin in",
        "        if True or origin in",
        "tests/http/test_gates.py::test_another_origin_is_403_and_gets_no_cors_headers",
    ),
    Mutation(
        "the token is asked for",
        "server/promptopt/http/gates.py",
        "        return secrets.compare_digest(",
        "        return True or secrets.compare_digest(",
        "tests/http/test_gates.py::test_without_the_token_it_is_401",
    ),
    Mutation(
        "bodies are bounded",
        "server/promptopt/http/gates.py",
        "        if size > LARGEST_BODY:\n",
        "        if False:\n",
        "tests/http/test_app.py::test_a_body_of_ten_megabytes_is_413_and_one_that_is_allowed_is_read",
    ),
    Mutation(
        "malformed requests are answered",
        "server/promptopt/lsp/gate.py",
        "        if asks:\n",
        "        if False:\n",
        "tests/lsp/test_messages_fuzz.py::test_every_request_is_answered",
    ),
    Mutation(
        "the library's log is kept out",
        "server/promptopt/lsp/logs.py",
        '    logging.getLogger("pygls").setLevel(logging.CRITICAL)\n',
        "",
        "tests/lsp/test_lifecycle.py::test_the_prompt_is_in_no_log_at_any_level",
    ),
)


def failed(tree: Path, *tests: str) -> bool:
    """Whether one of these tests of a tree fails; raises RuntimeError when they cannot even be run."""
    paths = os.pathsep.join(str(tree / name) for name in ("server", "training"))
    command = [sys.executable, "-m", "pytest", *tests, "-x", "-q", "-p", "no:cacheprovider", "--timeout", "100"]
    done = subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{tests} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def caught(mutation: Mutation, tree: Path) -> bool:
    """Whether the test of a mutation fails with it."""
    path = tree / mutation.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutation.protection) != 1:
        raise RuntimeError(f"{mutation.file} does not hold once: {mutation.protection!r}")
    path.write_text(whole.replace(mutation.protection, mutation.without), encoding="utf-8")
    try:
        return failed(tree, mutation.test)
    finally:
        path.write_text(whole, encoding="utf-8")


def main() -> int:
    """Tries the mutations that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(mutation.name for mutation in MUTATIONS))
    names = parser.parse_args().names
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    found: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as home:
        for name in CARRIED:
            source = ROOT / name
            shutil.copytree(source, Path(home) / name) if source.is_dir() else shutil.copy(source, home)
        if failed(Path(home), *(mutation.test for mutation in chosen)):
            raise RuntimeError("a test fails with everything in place; mend that first")
        for mutation in chosen:
            found[mutation.name] = caught(mutation, Path(home))
            print(f"{'caught' if found[mutation.name] else 'SURVIVED':9} {mutation.name}: {mutation.test}", flush=True)
    print(json.dumps({"mutations": len(found), "caught": sum(found.values())}))
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
