"""Sources that change when data does: one module for each."""
