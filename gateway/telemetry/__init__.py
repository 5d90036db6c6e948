"""Every metric, every span attribute, logging."""
