"""`just compare`: every strategy on the same problems, what it cost, and what is significant.

One run after the other, as `sal run` does them, on one pair of servers; what one has asked, no
other asks again, and each costs what it would by itself (`bench.compare.shared`). The runs stay in
their folder: what a killed comparison has finished is not searched again.
"""
