"""The pages of the dashboard: one module for each group, with its table."""
