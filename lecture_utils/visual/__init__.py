"""Pictures: style, figures, widgets. They see arrays and traces, never a concrete model."""
