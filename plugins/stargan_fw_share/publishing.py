"""Model folders that go to the Hugging Face Hub, and those that come from there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token

from stargan_fw.errors import HubError, ModelError
from stargan_fw.models.hub import CARD, FILES, REPO, download, explained, missing_files
from stargan_fw_share.card import with_repo_name
from stargan_fw_share.model_folder import check_free, new_model_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pull(repo: str, folder: Path, revision: str | None = None) -> None:
    """Copies a model from the Hub into a new folder, which appears whole or not at all.

    Raises:
        HubError: for the reasons of `download`.
        ModelError: the folder is not empty, or the repository holds no model.
    """
    check_free(folder)
    snapshot = download(repo, revision)
    with new_model_folder(folder) as partial:
        for file in _files(snapshot):
            shutil.copyfile(file, partial / file.name)  # follows the cache's links


def push(folder: Path, repo: str, *, private: bool = False, revision: str | None = None, update: bool = False) -> str:
    """Uploads a model folder, and returns the address of its repository.

    Args:
        folder: the model folder; files that are no part of a model are not uploaded.
        repo: "user/name"; the repository is created.
        private: whether only its owner may see it.
        revision: a branch, created if it is missing; None is the main branch.
        update: whether the repository may exist already.

    Raises:
        ModelError: the folder holds no model.
        HubError: there is no token, the repository exists, the token may not write it, or the Hub cannot be reached.
    """
    if missing := missing_files(folder):
        raise ModelError(f"'{folder}' holds no model: it has no {missing}. Make one with stargan-fw export RUN DIR.")
    if link := next((file for file in _files(folder) if file.is_symlink()), None):
        raise ModelError(f"'{link}' is a link, and what it points to would be published. Put the file itself there.")
    if not REPO.fullmatch(repo):
        raise HubError(f"'{repo}' is no repository's name: write user/name.")
    if constants.HF_HUB_OFFLINE:
        raise HubError("The Hub is switched off by HF_HUB_OFFLINE, and a push needs it: unset the variable.")
    if get_token() is None:
        raise HubError("There is no Hugging Face token. Log in with 'hf auth login', or set HF_TOKEN.")
    api = HfApi()
    with explained(repo, revision):
        address = api.create_repo(repo, private=private, exist_ok=update)
        if revision is not None:
            api.create_branch(repo, branch=revision, exist_ok=True)
        message = "Upload a model with stargan-fw"
        api.create_commit(repo, [*_additions(folder, repo)], commit_message=message, revision=revision)
    return str(address)


def _additions(folder: Path, repo: str) -> Iterator[CommitOperationAdd]:
    """Yields the files to upload. The uploaded card's commands name the repository instead of the folder."""
    for file in _files(folder):
        content: Path | bytes = file
        if file.name == CARD:
            content = with_repo_name(file.read_text(encoding="utf-8"), repo).encode()
        yield CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=content)


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(folder / name for name in FILES if (folder / name).is_file())
