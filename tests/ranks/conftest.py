"""Makes `cases` importable, which is also a program."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
