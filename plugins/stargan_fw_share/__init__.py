"""The commands `export`, `extend`, `push` and `pull`: trained models as folders to share.

`__init__.pyi` lists the names. Each is imported when it is first used, because the commands are registered at every start.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
