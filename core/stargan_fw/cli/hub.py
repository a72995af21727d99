"""`stargan-fw push` and `stargan-fw pull`."""

from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[str, typer.Argument(metavar="REPO", help="user/name on the Hugging Face Hub.")]


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A model folder, as `export` writes it.")],
    repo: Repo,
    *,
    private: Annotated[bool, typer.Option("--private", help="Only you may see it.")] = False,
    revision: Annotated[str | None, typer.Option(help="A branch, made where it is missing.  [default: main]")] = None,
    update: Annotated[bool, typer.Option("--update", help="Push a new version to a repository that exists.")] = False,
) -> None:
    """Publish a model folder on the Hugging Face Hub."""
    from stargan_fw.sharing import hub

    typer.echo(hub.push(folder, repo, private=private, revision=revision, update=update))


def pull(
    repo: Repo,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    *,
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit.  [default: main]")] = None,
) -> None:
    """Fetch a model folder from the Hugging Face Hub."""
    from stargan_fw.sharing import hub

    hub.pull(repo, folder, revision)
    typer.echo(folder)
