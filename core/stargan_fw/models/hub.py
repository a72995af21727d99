"""Models on the Hugging Face Hub: their files, and how they are downloaded, through its own library.

The library decides on cache, token, endpoint and offline mode: `HF_HOME`, `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import constants, errors, snapshot_download

from stargan_fw.errors import HubError, ModelError
from stargan_fw.models.weights import CONFIG, READING, TRANSLATING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The files of a model folder. Nothing else is uploaded or downloaded, so no pickle ever is.
CARD, ONNX, SHEET = "README.md", "model.onnx", "sheet.png"
FILES = (CARD, CONFIG, TRANSLATING, READING, ONNX, SHEET)
HTTP_ERROR: type[Exception] = errors.HfHubHTTPError.__bases__[0]  # of the library's HTTP client: httpx or httpx2
REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def is_repo(model: str | Path) -> bool:
    """Tells whether MODEL is the name of a repository, "user/name", and no existing folder or other path."""
    return isinstance(model, str) and REPO.fullmatch(model) is not None and not Path(model).exists()


def download(
    repo: str, revision: str | None = None, *, cache_dir: str | Path | None = None, local_files_only: bool = False
) -> Path:
    """Returns the folder of a model in the Hub's cache, and downloads what is missing there.

    Args:
        repo: "user/name".
        revision: a branch, tag or commit; None is the main branch.
        cache_dir: the folder of the cache; None is the library's default.
        local_files_only: whether to stay offline.

    Raises:
        HubError: there is no such repository or revision, the Hub cannot be reached and the cache does not have it, or the
            cache cannot be used.
        ModelError: the repository holds no model.
    """
    with explained(repo, revision, local_files_only=local_files_only):
        folder = snapshot_download(
            repo, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only, allow_patterns=[*FILES]
        )
    if missing := missing_files(Path(folder)):
        raise ModelError(f"The repository '{repo}' holds no model: it has no {missing}. Name another.")
    return Path(folder)


def missing_files(folder: Path) -> str:
    """Returns the names of the files that every model has and this folder lacks, as part of a sentence."""
    return " and no ".join(name for name in (CONFIG, TRANSLATING) if not (folder / name).is_file())


@contextmanager
def explained(repo: str, revision: str | None, *, local_files_only: bool = False) -> Iterator[None]:
    """Turns errors of the Hub's library into messages that say what to do."""
    try:
        yield
    except errors.GatedRepoError:
        raise HubError(f"'{repo}' is gated: ask for access at {constants.ENDPOINT}/{repo}, and log in.") from None
    except errors.RepositoryNotFoundError:
        raise HubError(
            f"The Hub has no repository '{repo}' that you may see. Check the name; for a private one log in with "
            "'hf auth login', or set HF_TOKEN."
        ) from None
    except errors.RevisionNotFoundError:
        raise HubError(f"'{repo}' has no revision '{revision}'. Name a branch, a tag or a commit.") from None
    except errors.HFValidationError:
        raise HubError(f"'{repo}' is no repository's name: write user/name.") from None
    except errors.LocalEntryNotFoundError:
        raise HubError(_describe_missing_files(repo, revision, local_files_only=local_files_only)) from None
    except errors.HfHubHTTPError as error:
        raise HubError(_describe_answer(repo, error)) from None
    except (HTTP_ERROR, ConnectionError, TimeoutError) as error:
        raise HubError(f"{constants.ENDPOINT} cannot be reached ({type(error).__name__}): check the network.") from None
    except OSError as error:  # of a disk
        path = error.filename or constants.HF_HUB_CACHE
        raise HubError(
            f"'{path}' cannot be read or written: {error.strerror or error}. Make room or give permission, or name "
            "another folder for the Hub's cache with HF_HUB_CACHE."
        ) from None


def _describe_missing_files(repo: str, revision: str | None, *, local_files_only: bool) -> str:
    name = f"'{repo}'" if revision is None else f"'{repo}' at '{revision}'"
    if local_files_only:
        return f"{name} is not whole in the cache, and only local files were asked for: fetch it once without that."
    if constants.HF_HUB_OFFLINE:
        return f"{name} is not whole in the cache, and HF_HUB_OFFLINE is set: fetch it once without that."
    return f"{name} is not in the cache, and {constants.ENDPOINT} cannot be reached: check the network."


def _describe_answer(repo: str, error: errors.HfHubHTTPError) -> str:
    status = error.response.status_code
    if status == 409:
        return f"The repository '{repo}' exists already. Add --update for a new version, or name another repository."
    if status == 401:
        return "The Hub does not accept the token. Log in again with 'hf auth login', or set HF_TOKEN."
    if status == 403:
        return f"The token may not write '{repo}'. Use one with write access, and a name below your own user's."
    said = (error.server_message or str(error)).splitlines()
    return f"The Hub answered {status} for '{repo}': {said[0] if said else 'nothing more'}. Try again later."
