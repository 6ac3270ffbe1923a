"""The Human Trafficking Case Data Standard (HTCDS 2.0): its codes, and rows of its columns."""
