"""Exercises, one module per lesson: `f = ex.f.check(f)`, `ex.f.hint()`, `ex.f.solution()`."""
