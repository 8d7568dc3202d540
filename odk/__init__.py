"""Floor 1: reading what the ODK standards say. Knows files and bytes; knows no database and no network."""
