"""The Hub, by way of huggingface-hub: fetching a base, sending an adapter, and a sentence for each way this can fail."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from huggingface_hub import CommitOperationAdd, HfApi, get_token, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from promptopt.bundle import VOCABULARY
from promptopt.errors import HubError

BASE_PATTERNS = ("config.json", "generation_config.json", VOCABULARY, "*.safetensors")
_UNREACHABLE = cast(type[Exception], HfHubHTTPError.__mro__[1])  # the client's HTTP library is another one in each of its major versions
_LOGIN = "Log in first: hf auth login"


def fetched_base(repository: str, revision: str | None) -> Path:
    """The folder of a base, named by its commit, in the client's own cache; downloaded where it is not there. Raises HubError."""
    with _said(f"{repository}@{revision}" if revision else repository):
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(BASE_PATTERNS)))


def send(repository: str, files: Mapping[str, Path], message: str, revision: str, private: bool) -> str:
    """Makes one commit of `files` (name there: path here) and returns its address; repository and branch are made if need be.

    Raises HubError.
    """
    if get_token() is None:
        raise HubError("You are not logged in to the Hub.", _LOGIN)
    with _said(repository):
        api = HfApi()
        api.create_repo(repository, private=private or None, exist_ok=True)
        if revision:
            api.create_branch(repository, branch=revision, exist_ok=True)
        additions = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()]
        return str(api.create_commit(repository, additions, commit_message=message, revision=revision or None).commit_url)


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Turns the client's errors about the repository `name` into sentences."""
    try:
        yield
    except HFValidationError as error:
        raise HubError(f"{name!r} is no name on the Hub.", "It should be owner/name, of letters, digits, '-', '_' and '.'.") from error
    except HfHubHTTPError as error:
        raise _refused(name, error) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, _UNREACHABLE) as error:
        raise HubError(
            f"{name} is not on this machine, and the Hub cannot be reached.", "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE."
        ) from error
    except ValueError as error:
        raise HubError(f"The Hub does not accept what was sent: {error}", "Mend the head of README.md.") from error


def _refused(name: str, error: HfHubHTTPError) -> HubError:
    """What a status of the Hub means for `name`."""
    status = error.response.status_code
    if status == 401:
        return HubError(f"The Hub does not know {name}, or not you (401).", f"Check the name. {_LOGIN}")
    if status == 403:
        return HubError(
            f"You are not allowed to do this with {name} (403).",
            f"Ask its owner for access. {_LOGIN}",
        )
    if status == 404:
        return HubError(f"The Hub has no {name} (404).", "Check the name and the revision.")
    return HubError(f"The Hub did not do what it was asked for {name} ({status}).", "Try again later.")
