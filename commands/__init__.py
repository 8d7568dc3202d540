"""Floor 7: the front door of the command line, one module a group."""
