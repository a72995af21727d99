"""What labels mean: attributes, label spaces over several datasets, edits; and an index of components by name.

`__init__.pyi` lists the names. Each is imported when it is first used, which keeps the start of the program short.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
