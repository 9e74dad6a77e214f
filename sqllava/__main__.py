"""``python -m sqllava``, which is what `accelerate launch -m sqllava train ...` starts."""

from sqllava.cli.app import main

if __name__ == "__main__":
    main()
