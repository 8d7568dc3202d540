"""Floor 3: the one door for submissions, and their review. Knows no programme: what it needs of one lies in rows."""
