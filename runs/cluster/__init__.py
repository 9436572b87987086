"""A run on many machines: a queue of its problems, and a worker on each that searches them."""
