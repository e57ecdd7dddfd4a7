"""Models: sizes in, tensors out. No data sets, no plots; one screen each, equations above code."""
