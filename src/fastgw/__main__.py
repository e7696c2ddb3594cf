"""python -m fastgw: the command line."""

from fastgw.cli import main

if __name__ == "__main__":
    main()
