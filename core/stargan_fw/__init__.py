"""StarGAN for many differently labelled datasets at once: what plugins and programs use.

`__init__.pyi` lists the names. Each is imported when it is first used, so that importing this package does not import torch.
"""

import lazy_loader
import pluggy

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

hookimpl = pluggy.HookimplMarker("stargan_fw")
hookspec = pluggy.HookspecMarker("stargan_fw")
