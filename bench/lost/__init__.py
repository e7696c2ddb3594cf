"""Calls that are lost while origins and gateways are restarted: gateways side by side."""
