"""The shared kernel: what every context may import. It knows no context and no business word."""
