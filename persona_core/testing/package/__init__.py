"""Package: the inspection of an installed package, in a process of its own."""
