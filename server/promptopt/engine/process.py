"""The process that compiles: `python -m promptopt.engine.process NAME ADAPTER BASE FOLDER QUANTIZATION`."""

import sys
from pathlib import Path

from promptopt.bundle import open_bundle
from promptopt.engine.compiler import compile_bundle

if __name__ == "__main__":
    name, adapter, base, folder, quantization = sys.argv[1:]
    compile_bundle(open_bundle(name, Path(adapter), Path(base)), Path(folder), "float32" if quantization == "float32" else "int8")
