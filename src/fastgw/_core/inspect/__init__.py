"""What is asked of a head in the core: rules in phases, rates, access; no Python in any of it."""
