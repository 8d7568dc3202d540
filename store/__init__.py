"""Floor 2: how things lie in PostgreSQL and beside it, who may read them, and under which key."""
