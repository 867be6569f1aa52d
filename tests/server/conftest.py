"""What several test files share: each made once in a session."""

from pathlib import Path

import pytest
from hypothesis import settings
from t5_codec import t5_codec, t5_vocabulary
from tiny_models import bundle_of, compiled, tiny_adapter, tiny_base

from promptopt.bundle import Bundle
from promptopt.codec import Codec
from promptopt.engine.compiled import CompiledEngine

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def t5_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a vocabulary like that of Flan-T5."""
    return t5_vocabulary(tmp_path_factory.mktemp("t5") / "spiece.model")


@pytest.fixture(scope="session")
def t5(t5_file: Path) -> Codec:
    """A codec on it."""
    return t5_codec(t5_file)


@pytest.fixture(scope="session")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny random network with an adapter."""
    home = tmp_path_factory.mktemp("models")
    return bundle_of(tiny_adapter(home / "adapter", tiny_base(home / "base")))


@pytest.fixture(scope="session")
def engine(tied: Bundle, tmp_path_factory: pytest.TempPathFactory) -> CompiledEngine:
    """`tied`, compiled without loss."""
    return compiled(tied, tmp_path_factory.mktemp("compiled"))
