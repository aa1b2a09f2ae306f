"""The checks of a package that `persona-steer plugins check` runs, in a process of their own."""
