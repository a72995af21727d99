"""The files of a new plugin's package around its component. `@NAME@` and the like are filled in."""

PACKAGE = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "@NAME@"
version = "0.1.0"
description = "The @KIND@ '@NAME@' for stargan-fw"
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
authors = [{ name = "The authors of @NAME@" }]
keywords = ["stargan-fw", "StarGAN", "image-to-image translation"]
classifiers = [
    "Development Status :: 3 - Alpha",
    "Programming Language :: Python :: 3 :: Only",
    "Typing :: Typed",
]
dependencies = ["stargan-fw@VERSIONS@"]

[project.optional-dependencies]
dev = ["pytest>=8", "mypy>=1.14", "ruff>=0.9"]

[project.entry-points."@GROUP@"]
@MODULE@ = "@MODULE@.plugin"

[tool.hatch.build.targets.wheel]
packages = ["@MODULE@"]

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.mypy]
strict = true
files = ["@MODULE@", "tests"]

[tool.ruff]
line-length = 100

[tool.ruff.lint]
select = ["B", "E", "F", "I", "UP", "W"]
""",
    "README.md": """\
# @NAME@

The @KIND@ `@NAME@` for [stargan-fw](https://pypi.org/project/stargan-fw). All of it is in `@MODULE@/plugin.py`.

```sh
pip install @NAME@
@USE@
```

## Work on it

```sh
pip install -e '.[dev]'
stargan-fw plugins check @MODULE@  # says what is wrong, where, and how to mend it
pytest  # the same checks, each as a test
ruff check . && ruff format . && mypy
```

`.github/workflows/test.yml` runs these for every push. A tag such as `v0.1.0` publishes the version to PyPI, once PyPI trusts
`.github/workflows/publish.yml` of your repository (on PyPI: Publishing, environment "pypi").
""",
    "LICENSE": """\
MIT License

Copyright (c) @YEAR@ The authors of @NAME@

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
""",
    "@MODULE@/__init__.py": '"""The @KIND@ \'@NAME@\' for stargan-fw."""\n',
    "@MODULE@/py.typed": "",
    "tests/test_contract.py": '''\
"""What every @KIND@ of stargan-fw promises."""

import pytest
from stargan_fw.testing import ContractCase, contract_cases


@pytest.mark.parametrize("case", contract_cases("@MODULE@.plugin"), ids=str)
def test_contract(case: ContractCase) -> None:
    case.run()
''',
    ".github/workflows/test.yml": """\
name: test
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.14"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{ matrix.python }}
      - run: pip install -e '.[dev]'
      - run: ruff check . && ruff format --check . && mypy
      - run: pytest
""",
    ".github/workflows/publish.yml": """\
name: publish
on:
  push:
    tags: ["v*"]
permissions:
  contents: read
jobs:
  publish:
    runs-on: ubuntu-latest
    environment: pypi
    permissions:
      id-token: write
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pipx run build
      - uses: pypa/gh-action-pypi-publish@release/v1
""",
    ".gitignore": "__pycache__/\n*.egg-info/\n.venv/\ndist/\ndata/\nruns/\n",
}
# How the README says that a component is used.
USES = {
    "dataset": "stargan-fw data check --datasets @NAME@:FOLDER\nstargan-fw train --datasets @NAME@:FOLDER --out runs/@NAME@",
    "generator": "stargan-fw train --datasets celeba --set generator.name=@NAME@",
    "discriminator": "stargan-fw train --datasets celeba --set discriminator.name=@NAME@",
    "loss": "stargan-fw train --datasets celeba --set loss.name=@NAME@",
    "method": "stargan-fw train --datasets celeba --set method.name=@NAME@",
    "tracker": "stargan-fw train --datasets celeba --set 'training.trackers=[\"@NAME@\"]'",
    "command": "stargan-fw @NAME@ --help",
}
