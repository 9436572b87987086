"""The `sal` command: thin Typer commands and the live display."""
