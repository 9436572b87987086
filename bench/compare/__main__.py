"""`python -m bench.compare`."""

import sys

from sal.runtime.frontend.light import use_light_frontend

if __name__ == "__main__":
    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from bench.compare.command import main

    sys.exit(main(sys.argv[1:]))
