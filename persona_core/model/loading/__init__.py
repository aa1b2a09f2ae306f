"""Loading: from a model's name to weights in memory."""
