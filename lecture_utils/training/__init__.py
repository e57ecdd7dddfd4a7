"""Training: the loop (`fit`), how it goes on after a stop (`resume`), on several processors
(`processes`), what it leaves behind (`checkpoints`), and what its cells know (`probes`).

Knows no concrete model and no concrete data set: both arrive as arguments.
"""
