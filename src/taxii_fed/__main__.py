"""`python -m taxii_fed`."""

from taxii_fed.cli.main import main

main(prog_name="taxii-fed")
