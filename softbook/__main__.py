"""`python -m softbook` is the command `softbook`."""

from softbook.cli import main

if __name__ == "__main__":
    main()
