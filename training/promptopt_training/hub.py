"""The Hub, by way of huggingface-hub: sending an adapter, and a sentence for each way this can fail."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

from promptopt.adapters.hub import refusal, unreachable
from promptopt.adapters.names import Reference
from promptopt.errors import HubError


def send(repository: str, files: Mapping[str, Path], message: str, revision: str, private: bool) -> str:
    """Makes one commit of `files` (name there: path here) and returns its address; repository and branch are made if need be.

    Raises HubError.
    """
    if get_token() is None:
        raise HubError("You are not logged in to the Hub.", "Log in first: hf auth login")
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
        raise refusal(Reference(name), error, "write to") from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise unreachable(error) from error
    except ValueError as error:
        raise HubError(f"The Hub does not accept what was sent: {error}", "Mend the head of README.md.") from error
