"""The live display: a small protocol and four ways to follow it, all on stderr."""
