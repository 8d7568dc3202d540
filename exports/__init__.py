"""Floor 5: data in, files out."""
