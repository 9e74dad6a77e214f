"""``python -m sqeval``: the command, where it is not on the PATH."""

from sqeval.cli.app import main

if __name__ == "__main__":
    main()
