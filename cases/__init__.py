"""Floor 4: the programme's rules, fed by the changes that a submission makes. A subject is one module."""
