"""What searches found, taught to the policy: examples in TRL's formats, and training on them."""
