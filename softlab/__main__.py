"""`python -m softlab` is the command `softlab`."""

from softlab.cli import main

if __name__ == "__main__":
    main()
