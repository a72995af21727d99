"""The interfaces that plugins implement, and the values that pass through them.

`__init__.pyi` lists the names. Each is imported on first use, so importing this package does not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
