"""Data with a known answer: offline, seeded. Plain arrays out; no models, no plots."""
