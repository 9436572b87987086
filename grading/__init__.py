"""Answers: extract, canonicalise, compare, verdict; safe against hostile text."""
