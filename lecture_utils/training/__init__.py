"""Training: the loop (`fit`), how it goes on after a stop (`resume`), on several processors
(`processes`), and what it leaves behind (`checkpoints`).

Knows no concrete model and no concrete data set: both arrive as arguments.
"""
