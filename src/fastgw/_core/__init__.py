"""The data plane: compiled rooms, no setting names, no Python on the way of a call."""
