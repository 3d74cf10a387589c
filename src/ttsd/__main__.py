"""`python -m ttsd`, the same as the `ttsd` command."""

from ttsd.cli import main

if __name__ == "__main__":
    main()
