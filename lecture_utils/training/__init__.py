"""Training: the loop (`fit`) and what it leaves behind (`checkpoints`).

Knows no concrete model and no concrete data set: both arrive as arguments.
"""
