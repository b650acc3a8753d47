"""`python -m tinyloc`: the command line, where the folder of its script is not on PATH."""

from tinyloc.cli import main

main(prog_name="tinyloc")
