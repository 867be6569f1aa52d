"""The native engine; everything else is in pyproject.toml. Where it cannot be built the package installs without it."""

import sys

from setuptools import Extension, setup

FOLDER = "server/promptopt/engine/native"
FLAGS = ["/std:c++17", "/O2"] if sys.platform == "win32" else ["-std=c++17", "-O3", "-fvisibility=hidden", "-g0"]

setup(
    ext_modules=[
        Extension(
            "promptopt.engine._native",
            sources=[f"{FOLDER}/{name}.cpp" for name in ("module", "t5", "pool", "kernels")],
            depends=[f"{FOLDER}/{name}" for name in ("t5.h", "drafts.h", "pool.h", "kernels.h", "kernels.inc", "float.inc", "int8.inc")],
            extra_compile_args=FLAGS,
            extra_link_args=[] if sys.platform == "win32" else ["-pthread"],
            language="c++",
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
