"""`stargan-fw demo`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import DeviceOption, PluginOption, PrecisionOption
from stargan_fw.cli.notes import note
from stargan_fw.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def demo(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Run folders, model folders or Hub ids; several side by side."),
    ],
    *,
    name: Annotated[list[str] | None, typer.Option(help="A model's title, in the models' order; repeatable.")] = None,
    host: Annotated[
        str, typer.Option(help="The address to serve at; 0.0.0.0 lets others on the network use the page.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="The port to serve at; 0 takes any.", show_default="the first free one from 7860 on"
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    plugin: PluginOption = None,
) -> None:
    """Show models on a web page: upload a picture or take one, choose labels, and see what the models make of it.

    The page is served on this machine alone unless --host says otherwise. It asks no other machine for anything, and pictures
    stay in this process. Ctrl-C ends it.
    """
    from stargan_fw_demo.page_server import bind, prepare_gradio, serve

    names = _titles(models, name or ())
    with prepare_gradio(), bind(host, port) as listening:
        from stargan_fw_demo.demo_models import DemoModel
        from stargan_fw_demo.demo_page import DemoPage

        opened = [
            DemoModel.open(path, title, device=device, precision=precision, plugins=plugin or ())
            for path, title in zip(models, names, strict=True)
        ]
        page = DemoPage(opened)
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        if host not in LOOPBACK:
            note("Whoever reaches this address can use the page: it asks for no password.")
        typer.echo(f"{address}  (Ctrl-C ends it)")
        if open_browser:
            import webbrowser

            webbrowser.open(address)
        serve(page, listening)


def _titles(models: "Sequence[str]", given: "Sequence[str]") -> list[str]:
    """Returns a title for each model; titles differ."""
    titles = list(given) or [Path(model).name for model in models]
    if len(titles) != len(models):
        raise RequestError(f"{len(models)} models have {len(titles)} names: use --name once per model, or not at all.")
    if len(set(titles)) == len(titles):
        return titles
    if given:
        raise RequestError(f"Two models are called '{max(titles, key=titles.count)}': give each its own --name.")
    return [f"{title} {number}" for number, title in enumerate(titles, 1)]


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers the command."""
    register(Command("demo", demo, after="sheet"))
