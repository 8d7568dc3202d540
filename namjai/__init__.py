"""Floor 0: what every other floor may know. Settings, the catalogue of problems, languages."""
