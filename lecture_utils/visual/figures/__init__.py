"""One module of figures per lesson. A figure takes arrays and returns a `Picture`."""
