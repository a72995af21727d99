"""How fast this machine trains, translates and reads, against its own limits, as the command `bench`.

`__init__.pyi` lists the names. Each is imported when it is first used, because the command is registered at every start.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
