"""Every table, a module a subject. The migrations equal what stands here; a test proves it."""
