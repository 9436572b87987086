"""The compute-optimal fit: from a sweep's runs to a rule for `sal run auto`."""
