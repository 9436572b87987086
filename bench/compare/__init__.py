"""`just compare`: every strategy on the same problems, what it cost, and what is significant.

One run after the other, as `sal run` does them, on one pair of servers whose caches are emptied
before each, so that none is cheaper for what another one asked. The runs stay in their folder:
what a killed comparison has finished is not searched again.
"""
