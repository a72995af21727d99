"""StarGAN for several differently labelled datasets at once: the names that plugins and programs import.

`__init__.pyi` lists the names. Each is imported on first use, so importing this package does not import torch.
"""

import lazy_loader
import pluggy

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

hookimpl = pluggy.HookimplMarker("stargan_fw")
hookspec = pluggy.HookspecMarker("stargan_fw")
