"""Engine: a request in, a reply and a receipt out. May import `model` and below."""
