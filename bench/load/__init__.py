"""Gateways side by side: the same calls through each, and what they cost the gateway."""
