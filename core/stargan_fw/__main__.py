"""`python -m stargan_fw` is `stargan-fw`; `torchrun` starts it so."""

from stargan_fw.cli.main import main

if __name__ == "__main__":
    main()
