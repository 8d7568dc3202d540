"""Floor 6: HTTP only. A blueprint a subject, and the tablets' door."""
