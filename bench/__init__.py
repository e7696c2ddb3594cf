"""Measurements: micro for single rooms, load for whole gateways side by side, instructions for one change."""
